"""Several shards read at the same time; one that hangs is left behind, and the batch doesn't wait for it.

Delivery: a shard left behind gives nothing to the batch, and its position stays. Its read goes on alone to the end of
the call in flight; a later batch that starts at the same place takes it over with what it got, any other drops it. No
shard is read twice at the same time by one process.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.plan import BatchLimits, ShardRead
from streamjoin.kinesis.shard import PATIENCE_SECONDS, ShardReading
from streamjoin.shards.position import ShardRange

log = logging.getLogger(__name__)

THREAD_NAME = "kinesis-shard"


def worst(errors: Iterable[SourceError]) -> SourceError:
    """Return the error to raise of several: one that no repetition can mend, if there is one."""
    return min(errors, key=lambda error: (not isinstance(error, DataLossError), error.retryable, str(error)))


class ShardReadings:
    """The readings of one batch, or of one task's part of it. A context: leaving it lets go of the shards.

    Args:
        client: The stream, in this process.
        reads: What to read; a shard that an earlier batch left behind, and that still hangs, is left out.
        threads: At most so many shards are read at the same time.

    Attributes:
        errors: What went wrong, by shard id; such a shard has no reading.
    """

    def __init__(self, client: StreamClient, reads: Sequence[ShardRead], threads: int) -> None:
        self.errors: dict[str, SourceError] = {}
        self._client, self._reads, self._threads = client, reads, threads
        with client.readings_lock:
            claimed = {read.shard_id: self._claim(read) for read in reads}
            self._readings = {shard_id: reading for shard_id, reading in claimed.items() if reading is not None}
            client.readings |= self._readings

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the shards; a reading that is still at work, as after an interrupt, is left behind."""
        try:
            self._leave(self._readings)
        finally:
            # A shard that stayed claimed would be left out of all later batches of this process, unsaid.
            for shard_id in list(self._readings):
                self._let_go(shard_id)

    @property
    def readings(self) -> list[ShardReading]:
        """Those that took part so far, by shard id."""
        return [self._readings[shard_id] for shard_id in sorted(self._readings)]

    def ranges(self) -> tuple[ShardRange, ...]:
        """Return what each read came to so far, by shard id: nothing for shards without a reading."""
        return tuple(
            self._readings[read.shard_id].range() if read.shard_id in self._readings else self._nothing(read)
            for read in sorted(self._reads, key=lambda read: read.shard_id)
        )

    def _nothing(self, read: ShardRead) -> ShardRange:
        now_ms, after = self._client.clock.now_ms(), read.start.sequence_number
        return ShardRange(read.shard_id, None, None, 0, 0, False, None, now_ms, after=after)

    def run(self, goals: Mapping[str, BatchLimits], deadline: float) -> list[str]:
        """Read on, each of these shards up to its goal; return those that gave something and have more.

        Once a shard is done, the others may go on as long as one of them gets answers; the rest are left behind when
        none got any for `PATIENCE_SECONDS`. When no shard at all is done, the deadline is waited for.

        Args:
            goals: For each shard what it may give in all; shards without a reading are passed over.
            deadline: By the clock's monotonic seconds.
        """
        begun = {s: self._readings[s] for s in goals if s in self._readings and not self._readings[s].is_taken_over}
        before = {shard_id: reading.range().records for shard_id, reading in begun.items()}
        _start({r: partial(r.read_up_to, goals[shard_id], deadline) for shard_id, r in begun.items()}, self._threads)
        self._wait(list(begun.values()), deadline)
        self._leave(begun)
        return [
            shard_id
            for shard_id, reading in begun.items()
            if shard_id in self._readings and reading.is_limited and reading.range().records > before[shard_id]
        ]

    def _claim(self, read: ShardRead) -> ShardReading | None:
        """Return the shard's reading: a new one, or the one left behind if it continues here and is over."""
        earlier = self._client.readings.get(read.shard_id)
        if not isinstance(earlier, ShardReading):
            return ShardReading(self._client, read)
        if not earlier.is_left or not earlier.work.done():
            return None
        del self._client.readings[read.shard_id]
        failure = earlier.work.exception()
        if isinstance(failure, SourceError):
            self.errors[read.shard_id] = failure
            return None
        return earlier if failure is None and earlier.can_pass_for(read) else ShardReading(self._client, read)

    def _wait(self, readings: Sequence[ShardReading], deadline: float) -> None:
        clock, work = self._client.clock, [reading.work for reading in readings]
        started = clock.monotonic()
        while True:
            answered_at = max([started, *(reading.answered_at for reading in readings)])
            until = answered_at + PATIENCE_SECONDS
            if not any(each.done() for each in work):
                until = max(until, deadline)
            left_seconds = until - clock.monotonic()
            # An answer doesn't end the wait, so it is looked for them now and then.
            if left_seconds <= 0 or clock.wait(work, min(left_seconds, PATIENCE_SECONDS)):
                return

    def _leave(self, readings: Mapping[str, ShardReading]) -> None:
        """Sort the readings: over, failed, never begun (another batch's turn), or left behind.

        What failed for no fault of the service is raised when all are sorted.
        """
        mistakes: list[BaseException] = []
        for shard_id, reading in list(readings.items()):
            if reading.work.cancel():
                # Nothing was asked, so that an earlier round's answers stand; without one there is nothing to report.
                if not reading.was_answered:
                    self._let_go(shard_id)
            elif not reading.work.done():
                reading.is_left = True
                del self._readings[shard_id]
                self._warn(shard_id)
            elif not reading.work.cancelled():
                self._client.slow.discard(shard_id)
                failure = reading.work.exception()
                if failure is not None:
                    self._let_go(shard_id)
                if isinstance(failure, SourceError):
                    self.errors[shard_id] = failure
                elif failure is not None:
                    mistakes.append(failure)
        if mistakes:
            raise mistakes[0]

    def _let_go(self, shard_id: str) -> None:
        del self._readings[shard_id]
        with self._client.readings_lock:
            del self._client.readings[shard_id]

    def _warn(self, shard_id: str) -> None:
        if shard_id not in self._client.slow:
            self._client.slow.add(shard_id)
            log.warning(
                "stream '%s' shard '%s': no answer for %.0f s; batches go on without it, and it goes on where it is",
                self._client.stream.name,
                shard_id,
                PATIENCE_SECONDS,
            )


def _start(work: Mapping[ShardReading, Callable[[], None]], threads: int) -> None:
    """Run the work in threads that keep no process alive, as those of the standard pool would while a call hangs."""
    todo: SimpleQueue[tuple[Future[None], Callable[[], None]]] = SimpleQueue()
    for reading, call in work.items():
        reading.work = Future()
        todo.put((reading.work, call))
    for _ in range(min(threads, len(work))):
        Thread(target=_work_off, args=(todo,), name=THREAD_NAME, daemon=True).start()


def _work_off(todo: SimpleQueue[tuple[Future[None], Callable[[], None]]]) -> None:
    with suppress(Empty):
        while True:
            work, call = todo.get_nowait()
            if work.set_running_or_notify_cancel():
                try:
                    call()
                except BaseException as error:
                    # Raised again where the work is waited for.
                    work.set_exception(error)
                else:
                    work.set_result(None)
