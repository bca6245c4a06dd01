"""Batches prepared while another is committed, over a reader in memory."""

import threading
from collections.abc import Callable

import pytest

from streamjoin.errors import SourceError
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.streaming.ahead import PreparingReader

LIMITS = BatchLimits(10, 10)
SECONDS = 10.0


class Batch:
    def __init__(self, number: int, count: int = 1) -> None:
        self.number, self.count = number, count

    def is_due(self, idle_seconds: float) -> bool:
        del idle_seconds
        return self.count > 0


class Reader:
    """Gives batches by number; fetching fails at `lost`."""

    def __init__(self, *counts: int, lost: int | None = None) -> None:
        self.batches = [Batch(number, count) for number, count in enumerate(counts)]
        self.lost, self.read, self.is_closed, self.is_ahead = lost, 0, False, False
        self.caught_up = False
        self.fetched = threading.Event()
        self.fetched.set()

    def next(self, limits: BatchLimits) -> Batch:
        assert limits is LIMITS
        assert self.fetched.wait(SECONDS)
        self.is_ahead = False
        if self.read == self.lost:
            message = "records are gone"
            raise SourceError(message)
        self.read += 1
        self.caught_up = self.read == len(self.batches)
        return self.batches[self.read - 1]

    def fetch_ahead(self, limits: BatchLimits) -> None:
        assert limits is LIMITS
        self.is_ahead = True

    def close(self) -> None:
        self.is_closed = True


class Ready:
    def __init__(self, batch: Batch) -> None:
        self.number, self.is_discarded = batch.number, False

    def discard(self) -> None:
        self.is_discarded = True


class World:
    def __init__(self, reader: Reader, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.inner, self.ready, self._meanwhile = reader, list[Ready](), meanwhile
        self.prepared = threading.Event()
        self.reader = PreparingReader(reader, self.prepare)

    def prepare(self, batch: Batch) -> Ready:
        self.ready.append(Ready(batch))
        self.prepared.set()
        self._meanwhile()
        return self.ready[-1]

    def take(self, *, begin: bool = True) -> tuple[int, int | None, bool]:
        """Return the next batch, for which batch something is ready, and whether the reader has caught up with it."""
        turn = self.reader.next(LIMITS)
        found = (turn.batch.number, turn.ready.number if turn.ready else None, self.reader.caught_up)
        if not self.reader.caught_up:
            self.reader.fetch_ahead(LIMITS)
            if begin:
                turn.begin_next()
                turn.begin_next()
        return found


def test_each_batch_but_the_first_comes_prepared_and_in_order() -> None:
    world = World(Reader(1, 1, 1))
    assert [world.take() for _ in range(3)] == [(0, None, False), (1, 1, False), (2, 2, True)]
    world.reader.close()
    assert [ready.is_discarded for ready in world.ready] == [False, False]
    assert world.inner.is_closed


def test_a_reader_is_caught_up_with_the_batch_in_hand_not_with_the_one_ahead() -> None:
    world = World(Reader(1, 1))
    assert world.take() == (0, None, False)
    assert world.prepared.wait(SECONDS)
    assert (world.inner.caught_up, world.reader.caught_up) == (True, False)


def test_what_is_not_begun_or_has_no_records_is_not_prepared() -> None:
    world = World(Reader(1, 1, 0))
    assert [world.take(begin=False), world.take(), world.take()] == [
        (0, None, False),
        (1, None, False),
        (2, None, True),
    ]
    assert world.ready == []


def test_what_was_prepared_for_a_turn_that_never_came_is_discarded() -> None:
    world = World(Reader(1, 1))
    world.take()
    assert world.prepared.wait(SECONDS)
    world.reader.close()
    assert [ready.is_discarded for ready in world.ready] == [True]


def test_a_reader_that_is_closed_waits_for_what_is_prepared_and_prepares_nothing_after_it() -> None:
    reader, going_on = Reader(1, 1), threading.Event()
    world = World(reader, meanwhile=lambda: going_on.wait(SECONDS) and None)
    world.take()
    assert world.prepared.wait(SECONDS)
    closing = threading.Thread(target=world.reader.close)
    closing.start()
    assert not world.inner.is_closed
    going_on.set()
    closing.join(SECONDS)
    assert world.inner.is_closed

    late = World(Reader(1, 1))
    late.take(begin=False)
    late.inner.fetched.clear()
    late.reader._begin_next()
    late.reader.close()
    late.inner.fetched.set()
    late.reader._thread.shutdown()
    assert late.ready == []


def test_what_is_wrong_with_the_next_batch_is_said_when_its_turn_comes() -> None:
    world = World(Reader(1, 1, lost=1))
    world.take()
    with pytest.raises(SourceError, match="records are gone"):
        world.take()
    world.reader.close()
