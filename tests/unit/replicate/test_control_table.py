"""The control table, on a fake table and by a fake clock."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate.control_table import ControlState, ControlTable, LoadProgress
from tests.faults.items import LOST, THROTTLED, FakeTables, Fault
from tests.faults.sink import FakeTime

TABLE, JOB = "streamjoin_replication", "country"
STATE = ControlState(position=BinlogPosition("binlog.000012", 4), generation=3, server="uuid")


@dataclass(frozen=True)
class Owner:
    """A process."""

    owner: str
    dead: bool = False

    def to_json(self) -> bytes:
        return json.dumps([self.owner, self.dead]).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self | None:
        return cls(*json.loads(text))

    def is_dead(self) -> bool:
        return self.dead

    def __str__(self) -> str:
        return f"process {self.owner}"


def client() -> FakeTables:
    return FakeTables({TABLE: {"job": "S"}})


def control(tables: FakeTables, time: FakeTime, owner: Any = "one", job: str = JOB) -> ControlTable:
    who = Owner(owner) if isinstance(owner, str) else owner
    now = datetime(2026, 1, 31, tzinfo=UTC)
    return ControlTable(tables, TABLE, job, owner=who, clock=time.now, pause=time.pause, now=lambda: now)


values = st.none() | st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False) | st.text() | st.binary()
progresses = st.builds(
    LoadProgress, st.none() | st.lists(values, max_size=3).map(tuple), st.booleans(), st.integers(0, 10**12)
)


@given(st.none() | st.dictionaries(st.text(), progresses, max_size=3), st.integers(0, 10**7 - 1))
def test_any_state_is_read_as_it_was_saved(loading: Any, generation: int) -> None:
    saved = replace(STATE, loading=loading, generation=generation)
    tables, time = client(), FakeTime()
    one = control(tables, time)
    assert one.acquire(30.0) is None
    one.save(saved)
    assert repr(control(tables, time).acquire(30.0)) == repr(saved)
    assert repr(control(tables, time, "two").read()) == repr(saved)


def test_a_decimal_key_keeps_its_scale_and_bytes_stay_bytes() -> None:
    progress = LoadProgress((Decimal("1.50"), b"\x00\xff", "1", 1, None))
    assert repr(LoadProgress.from_json_values(json.loads(json.dumps(progress.to_json_values())))) == repr(progress)


def test_the_table_is_made_without_a_stream() -> None:
    tables = FakeTables()
    with pytest.raises(SinkError, match="there is no such table"):
        control(tables, FakeTime()).ensure(create=False)
    control(tables, FakeTime()).ensure(create=True)
    assert tables.tables[TABLE].key_types == {"job": "S"}


def test_jobs_do_not_disturb_each_other() -> None:
    tables, time = client(), FakeTime()
    for job in ("a", "b"):
        one = control(tables, time, job, job)
        one.acquire(30.0)
        one.save(replace(STATE, server=job))
    assert [control(tables, time, job=job).read() for job in ("a", "b")] == [replace(STATE, server=s) for s in "ab"]
    assert time.seconds == 0


def test_the_second_process_watches_the_lease_of_the_first_and_names_it() -> None:
    tables, time = client(), FakeTime()
    first = control(tables, time)
    first.acquire(20.0)
    time.meanwhile = first.renew
    with pytest.raises(SinkError) as raised:
        control(tables, time, "two").acquire(20.0)
    assert str(raised.value) == (
        f"control table '{TABLE}': the lease of job '{JOB}' is held by process one, which last renewed it at "
        "2026-01-31T00:00:00+00:00. Two processes can't replicate one job: stop that one first, or give this one "
        "another name."
    )
    assert not raised.value.retryable
    assert time.seconds < 20
    first.check()


def test_a_lease_that_is_not_renewed_is_taken_over_after_its_time_and_the_late_holder_writes_nothing() -> None:
    tables, time = client(), FakeTime()
    paused, second = control(tables, time), control(tables, time, "two")
    paused.acquire(20.0)
    paused.save(STATE)
    assert second.acquire(60.0) == STATE
    assert 20 <= time.seconds < 30
    for write in (lambda: paused.save(replace(STATE, generation=99)), paused.renew, paused.check):
        with pytest.raises(SinkError, match="no longer held by this process but by process two") as raised:
            write()
        assert not raised.value.retryable
    paused.release()
    assert second.read() == STATE
    second.check()


def test_a_holder_that_was_paused_keeps_a_lease_that_nobody_took() -> None:
    tables, time = client(), FakeTime()
    one = control(tables, time)
    one.acquire(20.0)
    time.seconds += 1_000
    one.check()
    one.save(STATE)
    assert one.read() == STATE


def test_of_two_that_take_over_at_the_same_moment_one_gets_it() -> None:
    tables, time = client(), FakeTime()
    control(tables, time, "dead").acquire(20.0)
    faster, slower = control(tables, time, "faster"), control(tables, time, "slower")

    def overtake() -> None:
        if time.seconds >= 20 and time.meanwhile is overtake:
            time.meanwhile = lambda: None
            faster.acquire(20.0)
            time.meanwhile = faster.renew

    time.meanwhile = overtake
    with pytest.raises(SinkError, match="held by process faster"):
        slower.acquire(20.0)
    faster.check()


@pytest.mark.parametrize("is_new", [False, True])
def test_who_is_slower_by_one_call_does_not_get_the_lease(is_new: bool) -> None:
    """The other one renews, or takes the lease, after it was found to be over, or free, and before it is written."""
    tables, time = client(), FakeTime()
    first, second = control(tables, time), control(tables, time, "two")
    if not is_new:
        first.acquire(20.0)

    def next_fault(operation: str) -> Fault:
        if operation == "PutItem":
            tables.next_fault = lambda operation: Fault()
            time.meanwhile = first.renew
            if is_new:
                first.acquire(20.0)
            else:
                first.renew()
        return Fault()

    tables.next_fault = next_fault
    with pytest.raises(SinkError, match="held by process one"):
        second.acquire(20.0)
    first.check()


def test_a_lease_that_was_given_back_is_taken_without_waiting_and_the_state_stays() -> None:
    tables, time = client(), FakeTime()
    first, second = control(tables, time), control(tables, time, "two")
    first.acquire(20.0)
    first.save(STATE)
    first.release()
    first.release()
    assert second.acquire(20.0) == STATE
    assert time.seconds == 0


def test_a_holder_that_died_on_this_machine_is_followed_at_once() -> None:
    tables, time = client(), FakeTime()
    control(tables, time, Owner("one", dead=True)).acquire(20.0)
    control(tables, time, "two").acquire(20.0)
    assert time.seconds == 0


def test_a_lease_is_renewed_by_checking_once_in_a_fifth_of_its_time() -> None:
    tables, time = client(), FakeTime()
    one = control(tables, time)
    one.acquire(20.0)
    one.save(STATE)
    before = len(tables.made("PutItem"))
    for _ in range(80):
        time.seconds += 0.125
        one.check()
    assert len(tables.made("PutItem")) - before == 2
    assert one.read() == STATE


def test_a_save_whose_answer_was_lost_may_be_repeated() -> None:
    tables, time = client(), FakeTime()
    one = control(tables, time)
    tables.fail(LOST, operation="PutItem")
    with pytest.raises(SinkError, match="could not reach the service") as raised:
        one.acquire(20.0)
    assert raised.value.retryable
    assert one.acquire(20.0) is None
    tables.fail(LOST, operation="PutItem")
    with pytest.raises(SinkError, match="PutItem of job 'country' could not reach the service"):
        one.save(STATE)
    one.save(replace(STATE, generation=4))
    assert one.read() == replace(STATE, generation=4)
    assert time.seconds == 0


def test_a_table_that_can_not_be_written_keeps_no_job_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    tables, time = client(), FakeTime()
    one = control(tables, time)
    one.acquire(20.0)
    tables.fail(THROTTLED)
    one.release()
    assert "was not given back" in caplog.text


def test_an_item_that_somebody_else_wrote_is_an_error_that_says_what_to_do() -> None:
    tables, time = client(), FakeTime()
    tables.put_item(TableName=TABLE, Item={"job": {"S": JOB}, "position": {"S": '{"file": "b.1", "offset": 4}'}})
    with pytest.raises(SinkError, match=r"can't be read \(KeyError: 'generation'\).*\['job', 'position'\]"):
        control(tables, time).acquire(20.0)


def test_the_projects_own_holder_is_an_owner() -> None:
    tables, time = client(), FakeTime()
    holder = replace(Holder.here("orders"), place=None, host="h1", pid=12, started_at="2026-01-31T00:00:00+00:00")
    first = control(tables, time, holder)
    first.acquire(20.0)
    time.meanwhile = first.renew
    with pytest.raises(SinkError, match=r"held by job 'orders' on host 'h1' \(process 12, since 2026-01-31T00:00"):
        control(tables, time, Holder.here("orders")).acquire(20.0)
