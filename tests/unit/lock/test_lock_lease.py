"""The lease, on fakes of both its stores and by a fake clock."""

import logging
import os
import subprocess
from dataclasses import replace

import pytest
from botocore.parsers import ResponseParserError

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from tests.faults.leases import BASE_PATH, KEY, STORES, ItemLeases, Leases, ObjectLeases, lease


@pytest.fixture(params=STORES)
def leases(request: pytest.FixtureRequest) -> Leases:
    made: Leases = request.param()
    return made


def test_a_lease_without_a_holder_is_taken_without_waiting(leases: Leases) -> None:
    taken = lease(leases)
    taken.take()
    taken.check()
    assert leases.time.seconds == 0
    assert '"job": "orders"' in leases.text()


def test_the_second_process_watches_the_lease_of_the_first_and_names_it(leases: Leases) -> None:
    first = lease(leases, "orders", host="h1", pid=123, started_at="2026-01-31T00:00:00+00:00")
    first.take()
    leases.time.meanwhile = first.renew
    with pytest.raises(SinkError) as raised:
        lease(leases, "copy").take()
    who = "job 'orders' on host 'h1' (process 123, since 2026-01-31T00:00:00+00:00)"
    assert str(raised.value) in (
        f"table at '{BASE_PATH}': {who} writes it: its lease was renewed meanwhile. Two jobs can't write one table: "
        "stop that one first, or give this one another sink.hudi.base_path.",
        f"control table 'streamjoin_replication': job 'country': {who} runs it: its lease was renewed meanwhile. Two "
        "processes can't replicate one job: stop that one first, or give this one another name.",
    )
    assert not raised.value.retryable
    assert leases.time.seconds < 20
    first.check()


def test_a_lease_that_is_not_renewed_is_taken_over_after_its_time_and_the_late_holder_is_told(leases: Leases) -> None:
    paused, second = lease(leases, "paused"), lease(leases, "second")
    paused.take()
    second.take()
    assert 20 <= leases.time.seconds < 30
    with pytest.raises(SinkError, match=r"no longer this job's: .*; job 'second' on host") as raised:
        paused.check()
    assert not raised.value.retryable
    for write in (paused.check, paused.keep, paused.renew):
        with pytest.raises(SinkError, match="no longer this job's"):
            write()
    paused.release()
    second.check()


def test_a_holder_that_was_paused_keeps_a_lease_that_no_other_took(leases: Leases) -> None:
    taken = lease(leases)
    taken.take()
    leases.time.seconds += 1_000
    taken.check()


def test_of_two_that_take_over_at_the_same_moment_one_gets_it(leases: Leases) -> None:
    lease(leases, "dead").take()
    faster, slower, time = lease(leases, "faster"), lease(leases, "slower"), leases.time

    def overtake() -> None:
        if time.seconds >= 20:
            time.meanwhile = faster.renew
            faster._claim(faster._store.read())

    time.meanwhile = overtake
    with pytest.raises(SinkError, match="job 'faster'"):
        slower.take()
    faster.check()


@pytest.mark.parametrize("is_new", [False, True])
def test_a_process_that_is_slower_by_one_call_does_not_get_the_lease(leases: Leases, is_new: bool) -> None:
    """The other one renews, or takes the lease, after it was found to be over, or free, and before it is written."""
    first, second = lease(leases, "first"), lease(leases, "second")
    if not is_new:
        first.take()

    def faster() -> None:
        leases.time.meanwhile = first.renew
        (first.take if is_new else first.renew)()

    leases.between(faster)
    with pytest.raises(SinkError, match="job 'first'"):
        second.take()
    first.check()


def test_a_lease_that_was_given_back_is_taken_without_waiting(leases: Leases) -> None:
    first, second = lease(leases, "first"), lease(leases, "second")
    first.take()
    first.release()
    first.release()
    second.take()
    assert leases.time.seconds == 0
    first.release()
    second.check()


def test_giving_back_a_lease_that_another_process_took_changes_nothing(leases: Leases) -> None:
    first, second = lease(leases, "first"), lease(leases, "second")
    first.take()
    second.take()
    first.release()
    second.check()


def test_a_store_that_does_not_answer_keeps_no_job_from_ending(
    leases: Leases, caplog: pytest.LogCaptureFixture
) -> None:
    taken = lease(leases)
    taken.take()
    leases.fail(for_good=False)
    taken.release()
    assert "was not given back" in caplog.text


def test_a_holder_that_died_on_this_machine_is_followed_at_once(leases: Leases) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    here = Holder.here("x")
    lease(leases, "dead", place=here.place, pid=ended.pid, process_start=1).take()
    lease(leases, "next").take()
    assert leases.time.seconds == 0


def test_a_process_number_that_was_given_again_is_another_process() -> None:
    here = Holder.here("x")
    assert not here.is_dead()
    assert replace(here, process_start=(here.process_start or 0) - 1).is_dead()


def test_a_killed_process_that_was_not_waited_for_is_dead() -> None:
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
def test_a_write_whose_answer_was_lost_is_known_as_our_own(leases: Leases, step: str) -> None:
    taken = lease(leases)
    if step == "renew":
        taken.take()
    leases.lose_answers(1)
    with pytest.raises(SinkError) as raised:
        getattr(taken, step)()
    assert raised.value.retryable
    getattr(taken, step)()
    taken.check()
    assert leases.time.seconds == 0


def test_a_lease_that_was_deleted_is_lost(leases: Leases) -> None:
    taken = lease(leases)
    taken.take()
    leases.clear()
    with pytest.raises(SinkError, match="it is gone"):
        taken.check()


def test_what_a_store_says_decides_whether_to_try_again(leases: Leases) -> None:
    for for_good in (True, False):
        leases.fail(for_good=for_good)
        with pytest.raises(SinkError, match=leases.refused if for_good else leases.throttled) as raised:
            lease(leases).take()
        assert raised.value.retryable is not for_good


def test_an_answer_that_is_not_the_services_does_not_end_the_renewal() -> None:
    leases = ObjectLeases()
    taken = lease(leases)
    taken.take()
    leases.bucket.fail(ResponseParserError("<html>a proxy's page</html>"))
    with pytest.raises(SinkError, match="its lock can't be read or written") as raised:
        taken.renew()
    assert raised.value.retryable
    taken.renew()


def test_keeping_a_lease_renews_it_once_in_a_fifth_of_its_time(leases: Leases) -> None:
    taken = lease(leases)
    taken.take()
    contents = set()
    for _ in range(80):
        leases.time.seconds += 0.125
        taken.keep()
        contents.add(leases.text())
    assert len(contents) == 3


def test_what_stands_beside_a_lease_stays_whatever_becomes_of_it() -> None:
    leases = ItemLeases()
    first, second, third = (lease(leases, name) for name in ("first", "second", "third"))
    assert first.take() == {}
    first.renew({"note": {"S": "x"}})
    first.renew()
    assert second.take() == {"note": {"S": "x"}}
    second.release()
    assert third.take() == {"note": {"S": "x"}}


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_a_store_without_conditions_is_said_and_still_keeps_the_second_job_out(
    conditions: str, caplog: pytest.LogCaptureFixture
) -> None:
    leases = ObjectLeases(conditions)
    first = lease(leases, "first")
    first.take()
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "conditional writes don't work here" in caplog.text
    leases.time.meanwhile = first.renew
    with pytest.raises(SinkError, match="job 'first'"):
        lease(leases, "second").take()
    first.check()
    leases.time.meanwhile = lambda: None
    first.release()
    lease(leases, "third").take()


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
def test_without_conditions_a_lease_that_ran_out_is_lost(conditions: str) -> None:
    leases = ObjectLeases(conditions)
    taken = lease(leases)
    taken.take()
    leases.time.seconds += 21
    with pytest.raises(SinkError, match="it was not renewed for 20 s"):
        taken.check()


def test_a_lock_that_is_no_json_has_no_holder() -> None:
    leases = ObjectLeases()
    leases.bucket.objects[KEY] = b"?"
    lease(leases).take()
    assert leases.time.seconds == 0
