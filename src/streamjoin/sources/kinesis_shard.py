"""The reading of one shard, the same code in a driver thread and in an executor's task."""

from datetime import datetime
from typing import Any

import pyarrow as pa

from streamjoin.errors import DataLossError, SourceError
from streamjoin.schema import RECORD_ARROW_SCHEMA
from streamjoin.sources import kpl
from streamjoin.sources.kinesis_client import (
    MAX_RECORDS_PER_CALL,
    IteratorExpiredError,
    Page,
    SequenceNumberNotHeldError,
    ShardGoneError,
    ShardMemory,
    StreamClient,
    ThrottledError,
)
from streamjoin.sources.kinesis_plan import BatchLimits, ShardRead
from streamjoin.sources.position import (
    TRIM_HORIZON,
    LostRange,
    PositionKind,
    ShardPosition,
    ShardRange,
    sequence_order,
)

# A start "now" by this machine's clock may still lie ahead of the service's.
_CLOCK_SKEW_MS = 15 * 60_000
_LONGEST_BACK_OFF_SECONDS = 5.0


class ShardReading:
    """One batch's reading of one shard.

    Delivery: reading again from the same start gives the same records up to any record seen before. Where a limit
    cuts depends on the records alone, never on how the service paged them, so that a repeated read with the same
    limits ends no earlier than the first one did, unless time ran out.

    Invariant: `_iterator` continues after `_last`, or is None.

    Args:
        client: The stream, in this process.
        read: The shard's part of the plan.
    """

    def __init__(self, client: StreamClient, read: ShardRead) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.is_limited = False
        self._client, self._read = client, read
        self._at = read.start
        self._first: str | None = None
        self._last: str | None = None
        self._outer_records = self._rows = self._bytes = 0
        self._requests = self._throttled = 0
        self._drained = False
        self._behind_ms: int | None = None
        self._read_at_ms = client.clock.now_ms()
        self._lost = read.lost
        self._iterator: str | None = None
        self._expected = read.start.sequence_number
        # The service called the position invalid: a record older than it would prove it foreign.
        self._is_refused = False
        self._memory = client.memory.get(read.shard_id)
        if self._memory is not None and self._memory.place == read.start.place:
            self._iterator, self._expected = self._memory.iterator, self._memory.expected

    def read_up_to(self, limits: BatchLimits, deadline: float) -> None:
        """Read on until caught up, drained, `limits` are reached in all, or the deadline has passed.

        At least one request is sent, also after the deadline: a shard that is always the last must not starve.

        Args:
            limits: For this shard, counting what was read before.
            deadline: By the clock's monotonic seconds.

        Raises:
            DataLossError: The position is no longer held, and `fail_on_data_loss` is true.
            SourceError: Stream missing, denied or unreachable.
        """
        self.is_limited = False
        self._drained = self._drained or self._read.lost is not None
        requests_before = self._requests
        while not self._drained and not self.is_limited:
            if self._rows >= limits.records or self._bytes >= limits.bytes:
                self.is_limited = True
                break
            if self._requests > requests_before and self._client.clock.monotonic() >= deadline:
                break
            try:
                if self._request(limits):
                    break
            except IteratorExpiredError:
                self._requests += 1
                self._iterator = None
            except ThrottledError:
                if not self._back_off(deadline):
                    break
            except ShardGoneError:
                self._lose(None, "the shard is gone")
                self._drained = True
        self._remember()

    def range(self) -> ShardRange:
        """Return what was read so far."""
        return ShardRange(
            self._read.shard_id,
            self._first,
            self._last,
            self._rows,
            self._bytes,
            self._drained,
            self._behind_ms,
            self._read_at_ms,
            self._lost,
            self._read.start.sequence_number,
        )

    def _request(self, limits: BatchLimits) -> bool:
        """Read one page; True when the read is over for this batch."""
        if self._iterator is None and not self._open():
            return True
        asked_at_ms = self._client.clock.now_ms()
        page = self._client.records(self._read.shard_id, str(self._iterator), self._size(limits))
        self._requests += 1
        self._throttled = 0
        self._read_at_ms = asked_at_ms
        records = self._wanted(page)
        kept = self._keep(records, limits)
        if kept < len(records):
            # The rest belongs to the next batch, which starts after the last record kept.
            arrived_ms = _arrival_ms(records[kept])
            self._behind_ms = max(1, page.millis_behind_latest, asked_at_ms - arrived_ms)
            self._iterator, self.is_limited = None, True
            return True
        self._iterator = page.next_iterator
        self._drained = page.next_iterator is None
        self._behind_ms = 0 if self._drained else page.millis_behind_latest
        return self._behind_ms == 0

    def _open(self) -> bool:
        """Open an iterator at the position; False when there can be nothing to read yet."""
        at = self._at
        self._expected, self._is_refused = at.sequence_number, False
        if at.kind is not PositionKind.AFTER and at.caught_up_ms is not None and not self._is_within_retention():
            self._lose(None, "it was read to its end longer ago than the stream keeps records")
        try:
            self._iterator = self._client.open(self._read.shard_id, at)
        except SequenceNumberNotHeldError as error:
            if at.kind is PositionKind.AFTER:
                self._is_refused = True
                self._iterator = self._client.open(self._read.shard_id, TRIM_HORIZON)
                return True
            if at.timestamp_ms is not None and at.timestamp_ms > self._client.clock.now_ms() - _CLOCK_SKEW_MS:
                self._behind_ms = 0
                return False
            message = f"{self._where()}: can't start at {at}: {error}"
            raise SourceError(message) from error
        return True

    def _wanted(self, page: Page) -> list[dict[str, Any]]:
        """Return the page's records after the position, having made sure that none is missing before them."""
        records = page.records
        if self._at.kind is PositionKind.AT_TIMESTAMP and self._at.timestamp_ms is not None:
            # SDKs before 2025 send whole seconds: what comes too early is not wanted.
            wanted_ms = self._at.timestamp_ms
            early = next((i for i, r in enumerate(records) if _arrival_ms(r) >= wanted_ms), len(records))
            return records[early:]
        expected = self._expected
        if expected is None:
            return records
        later = [r for r in records if sequence_order(r["SequenceNumber"]) > sequence_order(expected)]
        if any(r["SequenceNumber"] == expected for r in records):
            self._expected = None
        elif self._is_refused and len(later) < len(records):
            message = (
                f"{self._where()}: position {expected} is not of this shard, which holds older records. Was the stream "
                "deleted and made again? Then start a new table under another sink.hudi.base_path"
            )
            raise SourceError(message)
        elif later or page.millis_behind_latest == 0 or page.next_iterator is None:
            self._missing(later[0]["SequenceNumber"] if later else None)
            self._expected = None
        return later

    def _is_within_retention(self) -> bool:
        caught_up_ms = self._read.start.caught_up_ms
        if caught_up_ms is None:
            return False
        return self._client.clock.now_ms() - caught_up_ms <= self._client.retention_ms()

    def _missing(self, first_available: str | None) -> None:
        """Decide what it means that the position's own record isn't there: after a quiet time it may be, unharmed."""
        if not self._is_within_retention():
            available = f"the first record available is {first_available}" if first_available else "nothing follows it"
            self._lose(first_available, f"it is no longer held, {available}")

    def _lose(self, first_available: str | None, why: str) -> None:
        if self._client.stream.fail_on_data_loss:
            message = (
                f"{self._where()}: position {self._at}: {why}; records after it may be gone. Set "
                "source.kinesis.fail_on_data_loss: false to go on from the first record available."
            )
            raise DataLossError(message)
        self._lost = LostRange(self._at.sequence_number, first_available)

    def _where(self) -> str:
        return f"stream '{self._client.stream.name}' shard '{self._read.shard_id}'"

    def _size(self, limits: BatchLimits) -> int:
        """Return how many records to ask for, from what the last ones held; a page beyond the limits is read twice."""
        outer, rows, size = self._outer_records, self._rows, self._bytes
        if not outer and self._memory is not None:
            outer, rows, size = self._memory.outer_records, self._memory.rows, self._memory.bytes
        wanted = limits.records - self._rows
        if outer:
            by_bytes = (limits.bytes - self._bytes) * outer // max(1, size)
            wanted = min(wanted * outer // max(1, rows), by_bytes)
        # The position's own record comes first, and doesn't count.
        return min(MAX_RECORDS_PER_CALL, max(1, wanted) + (1 if self._expected is not None else 0))

    def _keep(self, records: list[dict[str, Any]], limits: BatchLimits) -> int:
        """Take records while they fit, each with all its user records; return how many were taken."""
        rows: list[tuple[str, int, str, int, bytes]] = []
        taken = 0
        for record in records:
            users = kpl.unpack(record["PartitionKey"], record["Data"])
            size = sum(len(user.data) for user in users)
            is_over = self._rows + len(users) > limits.records or self._bytes + size > limits.bytes
            # The first record of a batch is always taken, or a large one would stop the shard for ever.
            if is_over and self._outer_records:
                break
            number, arrived_us = record["SequenceNumber"], _arrival_ms(record) * 1000
            rows.extend((number, i, user.partition_key, arrived_us, user.data) for i, user in enumerate(users))
            self._first = self._first or number
            self._last = number
            self._outer_records += 1
            self._rows += len(users)
            self._bytes += size
            taken += 1
        if taken:
            self._at = ShardPosition(PositionKind.AFTER, sequence_number=self._last)
            if self._lost is not None and self._lost.first_available is None:
                self._lost = LostRange(self._lost.after, records[0]["SequenceNumber"])
            self.batches.append(_record_batch(self._client.stream.name, self._read.shard_id, rows))
        return taken

    def _back_off(self, deadline: float) -> bool:
        """Wait before the next request; False when that would be after the deadline."""
        longest_seconds = min(_LONGEST_BACK_OFF_SECONDS, 0.4 * 2**self._throttled)
        self._throttled += 1
        wait_seconds = longest_seconds * (0.5 + self._client.jitter() / 2)
        if self._client.clock.monotonic() + wait_seconds > deadline:
            return False
        self._client.clock.sleep(wait_seconds)
        return True

    def _remember(self) -> None:
        if self._drained:
            self._client.memory.pop(self._read.shard_id, None)
            return
        seen = (self._outer_records, self._rows, self._bytes)
        if not self._outer_records and self._memory is not None:
            seen = (self._memory.outer_records, self._memory.rows, self._memory.bytes)
        # An iterator from the trim horizon, opened for a position still unproven, must not pass for the position's own.
        iterator = None if self._is_refused and self._expected is not None else self._iterator
        self._client.memory[self._read.shard_id] = ShardMemory(self._at.place, iterator, self._expected, *seen)


def _record_batch(stream: str, shard_id: str, rows: list[tuple[str, int, str, int, bytes]]) -> pa.RecordBatch:
    numbers, sub_numbers, keys, arrivals_us, data = zip(*rows, strict=True)
    columns = ([stream] * len(rows), [shard_id] * len(rows), numbers, sub_numbers, keys, arrivals_us, data)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RECORD_ARROW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD_ARROW_SCHEMA)


def _arrival_ms(record: dict[str, Any]) -> int:
    arrived: datetime = record["ApproximateArrivalTimestamp"]
    return round(arrived.timestamp() * 1000)
