"""The control table, on a fake table and by a fake clock; its lease: `test_lock_lease`."""

import json
import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.control_table import ControlTable
from tests.faults.items import LOST, NONE, FakeTables
from tests.faults.sink import FakeTime

TABLE, JOB = "streamjoin_replication", "country"
STATE = ControlState(position=BinlogPosition("binlog.000012", 4), generation=3, server="uuid")
# What the state before the one lease wrote: attributes as they stand in a table.
HOLDER_BEFORE = (
    '{"job": "country", "host": "h1", "pid": 12, "started_at": "2026-01-31T00:00:00+00:00", "place": null, '
    '"process_start": null, "owner": "0123", "renewed": 0, "released": false}'
)
ITEM_BEFORE = {
    "job": {"S": JOB},
    "position": {"S": '{"file": "binlog.000012", "offset": 4, "gtid": null}'},
    "generation": {"N": "3"},
    "server": {"S": "uuid"},
    "phase": {"S": "following"},
    "lease_owner": {"S": "0123"},
    "lease_holder": {"S": HOLDER_BEFORE},
    "lease_seconds": {"N": "10.0"},
    "lease_renewals": {"N": "41"},
    "lease_renewed_at": {"S": "2026-01-31T00:00:00+00:00"},
}


def client() -> FakeTables:
    return FakeTables({TABLE: {"job": "S"}})


def control(tables: FakeTables, time: FakeTime, job: str = JOB) -> ControlTable:
    holder = replace(Holder.here(job), place=None)
    return ControlTable(tables, TABLE, job, holder=holder, clock=time.now, pause=time.pause)


values = st.none() | st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False) | st.text() | st.binary()
progresses = st.builds(
    LoadProgress, st.none() | st.lists(values, max_size=3).map(tuple), st.booleans(), st.integers(0, 10**12)
)


@given(st.none() | st.dictionaries(st.text(), progresses, max_size=3), st.integers(0, 10**7 - 1))
def test_any_state_is_read_as_it_was_saved(loading: Any, generation: int) -> None:
    saved = replace(STATE, loading=loading, generation=generation)
    tables, time = client(), FakeTime()
    one = control(tables, time)
    assert one.acquire() is None
    one.save(saved)
    assert repr(one.acquire()) == repr(saved)
    assert repr(control(tables, time).look()[0]) == repr(saved)


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
        one = control(tables, time, job)
        one.acquire()
        one.save(replace(STATE, server=job))
    assert [control(tables, time, job).look()[0] for job in ("a", "b")] == [replace(STATE, server=s) for s in "ab"]
    assert time.seconds == 0


def test_a_process_that_lost_its_lease_saves_nothing() -> None:
    tables, time = client(), FakeTime()
    paused, second = control(tables, time), control(tables, time)
    paused.acquire()
    paused.save(STATE)
    assert second.acquire() == STATE
    assert 30 <= time.seconds < 40
    with pytest.raises(SinkError, match=r"job 'country': the lock is no longer this job's: .* has it now") as raised:
        paused.save(replace(STATE, generation=99))
    assert not raised.value.retryable
    paused.release()
    assert second.look()[0] == STATE
    second.check()


def test_an_item_of_the_state_before_is_taken_over_after_its_time_and_written_with_the_same_attributes() -> None:
    tables, time = client(), FakeTime()
    tables.put_item(TableName=TABLE, Item=ITEM_BEFORE)
    one = control(tables, time)
    assert one.acquire() == STATE
    assert 10 <= time.seconds < 20
    one.save(replace(STATE, loading={"shop.t": LoadProgress((7,), rows=9)}))
    one.save(STATE)
    (written,) = tables.items(TABLE)
    assert set(written) == set(ITEM_BEFORE)
    assert {name: set(value) for name, value in written.items()} == {n: set(v) for n, v in ITEM_BEFORE.items()}
    assert json.loads(written["lease_holder"]["S"]).keys() == json.loads(HOLDER_BEFORE).keys()
    assert int(written["lease_renewals"]["N"]) > 41
    one.release()
    (written,) = tables.items(TABLE)
    assert set(written) == {name for name in ITEM_BEFORE if not name.startswith("lease_")}


def test_the_lease_is_renewed_in_the_background_until_the_block_ends() -> None:
    tables = client()
    one = ControlTable(tables, TABLE, JOB, holder=Holder.here(JOB), lease_seconds=0.05)
    one.acquire()
    renewed = threading.Event()
    tables.next_fault = lambda operation: renewed.set() or NONE  # type: ignore[func-returns-value]
    with one.renewing():
        assert renewed.wait(30)


def test_a_save_whose_answer_was_lost_may_be_repeated() -> None:
    tables, time = client(), FakeTime()
    one = control(tables, time)
    one.acquire()
    tables.fail(LOST, operation="PutItem")
    with pytest.raises(SinkError, match="PutItem of job 'country' could not reach the service") as raised:
        one.save(STATE)
    assert raised.value.retryable
    one.save(replace(STATE, generation=4))
    assert one.look()[0] == replace(STATE, generation=4)
    assert time.seconds == 0


def test_an_item_that_another_program_wrote_is_an_error_that_says_what_to_do() -> None:
    tables, time = client(), FakeTime()
    item = {"job": {"S": JOB}, "position": {"S": '{"file": "b.1", "offset": 4}'}}
    tables.put_item(TableName=TABLE, Item=item)
    with pytest.raises(SinkError, match=r"can't be read \(KeyError: 'generation'\).*\['job', 'position'\]"):
        control(tables, time).acquire()
    assert tables.items(TABLE) == [item]
