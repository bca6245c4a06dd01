"""The change records of one batch as they are taken: what each shard gave, and all of it as records."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from streamjoin.dynamodb.change_records import item_key
from streamjoin.dynamodb.stream.client import ChangeRecord
from streamjoin.dynamodb.stream.records import streams_record
from streamjoin.schema.columns import RECORD_SCHEMA


@dataclass
class ShardTaken:
    """What one shard gave."""

    first: str | None = None
    last: str | None = None
    records: int = 0
    bytes: int = 0
    last_arrived_ms: int | None = None

    def behind_ms(self, now_ms: int) -> int | None:
        """Return how old its newest change is, if it has more; None if that isn't known."""
        return None if self.last_arrived_ms is None else max(1, now_ms - self.last_arrived_ms)


class Taken:
    """Change records as they come, packed at once: their items as dicts take many times the memory.

    Args:
        stream_arn: What they come from.

    Attributes:
        records: How many there are.
        bytes: Of their data.
    """

    def __init__(self, stream_arn: str) -> None:
        self.records = self.bytes = 0
        self._stream_arn = stream_arn
        self._shards: dict[str, ShardTaken] = {}
        self._batches: list[pa.RecordBatch] = []

    def of(self, shard_id: str) -> ShardTaken:
        """Return what a shard gave."""
        return self._shards.get(shard_id, ShardTaken())

    def add(self, changes: Iterable[ChangeRecord]) -> None:
        """Take changes, which come after those that were taken."""
        rows = [self._row(change) for change in changes]
        if rows:
            self._batches.append(pa.RecordBatch.from_pylist(rows, schema=RECORD_SCHEMA))

    def table(self) -> pa.Table:
        """Return the records. Columns out: as `schema.RECORD_SCHEMA`."""
        return pa.Table.from_batches(self._batches, RECORD_SCHEMA)

    def _row(self, change: ChangeRecord) -> dict[str, Any]:
        data = streams_record(change, self._stream_arn)
        shard = self._shards.setdefault(change.shard_id, ShardTaken(first=change.sequence_number))
        shard.last = change.sequence_number
        shard.records += 1
        shard.bytes += len(data)
        shard.last_arrived_ms = change.created_at_ms
        self.records += 1
        self.bytes += len(data)
        created = None if change.created_at_ms is None else datetime.fromtimestamp(change.created_at_ms / 1000, UTC)
        return {
            "stream": self._stream_arn,
            "shard_id": change.shard_id,
            "sequence_number": change.sequence_number,
            "sub_sequence_number": 0,
            "partition_key": item_key(change.keys),
            "approximate_arrival_timestamp": created,
            "data": data,
        }
