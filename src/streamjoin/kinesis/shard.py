"""The reading of one shard, the same code in a driver thread and in an executor's task."""

from concurrent.futures import Future
from typing import Any

import pyarrow as pa

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis.calls import (
    GapError,
    IteratorExpiredError,
    Page,
    SequenceNumberNotHeldError,
    ShardGoneError,
    ThrottledError,
)
from streamjoin.kinesis.client import ShardMemory, StreamClient
from streamjoin.kinesis.plan import BatchLimits, ShardRead
from streamjoin.kinesis.taken import Taken, arrival_ms, arrived_since
from streamjoin.shards.position import TRIM_HORIZON, LostRange, PositionKind, ShardPosition, ShardRange, sequence_order

# A start "now" by this machine's clock may still lie ahead of the service's.
_CLOCK_SKEW_MS = 15 * 60_000
_ITERATOR_LIFE_MS = 5 * 60_000
_SHORTEST_RETENTION_MS = 24 * 3_600_000
# How long a batch that could go on waits for a shard's answer, or for the end of its back-off.
PATIENCE_SECONDS = 2.0
# So many calls of a shard may fail in a row before the batch does, each after a longer pause than the last; over
# several batches if need be, which go on without the shard. Being throttled doesn't count: that always passes.
ATTEMPTS = 5


class ShardReading:
    """One batch's reading of one shard.

    Delivery: reading again from the same start gives the same records up to any record seen before. If a limit
    cuts depends on the records alone, never on how the service paged them, so that a repeated read with the same
    limits ends no earlier than the first one did, unless time ran out.

    Invariant: `_iterator` continues at `_at`, or is None.

    Args:
        client: The stream, in this process.
        read: The shard's part of the plan.

    Attributes:
        work: The read in hand, or the last one; until it is done, the others say nothing.
        is_limited: Whether the last read ended at a limit.
        is_left: The batch went on without this reading: it ends with the call in hand.
        is_taken_over: It was read for an earlier batch that went on without it, and its answers stand.
        answered_at: When the shard answered last, by the clock's monotonic seconds.
    """

    def __init__(self, client: StreamClient, read: ShardRead) -> None:
        self.work: Future[None] = Future()
        self.work.set_result(None)
        self.is_limited = self.is_left = self.is_taken_over = False
        self.answered_at = 0.0
        self._client, self._read = client, read
        self._at = read.start
        memory = client.memory.get(read.shard_id)
        seen = memory.seen if memory else (0, 0, 0)
        self._taken = Taken(client.stream.name, read.shard_id, seen, client.stream.split)
        self._requests, self._drained = 0, False
        self._behind_ms: int | None = None
        self._read_at_ms = client.clock.now_ms()
        self._lost = read.lost
        self._iterator: str | None = None
        self._is_fresh = False
        self._expected = read.start.sequence_number
        # The service called the position invalid: a record older than it would prove it foreign.
        self._is_refused = False
        if memory is not None and memory.place == read.start.place:
            self._iterator, self._expected = memory.iterator, memory.expected

    @property
    def shard_id(self) -> str:
        """The shard."""
        return self._read.shard_id

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The records, with the columns of `schema.RECORD_SCHEMA`."""
        return self._taken.batches

    @property
    def was_answered(self) -> bool:
        """Whether there is anything to report, if only that nothing was there."""
        return self._requests > 0 or self._drained

    def can_pass_for(self, read: ShardRead) -> bool:
        """Say whether a reading that was left behind, and is over, gives what `read` asks for; then it does."""
        if read.start.place != self._read.start.place or self._taken.exceeds(read.limits):
            return False
        self._read, self.is_left = read, False
        # A shard that is always slow would be left behind again if it were asked for more now.
        self.is_taken_over = self.was_answered
        return True

    def read_up_to(self, limits: BatchLimits, deadline: float) -> None:
        """Read on until caught up, drained, `limits` are reached in all, or the deadline has passed.

        At least one request is sent, also after the deadline: a shard that is always the last must not starve. Only a
        shard whose faults leave it alone for longer than the batch would wait isn't asked.

        Args:
            limits: For this shard, counting what was read before.
            deadline: By the clock's monotonic seconds.

        Raises:
            DataLossError: The position is no longer held, and `fail_on_data_loss` is true.
            SourceError: Stream missing or denied, or calls failed `ATTEMPTS` times in a row.
        """
        self.is_limited = False
        self._drained = self._drained or self._read.lost is not None
        requests_before = self._requests
        while not (self._drained or self.is_limited or self.is_left):
            if self._taken.reaches(limits):
                self.is_limited = True
                break
            left_seconds = deadline - self._client.clock.monotonic()
            if self._requests > requests_before and left_seconds <= 0:
                break
            wait_seconds = self._client.pace.back_off_seconds(self._read.shard_id)
            if wait_seconds > 0 and wait_seconds > min(PATIENCE_SECONDS, left_seconds):
                break
            try:
                if self._request(limits):
                    break
            except IteratorExpiredError as error:
                self._expired(error)
            except ThrottledError:
                self._client.pace.throttled(self._read.shard_id)
            except (ShardGoneError, GapError):
                if self._ends_before_gap:
                    # The next batch begins here, and meets the gap again.
                    self._iterator, self._behind_ms = None, max(1, self._behind_ms or 0)
                    break
                self._lose(None, "the shard is gone")
                self._drained = True
            except SourceError as error:
                self._failed(error)
        self._remember()

    def _expired(self, error: IteratorExpiredError) -> None:
        self._iterator = None
        if self._is_fresh:
            message = f"{self._where()}: an iterator that was opened just now is called expired"
            failure = SourceError(message, retryable=True)
            failure.__cause__ = error
            self._failed(failure)

    def _failed(self, error: SourceError) -> None:
        if not error.retryable:
            raise error
        if self._client.pace.failed(self._read.shard_id) >= ATTEMPTS:
            # What tries again after this error has all attempts again.
            self._client.pace.answered(self._read.shard_id)
            raise error

    def range(self) -> ShardRange:
        """Return what was read so far."""
        # Without an answer a gap is not behind the position yet: the next batch must meet it.
        lost = self._lost if self.was_answered else None
        return ShardRange(
            self._read.shard_id,
            *(self._taken.first, self._taken.last, self._taken.rows, self._taken.bytes),
            *(self._drained, self._behind_ms, self._read_at_ms, lost),
            self._read.start.sequence_number,
            *(self._taken.last_arrived_ms, self._taken.empty),
        )

    def _request(self, limits: BatchLimits) -> bool:
        """Read one page; True when the read is over for this batch."""
        self._is_fresh = self._iterator is None
        if self._iterator is None and not self._open():
            return True
        # The position's own record comes first, and doesn't count.
        size = self._taken.wanted(limits) + (1 if self._expected is not None else 0)
        page = self._client.pages.records(self._read.shard_id, str(self._iterator), size)
        self._requests += 1
        self._client.pace.answered(self._read.shard_id)
        self.answered_at = self._client.clock.monotonic()
        self._read_at_ms = page.as_of_ms
        records = self._wanted(page)
        kept = self._take(records, limits)
        if kept < len(records):
            # The rest belongs to the next batch, which starts after the last record kept.
            self._behind_ms = max(1, page.millis_behind_latest, self._client.clock.now_ms() - arrival_ms(records[kept]))
            passed = len(page.records) - len(records) + kept
            self._iterator = self._client.pages.within(self._read.shard_id, str(self._iterator), passed)
            self.is_limited = True
            return True
        self._iterator = page.next_iterator
        self._drained = page.next_iterator is None
        self._behind_ms = 0 if self._drained else page.millis_behind_latest
        if self._behind_ms and self._is_near_trim_horizon():
            self._iterator = None
        return self._behind_ms == 0

    def _open(self) -> bool:
        """Open an iterator at the position; False when there can be nothing to read yet."""
        at, shard_id, pages = self._at, self._read.shard_id, self._client.pages
        self._expected, self._is_refused = at.sequence_number, False
        if at.kind is not PositionKind.AFTER and at.caught_up_ms is not None and not self._is_within_retention():
            self._lose(None, "it was read to its end, or opened, longer ago than the stream keeps records")
        try:
            self._iterator = pages.open(shard_id, at, is_near_trim_horizon=self._is_near_trim_horizon())
        except SequenceNumberNotHeldError as error:
            if at.kind is PositionKind.AFTER:
                self._is_refused = True
                self._iterator = pages.open(shard_id, TRIM_HORIZON)
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
            return arrived_since(records, self._at.timestamp_ms)
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

    def _is_near_trim_horizon(self) -> bool:
        """Say whether what follows may be trimmed while an iterator lives, which would go on behind the gap unsaid."""
        now_ms = self._client.clock.now_ms() + 2 * _ITERATOR_LIFE_MS
        age_ms = now_ms - (self._taken.last_arrived_ms or now_ms)
        return age_ms > _SHORTEST_RETENTION_MS and age_ms > self._client.retention_ms()

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

    @property
    def _ends_before_gap(self) -> bool:
        """Whether a gap ends this reading: what was read before it is a batch of its own."""
        return self._client.stream.fail_on_data_loss and self._taken.last is not None

    def _lose(self, first_available: str | None, why: str) -> None:
        if self._ends_before_gap:
            raise GapError
        if self._client.stream.fail_on_data_loss:
            message = (
                f"{self._where()}: position {self._at}: {why}; records after it may be gone. Set "
                "source.kinesis.fail_on_data_loss: false to go on from the first record available."
            )
            raise DataLossError(message)
        self._lost = LostRange(self._at.sequence_number, first_available)

    def _where(self) -> str:
        return f"stream '{self._client.stream.name}' shard '{self._read.shard_id}'"

    def _take(self, records: list[dict[str, Any]], limits: BatchLimits) -> int:
        kept = self._taken.take(records, limits)
        if kept:
            self._at = ShardPosition(PositionKind.AFTER, sequence_number=self._taken.last)
            if self._lost is not None and self._lost.first_available is None:
                self._lost = LostRange(self._lost.after, records[0]["SequenceNumber"])
        return kept

    def _remember(self) -> None:
        if self._drained:
            self._client.memory.pop(self._read.shard_id, None)
            return
        # Not kept: the trim horizon's iterator while the position is unproven, or it would pass for the position's own;
        # and one behind a gap, which must be met again should this batch not be committed.
        is_behind_gap = self._lost is not None and self._taken.last is None
        is_unproven = self._is_refused and self._expected is not None
        iterator = None if is_unproven or is_behind_gap else self._iterator
        self._client.memory[self._read.shard_id] = ShardMemory(
            self._at.place, iterator, self._expected, self._taken.seen
        )
