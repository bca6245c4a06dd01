"""A CloudFormation that does what a test has written down: the states, change sets and events of real stacks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

BEGIN = datetime(2026, 11, 30, 12, tzinfo=UTC)
ROOT = "arn:aws:cloudformation:us-east-1:123456789012:stack/s/1"
INNER = "arn:aws:cloudformation:us-east-1:123456789012:stack/s-Streams/2"


class Service:
    """One stack `s` and one in it; what happens to them is in `script`: events and, at last, a state."""

    def __init__(self, status: str | None = None) -> None:
        self.status = status
        self.stack_outputs: dict[str, str] = {}
        self.stack_parameters: list[str] = []
        self.template_parameters = ["Environment", "Shards"]
        self.change_set_reason = ""
        self.found_before: list[dict[str, Any]] = []
        self.script: list[tuple[str, list[tuple[str, str, str, str, str]]]] = []
        self.events: dict[str, list[dict[str, Any]]] = {ROOT: [], INNER: []}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.meta = type("Meta", (), {"region_name": "us-east-1"})

    def happens(self, status: str, *events: tuple[str, str, str, str, str]) -> None:
        """Let the next look at the stack find a state, and events: stack, name, type, state, reason."""
        self.script.append((status, list(events)))

    def named(self, operation: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == operation]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName == ROOT and self.script:
            self.status, events = self.script.pop(0)
            for each in events:
                self._note(*each)
        if self.status is None or (self.status == "DELETE_COMPLETE" and StackName != ROOT):
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.stack_outputs.items()]
        parameters = [{"ParameterKey": key} for key in self.stack_parameters]
        return {
            "Stacks": [
                {"StackId": ROOT, "StackStatus": self.status, "Outputs": outputs, "Parameters": parameters},
            ]
        }

    def _note(self, stack: str, name: str, kind: str, status: str, reason: str) -> None:
        stack_id = INNER if stack == "inner" else ROOT
        physical = {"Streams": INNER, "s": ROOT, "s-Streams": INNER}.get(name, name.lower())
        events = self.events[stack_id]
        count = sum(map(len, self.events.values()))
        event = {
            "EventId": str(count),
            "Timestamp": BEGIN + timedelta(seconds=count),
            "LogicalResourceId": name,
            "PhysicalResourceId": physical,
            "ResourceType": kind,
            "ResourceStatus": status,
            **({"ResourceStatusReason": reason} if reason else {}),
        }
        events.insert(0, event)

    def describe_events(self, Filters: dict[str, bool], **of: str) -> dict[str, Any]:
        self.calls.append(("describe_events", of))
        assert Filters == {"FailedEvents": True}
        return {"OperationEvents": self.found_before}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "describe_stack_events"
        return self

    def paginate(self, StackName: str) -> Iterator[dict[str, Any]]:
        events = self.events[StackName]
        # Pages of two.
        yield from ({"StackEvents": events[begin : begin + 2]} for begin in range(0, len(events), 2))

    def get_template_summary(self, **template: str) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": key} for key in self.template_parameters]}

    def create_change_set(self, **arguments: Any) -> dict[str, str]:
        self.calls.append(("create_change_set", arguments))
        if self.status in {None, "DELETE_COMPLETE"}:
            self.status = "REVIEW_IN_PROGRESS"
        return {"Id": "change"}

    def describe_change_set(self, ChangeSetName: str) -> dict[str, Any]:
        status = "FAILED" if self.change_set_reason else "CREATE_COMPLETE"
        reason = {"StatusReason": self.change_set_reason} if self.change_set_reason else {}
        return {"ChangeSetId": ChangeSetName, "StackId": ROOT, "Status": status, **reason}

    def delete_change_set(self, ChangeSetName: str) -> None:
        self.calls.append(("delete_change_set", {"ChangeSetName": ChangeSetName}))

    def execute_change_set(self, ChangeSetName: str, RetainExceptOnCreate: bool) -> None:
        self.calls.append(("execute_change_set", {"ChangeSetName": ChangeSetName, "clean": RetainExceptOnCreate}))

    def delete_stack(self, StackName: str) -> None:
        self.calls.append(("delete_stack", {"StackName": StackName}))
