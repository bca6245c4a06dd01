"""Waiting for a table's lock, as two jobs do that write one table alternately."""

import contextlib
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.lock import TableLock
from tests.faults.leases import STORES, Leases, lease
from tests.faults.sink import FakeTime


def waiting(base_path: Path, time: FakeTime, seconds: float) -> TableLock:
    return TableLock(str(base_path), job="second", wait_seconds=seconds, clock=time.now, pause=time.pause)


def test_the_second_gets_the_lock_when_the_first_gives_it_back(tmp_path: Path) -> None:
    time = FakeTime()
    with contextlib.ExitStack() as first:
        first.enter_context(TableLock(str(tmp_path), job="first"))
        time.meanwhile = lambda: first.close() if time.seconds > 3 else None
        with waiting(tmp_path, time, 10) as second:
            assert 3 < time.seconds < 4
            second.check()


def test_who_waited_in_vain_is_told_who_has_it(tmp_path: Path) -> None:
    time = FakeTime()
    with TableLock(str(tmp_path), job="first") as first:
        with pytest.raises(SinkError, match="job 'first' on host") as raised:
            waiting(tmp_path, time, 10).__enter__()
        first.check()
    assert not raised.value.retryable
    assert 10 <= time.seconds < 11


def test_without_a_time_to_wait_no_process_waits(tmp_path: Path) -> None:
    time = FakeTime()
    with TableLock(str(tmp_path), job="first"), pytest.raises(SinkError, match="job 'first'"):
        waiting(tmp_path, time, 0).__enter__()
    assert time.seconds == 0


def test_a_place_that_can_not_be_locked_is_not_waited_for(tmp_path: Path) -> None:
    time = FakeTime()
    (tmp_path / "t").write_text("a file where the table should be")
    with pytest.raises(SinkError, match="its lock can't be read or written"):
        waiting(tmp_path / "t", time, 10).__enter__()
    assert time.seconds == 0


@pytest.mark.parametrize("store", STORES)
def test_a_lease_that_is_given_back_is_had_by_the_next_look(store: type[Leases]) -> None:
    leases = store()
    first, second = lease(leases, "first"), lease(leases, "second", look_seconds=0.5)
    first.take()
    leases.time.meanwhile = lambda: first.release() if leases.time.seconds > 1 else None
    second.take()
    assert leases.time.seconds == 1.5
    second.check()


@pytest.mark.parametrize("store", STORES)
def test_a_lease_whose_holder_died_is_taken_over_after_its_time_however_often_one_looks(store: type[Leases]) -> None:
    leases = store()
    lease(leases, "dead").take()
    lease(leases, "second", look_seconds=0.5).take()
    assert leases.time.seconds == 20
