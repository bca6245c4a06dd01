"""A table with a stream and a reference that follows it, on fakes that do what no emulator does."""

import json
from datetime import UTC, datetime
from typing import Any

from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from tests.faults.reference import FakeClock, FakeDynamoDb, FakeSpark, country, settings
from tests.faults.stream import FakeTableStream

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
INDIA, FRANCE = country("IN", "India"), country("FR", "France")


class World:
    """A table with a stream, one or two references to it, and a clock."""

    def __init__(self, *items: dict[str, Any], view_type: str = "NEW_AND_OLD_IMAGES", **changes: Any) -> None:
        self.clock = FakeClock(NOON)
        self.stream = FakeTableStream(keys=("code",), shards=2, view_type=view_type, clock=self.clock)
        self.table = FakeDynamoDb([])
        self.enable(view_type)
        self.table.items = self.stream.items
        self.stream.items += items or (INDIA, FRANCE)
        self.changes = {"refresh": {"follow": "changes", "max_staleness_seconds": 300}, **changes}
        self.reference = self.start()

    def enable(self, view_type: str = "NEW_AND_OLD_IMAGES") -> None:
        self.table.stream = {
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": view_type},
            "LatestStreamArn": self.stream.arn,
        }

    def start(self) -> Reference:
        chosen = settings(**self.changes)
        feed = TableFeed(
            chosen.dynamodb, chosen.refresh, client=self.table, streams=lambda: self.stream, clock=self.clock
        )
        return Reference(chosen, client=self.table, spark=FakeSpark(), feed=feed, clock=self.clock)  # type: ignore[arg-type]

    def restart(self, metadata: dict[str, Any]) -> None:
        """Go on as a new process does, from what the last commit says."""
        self.reference = self.start()
        self.reference.restore(json.loads(json.dumps(metadata)))

    def after(self, seconds: float) -> Snapshot:
        self.clock.advance(seconds)
        return self.reference.current()

    @property
    def scans(self) -> int:
        return sum("ExclusiveStartKey" not in request for request in self.table.scans)


def names(snapshot: Snapshot) -> dict[str, str]:
    return {row["countryname"]: row["country_code"] for row in snapshot.table.to_pylist()}
