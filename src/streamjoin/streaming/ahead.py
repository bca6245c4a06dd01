"""The next batch, read and prepared by a thread while the one in hand is committed."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Generic, Protocol, TypeVar

from streamjoin.kinesis.plan import BatchLimits
from streamjoin.streaming.runner import AnyBatch, BatchReader, ReadT_co


class Discardable(Protocol):
    """What was prepared of a batch, and may not be used."""

    def discard(self) -> None:
        """Let go of it; nothing of it was written."""


BatchT = TypeVar("BatchT", bound=AnyBatch)
ReadyT = TypeVar("ReadyT", bound=Discardable)


class AheadReader(BatchReader[ReadT_co], Protocol[ReadT_co]):
    """A reader that says whether it fetches ahead."""

    @property
    def is_ahead(self) -> bool:
        """Whether the next batch is being fetched; then `next` gives it without a change to the one in hand."""


@dataclass(frozen=True)
class Turn(Generic[BatchT, ReadyT]):
    """A batch whose turn it is.

    Args:
        batch: The batch.
        ready: What was prepared of it, if anything; its owner is who takes the turn.
        begin_next: Lets the next batch be prepared, if it is being fetched; called once this one is.
    """

    batch: BatchT
    ready: ReadyT | None
    begin_next: Callable[[], None]

    @property
    def count(self) -> int:
        """How many records it has."""
        return self.batch.count

    def is_due(self, idle_seconds: float) -> bool:
        """Tell whether it is to be processed."""
        return self.batch.is_due(idle_seconds)


class PreparingReader(Generic[BatchT, ReadyT]):
    """A `BatchReader` whose batches may come prepared. Two are in memory at most: one in hand, one ahead.

    Delivery: nothing is written ahead. What was prepared is thrown away when the reader is closed, as after a batch
        that failed: the next reader starts from the newest commit, and prepares again.

    Args:
        reader: Reads the batches.
        prepare: Does what can be done of a batch while another is committed; None if nothing can. One call at a time,
            in the order of the batches; not while a batch is processed that wasn't prepared.
    """

    def __init__(self, reader: AheadReader[BatchT], prepare: Callable[[BatchT], ReadyT | None]) -> None:
        self._reader, self._prepare = reader, prepare
        self._limits: BatchLimits | None = None
        self._next: Future[BatchT] | None = None
        self._ready: ReadyT | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prepare-ahead")
        self._preparing, self._is_closed = Lock(), False
        self.caught_up = False

    def next(self, limits: BatchLimits) -> Turn[BatchT, ReadyT]:
        """Return the next batch; one without records when there are none."""
        waiting, self._next = self._next, None
        batch = self._reader.next(limits) if waiting is None else waiting.result()
        ready, self._ready = self._ready, None
        self.caught_up = self._reader.caught_up
        return Turn(batch, ready, self._begin_next)

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch."""
        self._limits = limits
        self._reader.fetch_ahead(limits)

    def close(self) -> None:
        """Let go of everything; what is being prepared at this moment is waited for, what is being fetched is not."""
        self._is_closed = True
        with self._preparing:
            if self._ready is not None:
                self._ready.discard()
        self._reader.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin_next(self) -> None:
        if self._next is None and self._limits is not None and self._reader.is_ahead:
            self._next = self._thread.submit(self._read_and_prepare, self._limits)

    def _read_and_prepare(self, limits: BatchLimits) -> BatchT:
        batch = self._reader.next(limits)
        with self._preparing:
            if batch.count and not self._is_closed:
                self._ready = self._prepare(batch)
        return batch
