"""What happens to a stack, and to the stacks in it, told as it comes; and which of it is why a change failed.

Source: AWS CloudFormation API reference, StackEvent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_STACK: Final = "AWS::CloudFormation::Stack"
# Of resources that another one's failure has stopped.
_CANCELLED: Final = "cancelled"


@dataclass(frozen=True)
class Event:
    """One step of one resource.

    Args:
        moment: When.
        place: Its name in the template, behind those of the stacks around it: `Streams/Orders`; "" is the stack itself.
        type: Such as `AWS::Kinesis::Stream`.
        status: Such as `CREATE_COMPLETE`.
        reason: What CloudFormation says of it, "" mostly.
        physical: The resource's own name or ARN, "" while it has none.
    """

    moment: datetime
    place: str
    type: str
    status: str
    reason: str
    physical: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether it is a failure, not the end that another one's failure has put to it."""
        return self.status.endswith("_FAILED") and _CANCELLED not in self.reason.lower()

    def __str__(self) -> str:
        """Return it without the moment."""
        return f"{self.place or 'the stack'} ({self.type})" + (f": {self.reason}" if self.reason else "")


class Events:
    """The events of a stack and of those in it, each given once, the oldest first.

    Args:
        client: boto3's `cloudformation` client.
        stack_id: The stack's ARN: by it the events of a deleted stack are found too.
    """

    def __init__(self, client: Any, stack_id: str) -> None:
        self._client = client
        self._places = {stack_id: ""}
        self._seen: set[str] = set()

    def new(self) -> list[Event]:
        """Return what has come since the last call."""
        found: list[Event] = []
        asked: set[str] = set()
        # A stack that is found in another one is asked too.
        while waiting := [each for each in self._places if each not in asked]:
            for stack_id in waiting:
                asked.add(stack_id)
                found += [self._event(stack_id, each) for each in self._unseen(stack_id)]
        return sorted(found, key=lambda each: each.moment)

    def _unseen(self, stack_id: str) -> list[dict[str, Any]]:
        unseen: list[dict[str, Any]] = []
        # The newest come first.
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id):
            for each in page["StackEvents"]:
                if each["EventId"] in self._seen:
                    return unseen[::-1]
                unseen.append(each)
        return unseen[::-1]

    def _event(self, stack_id: str, found: dict[str, Any]) -> Event:
        self._seen.add(found["EventId"])
        physical, place = found.get("PhysicalResourceId", ""), self._places[stack_id]
        if physical != stack_id:
            place = f"{place}/{found['LogicalResourceId']}".lstrip("/")
            if found["ResourceType"] == _STACK and physical.startswith("arn:"):
                self._places.setdefault(physical, place)
        return Event(
            found["Timestamp"],
            place,
            found["ResourceType"],
            found["ResourceStatus"],
            found.get("ResourceStatusReason") or "",
            physical,
        )


def failures(events: Iterable[Event]) -> list[Event]:
    """Return the failures that are why others failed: of a stack in the stack those within it, if it tells of any."""
    failed = [each for each in events if each.has_failed]
    return list(_innermost(failed))


def _innermost(failed: list[Event]) -> Iterator[Event]:
    told: set[tuple[str, str]] = set()
    for each in failed:
        within = f"{each.place}/" if each.place else ""
        is_outer = any(other.place != each.place and other.place.startswith(within) for other in failed)
        if not is_outer and (each.place, each.reason) not in told:
            told.add((each.place, each.reason))
            yield each
