"""What is read of DynamoDB, counted from the service's answers, whatever the code under measurement says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import boto3

# The operations that read items, and so consume read units.
ITEM_READS = ("Scan", "Query", "GetItem", "BatchGetItem")


@dataclass(frozen=True)
class Reads:
    """Items that were read, found or filtered; what that consumed; and records of tables' streams."""

    items: int = 0
    read_units: float = 0.0
    changes: int = 0

    def __add__(self, other: "Reads") -> "Reads":
        return Reads(self.items + other.items, self.read_units + other.read_units, self.changes + other.changes)


class RequestMeter:
    """Counts what boto3's clients read of tables and of their streams, in this process."""

    def __init__(self) -> None:
        # A scan has several threads.
        self._lock = Lock()
        self._reads = Reads()

    def watch(self) -> None:
        """Count the answers to all clients made from now on, and have the service say what they consumed."""
        # The session's own handlers: each client starts with a copy, however it is made.
        session = boto3.DEFAULT_SESSION or boto3.Session()
        boto3.DEFAULT_SESSION, events = session, session.events
        for operation in ITEM_READS:
            events.register(f"before-parameter-build.dynamodb.{operation}", _ask_for_capacity)
        # Kinesis has a GetRecords too, which is none of ours.
        for service in ("dynamodb", "dynamodb-streams"):
            events.register(f"after-call.{service}", self.note)

    def note(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        """Take note of an answer; botocore calls it with the answer and the operation's model."""
        with self._lock:
            self._reads += reads_of(model.name, parsed)

    def take(self) -> Reads:
        """Return what was counted since this was asked last."""
        with self._lock:
            reads, self._reads = self._reads, Reads()
        return reads


def reads_of(operation: str, answer: Mapping[str, Any]) -> Reads:
    """Return what one answer of the service has read."""
    if operation == "GetRecords":
        return Reads(changes=len(answer.get("Records", ())))
    if operation not in ITEM_READS:
        return Reads()
    match operation:
        case "GetItem":
            items = int("Item" in answer)
        case "BatchGetItem":
            items = sum(map(len, answer.get("Responses", {}).values()))
        case _:
            items = int(answer.get("ScannedCount", 0))
    consumed = answer.get("ConsumedCapacity") or []
    # BatchGetItem has one a table.
    consumed = consumed if isinstance(consumed, list) else [consumed]
    return Reads(items, sum(float(each["CapacityUnits"]) for each in consumed))


def _ask_for_capacity(params: dict[str, Any], **_: Any) -> None:
    params.setdefault("ReturnConsumedCapacity", "TOTAL")
