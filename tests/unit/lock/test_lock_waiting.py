"""Waiting for a table's lock, as two jobs do that write one table by turns."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.lock import TableLock
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Lease
from streamjoin.lock.lease_object import LeaseObject
from tests.faults.sink import FakeBucket, FakeTime


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


def test_without_a_time_to_wait_nobody_waits(tmp_path: Path) -> None:
    time = FakeTime()
    with TableLock(str(tmp_path), job="first"), pytest.raises(SinkError, match="job 'first'"):
        waiting(tmp_path, time, 0).__enter__()
    assert time.seconds == 0


def test_a_place_that_can_not_be_locked_is_not_waited_for(tmp_path: Path) -> None:
    time = FakeTime()
    (tmp_path / "t").write_text("a file where the table should be")
    with pytest.raises(SinkError, match="its lock can't be written"):
        waiting(tmp_path / "t", time, 10).__enter__()
    assert time.seconds == 0


def lease(bucket: FakeBucket, time: FakeTime, job: str) -> Lease:
    holder = replace(Holder.here(job), place=None)
    place = LeaseObject(bucket, "bucket", "lake/t/.streamjoin_lock")
    return Lease("s3://bucket/lake/t", place, holder, 20.0, now=time.now, pause=time.pause, look_seconds=0.5)


def test_on_s3_a_lock_that_is_given_back_is_had_by_the_next_look(tmp_path: Path) -> None:
    bucket, time = FakeBucket(), FakeTime()
    first, second = lease(bucket, time, "first"), lease(bucket, time, "second")
    first.take()
    time.meanwhile = lambda: first.release() if time.seconds > 1 else None
    second.take()
    assert time.seconds == 1.5
    second.check()


def test_on_s3_a_lock_whose_holder_died_is_taken_over_after_its_time_however_often_one_looks() -> None:
    bucket, time = FakeBucket(), FakeTime()
    lease(bucket, time, "dead").take()
    lease(bucket, time, "second").take()
    assert time.seconds == 20
