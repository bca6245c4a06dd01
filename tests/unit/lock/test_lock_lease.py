"""The lease on S3, on a fake bucket and by a fake clock."""

import logging
import os
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.lock.lease import Lease
from streamjoin.lock.lease_object import LeaseObject
from tests.faults.sink import FakeBucket, FakeTime, access_denied, slow_down

BASE_PATH = "s3://bucket/lake/t"
KEY = "lake/t/.streamjoin_lock"


def lease(bucket: FakeBucket, time: FakeTime, job: str = "orders", **holder: Any) -> Lease:
    who = replace(Holder.here(job), **{"place": None, **holder})
    return Lease(BASE_PATH, LeaseObject(bucket, "bucket", KEY), who, 20.0, now=time.now, pause=time.pause)


def test_a_lease_that_nobody_has_is_taken_without_waiting() -> None:
    bucket, time = FakeBucket(), FakeTime()
    taken = lease(bucket, time)
    taken.take()
    taken.check()
    assert time.seconds == 0
    assert b'"job": "orders"' in bucket.objects[KEY]


def test_the_second_job_watches_the_lease_of_the_first_and_names_it() -> None:
    bucket, time = FakeBucket(), FakeTime()
    first = lease(bucket, time, "orders", host="h1", pid=123, started_at="2026-01-31T00:00:00+00:00")
    first.take()
    time.meanwhile = first.renew
    with pytest.raises(SinkError) as raised:
        lease(bucket, time, "copy").take()
    assert str(raised.value).startswith(
        f"table at '{BASE_PATH}': job 'orders' on host 'h1' (process 123, since 2026-01-31T00:00:00+00:00) writes it: "
    )
    assert "stop that one first" in str(raised.value)
    assert not raised.value.retryable
    assert time.seconds < 20
    first.check()


def test_a_lease_that_is_not_renewed_is_taken_over_after_its_time_and_the_late_holder_is_told() -> None:
    bucket, time = FakeBucket(), FakeTime()
    paused, second = lease(bucket, time, "paused"), lease(bucket, time, "second")
    paused.take()
    second.take()
    assert 20 <= time.seconds < 30
    with pytest.raises(SinkError, match=r"no longer this job's: .*; job 'second' on host") as raised:
        paused.check()
    assert not raised.value.retryable
    with pytest.raises(SinkError, match="no longer this job's"):
        paused.check()
    second.check()


def test_a_holder_that_was_paused_keeps_a_lease_that_nobody_took() -> None:
    bucket, time = FakeBucket(), FakeTime()
    taken = lease(bucket, time)
    taken.take()
    time.seconds += 1_000
    taken.check()


def test_of_two_that_take_over_at_the_same_moment_one_gets_it() -> None:
    bucket, time = FakeBucket(), FakeTime()
    lease(bucket, time, "dead").take()
    faster, slower = lease(bucket, time, "faster"), lease(bucket, time, "slower")

    def overtake() -> None:
        if time.seconds >= 20:
            time.meanwhile = faster.renew
            faster._claim(faster._object.read())

    time.meanwhile = overtake
    with pytest.raises(SinkError, match="job 'faster'"):
        slower.take()
    faster.check()


def test_a_lease_that_was_given_back_is_taken_without_waiting() -> None:
    bucket, time = FakeBucket(), FakeTime()
    first, second = lease(bucket, time, "first"), lease(bucket, time, "second")
    first.take()
    first.release()
    second.take()
    assert time.seconds == 0
    first.release()
    second.check()


def test_giving_back_a_lease_that_somebody_else_took_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bucket, time = FakeBucket(), FakeTime()
    first, second = lease(bucket, time, "first"), lease(bucket, time, "second")
    first.take()
    second.take()
    first.release()
    second.check()


def test_a_store_that_does_not_answer_keeps_no_job_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    bucket, time = FakeBucket(), FakeTime()
    taken = lease(bucket, time)
    taken.take()
    bucket.fail(slow_down)
    taken.release()
    assert "was not given back" in caplog.text


def test_a_holder_that_died_on_this_machine_is_followed_at_once() -> None:
    bucket, time = FakeBucket(), FakeTime()
    with subprocess.Popen(["true"]) as ended:
        pass
    here = Holder.here("x")
    lease(bucket, time, "dead", place=here.place, pid=ended.pid, process_start=1).take()
    lease(bucket, time, "next").take()
    assert time.seconds == 0


def test_a_process_number_that_was_given_again_is_another_process() -> None:
    here = Holder.here("x")
    assert not here.is_dead()
    assert replace(here, process_start=(here.process_start or 0) - 1).is_dead()


def test_a_killed_process_that_nobody_waited_for_is_dead() -> None:
    process = subprocess.Popen(["sleep", "100"])
    holder = replace(Holder.here("x"), pid=process.pid, process_start=None)
    running = replace(holder, process_start=_start_of(process.pid))
    assert not running.is_dead()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert running.is_dead()
    process.wait()
    assert running.is_dead()


def _start_of(pid: int) -> int:
    from streamjoin.lock.holder import _process_start  # noqa: PLC0415

    started = _process_start(pid)
    assert started is not None
    return started


def test_a_process_of_another_machine_or_container_is_not_judged_by_its_number() -> None:
    here = Holder.here("x")
    assert not replace(here, place="another boot/pid:[1]", pid=2**22 + 1).is_dead()
    assert not replace(here, place=None, pid=2**22 + 1).is_dead()


@pytest.mark.parametrize("step", ["take", "renew"])
def test_a_write_whose_answer_was_lost_is_known_as_our_own(step: str) -> None:
    bucket, time = FakeBucket(), FakeTime()
    taken = lease(bucket, time)
    if step == "renew":
        taken.take()
    bucket.lose_answers(1)
    with pytest.raises(SinkError) as raised:
        getattr(taken, step)()
    assert raised.value.retryable
    getattr(taken, step)()
    taken.check()


def test_a_lease_whose_object_was_deleted_is_lost() -> None:
    bucket, time = FakeBucket(), FakeTime()
    taken = lease(bucket, time)
    taken.take()
    bucket.objects.clear()
    with pytest.raises(SinkError, match="it is gone"):
        taken.check()


def test_what_a_store_says_decides_whether_to_try_again() -> None:
    bucket, time = FakeBucket(), FakeTime()
    for error, retryable in ((access_denied, False), (slow_down, True)):
        bucket.fail(error)
        with pytest.raises(
            SinkError, match=f"its lock can't be written: .*{error.response['Error']['Code']}"
        ) as raised:
            lease(bucket, time).take()
        assert raised.value.retryable is retryable


@pytest.mark.parametrize("conditions", ["ignored", "refused", "unknown"])
def test_a_store_without_conditions_is_said_and_still_keeps_the_second_job_out(
    conditions: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket, time = FakeBucket(conditions), FakeTime()
    first = lease(bucket, time, "first")
    first.take()
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "conditional writes don't work here" in caplog.text
    time.meanwhile = first.renew
    with pytest.raises(SinkError, match="job 'first'"):
        lease(bucket, time, "second").take()
    first.check()
    time.meanwhile = lambda: None
    first.release()
    lease(bucket, time, "third").take()


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_without_conditions_a_lease_that_ran_out_is_lost(conditions: str) -> None:
    bucket, time = FakeBucket(conditions), FakeTime()
    taken = lease(bucket, time)
    taken.take()
    time.seconds += 21
    with pytest.raises(SinkError, match="it was not renewed for 20 s"):
        taken.check()


def test_a_lock_that_is_no_json_is_nobodys() -> None:
    bucket, time = FakeBucket(), FakeTime()
    bucket.objects[KEY] = b"?"
    lease(bucket, time).take()
    assert time.seconds == 0
