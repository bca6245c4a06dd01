"""A DynamoDB table's own stream in batches, as Kinesis gives them: records, ranges of shards, and the position after.

Delivery: nothing here keeps a position; the one that is committed decides what is read again. A batch read again from
one position gives the same records in the same order in each shard, and maybe more after them.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from streamjoin.dynamodb.stream.gaps import Gaps
from streamjoin.dynamodb.stream.stream import Polled, StreamLostError, TableStream
from streamjoin.dynamodb.stream.taken import Taken
from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.shards.position import TRIM_HORIZON, Position, PositionKind, ShardRange

log = logging.getLogger(__name__)

# How large records are is known when some were read: the first poll of a process asks for few.
_FIRST_POLL_RECORDS: Final = 1_000
# While other shards give records, one that can't be read holds up none of them for so many batches.
_FAILED_READS: Final = 5
# Empty pages in a row that make a shard's tip: the service may give some before records.
_PATIENCE: Final = 3


@dataclass(frozen=True)
class TableBatch:
    """What was read.

    Args:
        records: Columns as `schema.RECORD_SCHEMA`; `data` is a change record as DynamoDB Streams has it.
        ranges: Of the shards that gave records, or came to their end.
        position: What a later batch may start at.
        at_tip: Whether every shard was read to its tip.
        seconds: How long it took.
    """

    records: pa.Table
    ranges: tuple[ShardRange, ...]
    position: Position
    at_tip: bool
    seconds: float


class TableStreamBatches:
    """Reads a table's stream from a position on; not for several threads.

    Invariant: `position` is the one that was given, advanced by the ranges of all batches since.

    Args:
        open_stream: Asks for the table's stream as it is now, and returns it, not started.
        position: Where to begin.
        fail_on_data_loss: Whether to stop when the stream no longer has what follows the position; else the lost range
            is in the batch's ranges.
        begun: The stream, started at `position` by this process already.
        clock: Gives seconds since the epoch.
    """

    def __init__(
        self,
        open_stream: Callable[[], TableStream],
        position: Position,
        *,
        fail_on_data_loss: bool = True,
        begun: TableStream | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_stream, self._fail_on_data_loss, self._clock = open_stream, fail_on_data_loss, clock
        self.position = position
        self._gaps = Gaps()
        self._failures = 0
        self._mean_bytes: int | None = None
        self._stream = begun or open_stream()
        if begun is None:
            try:
                self._stream.start_at(position)
            except StreamLostError as lost:
                self._begin_at_oldest(lost)

    def read(self, limits: BatchLimits) -> TableBatch:
        """Return the next batch; one without records when there are none.

        Raises:
            DataLossError: Changes after the position are gone, and `fail_on_data_loss` is true.
            SourceError: The stream can't be read.
        """
        began_ms, deadline = round(self._clock() * 1000), self._clock() + limits.seconds
        taken, at_tip = Taken(self._stream.stream_arn), False
        while True:
            polled = self._poll(taken, limits, deadline)
            if polled is None:
                taken = taken if taken.records else Taken(self._stream.stream_arn)
                break
            taken.add(self._gaps.unread(polled.records))
            if taken.records:
                self._mean_bytes = max(1, taken.bytes // taken.records)
            at_tip = polled.at_tip
            if self._is_over(polled, taken, limits, deadline):
                break
        ranges = self._ranges(taken, began_ms, at_tip=at_tip)
        self._gaps.forget(ranges)
        self.position = self._gaps.covered(self._stream.position, self.position)
        return TableBatch(taken.table(), ranges, self.position, at_tip, self._clock() - began_ms / 1000)

    def _poll(self, taken: Taken, limits: BatchLimits, deadline: float) -> Polled | None:
        """Poll once; None if the stream has begun from its oldest change, or will when it is asked next."""
        room = (limits.bytes - taken.bytes) // self._mean_bytes if self._mean_bytes else _FIRST_POLL_RECORDS
        asked = max(1, min(limits.records - taken.records, room))
        try:
            polled = self._stream.poll(
                patience=_PATIENCE, seconds=max(1.0, deadline - self._clock()), max_records=asked
            )
        except StreamLostError as lost:
            if not taken.records:
                self._begin_at_oldest(lost)
            return None
        self._failures = self._failures + 1 if polled.error else 0
        if polled.error is not None:
            nothing = not polled.records and not taken.records
            if nothing or not polled.error.retryable or self._failures >= _FAILED_READS:
                raise polled.error
            log.warning("%s; what other shards gave is processed", polled.error)
        return polled

    def _is_over(self, polled: Polled, taken: Taken, limits: BatchLimits, deadline: float) -> bool:
        is_full = taken.records >= limits.records or taken.bytes >= limits.bytes
        return polled.at_tip or bool(polled.error) or is_full or not polled.records or self._clock() >= deadline

    def _begin_at_oldest(self, lost: StreamLostError) -> None:
        """Go on with the oldest changes that the table's stream still has; what is missing before them is noted."""
        if self._fail_on_data_loss:
            message = (
                f"{lost}. Bring the table's content back in step by a backfill, and set "
                "source.dynamodb_stream.fail_on_data_loss: false to go on from the oldest change that the stream has."
            )
            raise DataLossError(message) from lost
        log.warning("%s; going on with the oldest change that the stream has", lost)
        self._stream = self._open_stream()
        places = self.position.shards
        drained = [shard_id for shard_id, place in places.items() if place.kind is PositionKind.DRAINED]
        is_same = self._stream.stream_arn == self.position.stream
        try:
            self._stream.start_at_trim_horizon(drained if is_same else ())
        except StreamLostError as again:
            raise SourceError(str(again), retryable=True) from again
        self._gaps = Gaps.of(self.position)

    def _ranges(self, taken: Taken, read_at_ms: int, *, at_tip: bool) -> tuple[ShardRange, ...]:
        before, after = self.position.shards, self._stream.position.shards
        ranges = []
        for shard_id in sorted({*before, *after}):
            place, found = before.get(shard_id, TRIM_HORIZON), after.get(shard_id)
            is_gone = shard_id in self._gaps and found is None
            is_drained = is_gone or (found is not None and found.kind is PositionKind.DRAINED)
            read = taken.of(shard_id)
            is_new_end = is_drained and place.kind is not PositionKind.DRAINED
            lost = self._gaps.lost(shard_id, read.first, is_over=is_new_end or at_tip)
            if not (read.records or is_new_end or lost):
                continue
            ranges.append(
                ShardRange(
                    shard_id,
                    read.first,
                    read.last,
                    read.records,
                    read.bytes,
                    is_drained,
                    0 if at_tip or is_drained else read.behind_ms(read_at_ms),
                    read_at_ms,
                    lost,
                    place.sequence_number,
                    read.last_arrived_ms,
                )
            )
        return tuple(ranges)
