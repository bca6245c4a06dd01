"""What one process reads and keeps of a reference's items: recent answers are used again, older ones in need."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.service import pack
from streamjoin.errors import ReferenceTableError
from streamjoin.reference.lookup.calls import Answer, ItemReader, Target
from streamjoin.reference.lookup.keys import Key

# After a failed call, what is known of a key is used for so long before the table is asked for it again.
RETRY_SECONDS = 10.0
CALLS_AT_ONCE = 8
# Items may have 400 KB each: their number alone would not bound what a process keeps of them.
MAX_CACHED_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True)
class Fetching:
    """What a process needs to know to fetch a reference's items, the same for every batch.

    Args:
        target: What is fetched from where.
        reuse_seconds: How long an item that was read is used again.
        max_staleness_seconds: How old it may be while the table can't be read.
        max_cached_items: How many the process keeps, as far as they fit into 128 MB.
    """

    target: Target
    reuse_seconds: float
    max_staleness_seconds: float
    max_cached_items: int


@dataclass(frozen=True)
class Known:
    """What was read of one key: packed items, none if there is none. `read_at` is when the call began."""

    items: tuple[bytes, ...]
    read_at: float


@dataclass
class FetchReport:
    """What a task's fetching came to; field by field `end` of `FETCHED_SCHEMA`.

    Args:
        keys: Distinct keys.
        calls: To the service.
        read_units: What they consumed.
        oldest_read_at: When the oldest of the answers used was read, in seconds since 1970; None without keys.
        cached_keys: Keys that were read before, so recently that they were not read again.
        stale_keys: Keys that could not be read again; what was known of them was used.
        outdated_keys: Keys that could not be read again, and what is known of them is too old.
        unknown_keys: Keys that could not be read, nor ever were by this process.
        outdated_seconds: How old the oldest of the outdated is.
        error: Why keys could not be read.
        is_retryable: Whether they may be the next time.
    """

    keys: int = 0
    calls: int = 0
    read_units: float = 0.0
    oldest_read_at: float | None = None
    cached_keys: int = 0
    stale_keys: int = 0
    outdated_keys: int = 0
    unknown_keys: int = 0
    outdated_seconds: float = 0.0
    error: str | None = None
    is_retryable: bool = False


class Fetcher:
    """One reference's items, as one process fetches and keeps them. One task at a time.

    Args:
        fetching: What to fetch.
        reader: Reads it.
        clock: Seconds since 1970.
    """

    def __init__(self, fetching: Fetching, reader: ItemReader, clock: Callable[[], float] = time.time) -> None:
        self._fetching = fetching
        self._reader = reader
        self._clock = clock
        # Least recently used first.
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._items = self._bytes = 0
        self._failure: tuple[float, ReferenceTableError] | None = None

    def fetch(self, keys: Iterable[Key], pace: ReadUnits, end: FetchReport) -> Iterator[Known]:
        """Yield what is known of each key, read now if it must be.

        Args:
            keys: Distinct keys.
            pace: Holds the reading back.
            end: Filled in until the last one was yielded.
        """
        now = self._clock()
        unread: dict[Key, Known | None] = {}
        for key in keys:
            end.keys += 1
            known = self._known.get(key)
            if known is not None and 0 <= now - known.read_at < self._fetching.reuse_seconds:
                self._known.move_to_end(key)
                end.cached_keys += 1
                yield _used(known, end)
            elif known is not None and self._is_failing(now) and self._is_usable(known, now):
                yield self._stale(key, known, end)
            else:
                # Held on to here: what is read meanwhile may push it out.
                unread[key] = known
        for read_at, answer in self._read(list(unread), pace):
            end.calls += answer.calls
            end.read_units += answer.consumed_read_units
            if answer.error is not None:
                self._failure = (self._clock(), answer.error)
            for key, items in answer.found.items():
                unread.pop(key, None)
                yield _used(self._keep(key, Known(tuple(map(pack, items)), read_at)), end)
        if unread:
            yield from self._make_do(unread, end)
        elif end.calls:
            self._failure = None

    def _read(self, keys: Sequence[Key], pace: ReadUnits) -> Iterator[tuple[float, Answer]]:
        """Yield answers as they come; after the first error no other call is begun."""
        stop = threading.Event()
        parts = iter(self._reader.divide(keys, pace))

        def read(part: Sequence[Key]) -> tuple[float, Answer]:
            # What was in the table by now is in the answer.
            read_at = self._clock()
            answer = self._reader.read(part, pace, stop)
            if answer.error is not None:
                stop.set()
            return read_at, answer

        first, second = next(parts, None), next(parts, None)
        if first is None:
            return
        if second is None:
            yield read(first)
            return
        with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="fetch") as pool:
            # No more is under way than is soon wanted, so that answers don't pile up.
            running: set[Future[tuple[float, Answer]]] = {pool.submit(read, first), pool.submit(read, second)}
            try:
                while running:
                    while len(running) < 2 * CALLS_AT_ONCE and not stop.is_set():
                        part = next(parts, None)
                        if part is None:
                            break
                        running.add(pool.submit(read, part))
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for each in done:
                        yield each.result()
            finally:
                stop.set()

    def _make_do(self, unread: dict[Key, Known | None], end: FetchReport) -> Iterator[Known]:
        """Yield what is known of keys that could not be read; count the others."""
        assert self._failure is not None  # noqa: S101  (without one, all keys are read)
        now, (_, error) = self._clock(), self._failure
        end.error, end.is_retryable = str(error), error.retryable
        for key, known in unread.items():
            if known is None:
                end.unknown_keys += 1
            elif self._is_usable(known, now):
                yield self._stale(key, known, end)
            else:
                end.outdated_keys += 1
                end.outdated_seconds = max(end.outdated_seconds, now - known.read_at)

    def _stale(self, key: Key, known: Known, end: FetchReport) -> Known:
        assert self._failure is not None  # noqa: S101  (only a failure makes us use what is stale)
        end.stale_keys += 1
        end.error, end.is_retryable = str(self._failure[1]), self._failure[1].retryable
        if key in self._known:
            self._known.move_to_end(key)
        return _used(known, end)

    def _is_failing(self, now: float) -> bool:
        return self._failure is not None and 0 <= now - self._failure[0] < RETRY_SECONDS

    def _is_usable(self, known: Known, now: float) -> bool:
        # Written in the future: the clock was set back, and how old it is can't be told.
        return 0 <= now - known.read_at <= self._fetching.max_staleness_seconds

    def _keep(self, key: Key, known: Known) -> Known:
        self._forget(self._known.pop(key, None))
        self._known[key] = known
        self._items += _weight(known)
        self._bytes += sum(map(len, known.items))
        while self._items > self._fetching.max_cached_items or self._bytes > MAX_CACHED_BYTES:
            self._forget(self._known.popitem(last=False)[1])
        return known

    def _forget(self, known: Known | None) -> None:
        if known is not None:
            self._items -= _weight(known)
            self._bytes -= sum(map(len, known.items))


def _weight(known: Known) -> int:
    # That there is no item is kept too.
    return max(1, len(known.items))


def _used(known: Known, end: FetchReport) -> Known:
    oldest = end.oldest_read_at
    end.oldest_read_at = known.read_at if oldest is None else min(oldest, known.read_at)
    return known
