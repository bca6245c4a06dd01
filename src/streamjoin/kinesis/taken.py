"""What a batch takes of one shard: whole stream records, unpacked and taken apart, as many as the limits allow."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from streamjoin.kinesis import kpl
from streamjoin.kinesis.plan import BatchLimits, Split
from streamjoin.schema.columns import RECORD_SCHEMA

FIRST_ASKED: Final = 1_000
"""How many stream records to ask of a shard for first: each may hold hundreds."""


class Taken:
    """Records taken so far, in order.

    Args:
        stream: The stream's name.
        shard_id: The shard.
        last_seen: `seen` of the shard's last batch.
        split: Takes the payloads of one stream record apart.

    Attributes:
        batches: With the columns of `schema.RECORD_SCHEMA`.
        first: Sequence number of the first stream record; None when none was taken.
        last: Likewise of the last one.
        outer_records: How many stream records they are.
        rows: How many user records, or what they were taken apart into.
        bytes: Payload bytes of these.
        empty: How many user records were taken apart into nothing.
        last_arrived_ms: When the last one arrived, in milliseconds since the epoch; None when none was taken.
    """

    def __init__(self, stream: str, shard_id: str, last_seen: tuple[int, int, int], split: Split | None = None) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.first: str | None = None
        self.last: str | None = None
        self.last_arrived_ms: int | None = None
        self.outer_records = self.rows = self.bytes = self.empty = 0
        self._stream, self._shard_id, self._last_seen = stream, shard_id, last_seen
        self._split = split

    @property
    def seen(self) -> tuple[int, int, int]:
        """Stream records, rows and bytes of this batch, or of the last one as long as this one has none."""
        return (self.outer_records, self.rows, self.bytes) if self.outer_records else self._last_seen

    def wanted(self, limits: BatchLimits) -> int:
        """Return how many stream records to ask for, from what the last ones held: 1 at least."""
        outer, rows, size = self.seen
        wanted = limits.records - self.rows
        if not outer:
            wanted = min(wanted, FIRST_ASKED)
        else:
            wanted = min(wanted * outer // max(1, rows), (limits.bytes - self.bytes) * outer // max(1, size))
        return max(1, wanted)

    def reaches(self, limits: BatchLimits) -> bool:
        """Say whether there is no room for more."""
        return self.rows >= limits.records or self.bytes >= limits.bytes

    def exceeds(self, limits: BatchLimits) -> bool:
        """Say whether less would have been taken within these limits."""
        return self.outer_records > 1 and (self.rows > limits.records or self.bytes > limits.bytes)

    def take(self, records: Sequence[dict[str, Any]], limits: BatchLimits) -> int:
        """Take records while they fit, each with all its user records; return how many were taken."""
        rows: list[tuple[str, int, str, int, bytes]] = []
        taken = 0
        for record in records:
            users, empty = self._unpacked(record)
            size = sum(len(user.data) for user in users)
            is_over = self.rows + len(users) > limits.records or self.bytes + size > limits.bytes
            # The first record of a batch is always taken, or a large one would stop the shard for ever.
            if is_over and self.outer_records:
                break
            number, arrived_us = record["SequenceNumber"], arrival_ms(record) * 1000
            rows.extend((number, i, user.partition_key, arrived_us, user.data) for i, user in enumerate(users))
            self.first = self.first or number
            self.last = number
            self.outer_records += 1
            self.rows += len(users)
            self.bytes += size
            self.empty += empty
            taken += 1
        if taken:
            self.last_arrived_ms = arrival_ms(records[taken - 1])
        # Records may hold nothing: control messages, say.
        if rows:
            self.batches.append(self._batch(rows))
        return taken

    def _unpacked(self, record: dict[str, Any]) -> tuple[list[kpl.UserRecord], int]:
        users = kpl.unpack(record["PartitionKey"], record["Data"])
        if self._split is None:
            return users, 0
        parts = self._split([user.data for user in users])
        split = [user._replace(data=part) for user, mine in zip(users, parts, strict=True) for part in mine]
        return split, parts.count([])

    def _batch(self, rows: list[tuple[str, int, str, int, bytes]]) -> pa.RecordBatch:
        numbers, sub_numbers, keys, arrivals_us, data = zip(*rows, strict=True)
        names = [self._stream] * len(rows), [self._shard_id] * len(rows)
        columns = (*names, numbers, sub_numbers, keys, arrivals_us, data)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, RECORD_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=RECORD_SCHEMA)


def arrived_since(records: Sequence[dict[str, Any]], wanted_ms: int) -> list[dict[str, Any]]:
    """Return the records from the first on that arrived at `wanted_ms` or later.

    SDKs before 2025 ask for whole seconds, so that what is older comes first.
    """
    early = next((i for i, r in enumerate(records) if arrival_ms(r) >= wanted_ms), len(records))
    return list(records[early:])


def arrival_ms(record: dict[str, Any]) -> int:
    """Return when a record arrived, in milliseconds since the epoch."""
    arrived: datetime = record["ApproximateArrivalTimestamp"]
    return round(arrived.timestamp() * 1000)
