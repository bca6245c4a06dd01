"""A table's own stream as batches: everything once and in order, provable, whatever happens to the stream."""

import json
import logging
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.shards.position import LostRange, PositionKind
from tests.faults.kinesis import client_error
from tests.faults.stream import FakeTableStream, stream_throttled
from tests.unit.dynamodb.stream.batches_job import PLENTY, Job, item

HOUR_SECONDS = 3600.0


def test_records_are_those_of_a_pipe_and_ranges_and_position_follow_from_them() -> None:
    job = Job()
    job.table.put(item("a", 1))
    job.table.put(item("a", 2))
    job.table.delete({"code": {"S": "a"}})
    batch = job.read()
    assert batch.at_tip
    assert [json.loads(record["data"])["eventName"] for record in job.records] == ["INSERT", "MODIFY", "REMOVE"]
    record = job.records[1]
    assert (record["stream"], record["partition_key"], record["sub_sequence_number"]) == (job.table.arn, "a", 0)
    assert record["approximate_arrival_timestamp"].timestamp() == int(job.clock())
    change = json.loads(record["data"])["dynamodb"]
    assert change["SequenceNumber"] == record["sequence_number"] == "3"
    assert (change["OldImage"], change["NewImage"]) == (item("a", 1), item("a", 2))
    (read,) = batch.ranges
    assert (read.first, read.last, read.records, read.after, read.drained) == ("2", "4", 3, None, False)
    assert read.bytes == sum(len(record["data"]) for record in job.records)
    assert batch.position.shards[read.shard_id].place == (PositionKind.AFTER, None, "4")
    assert job.violations == []


def test_started_at_the_tip_it_gives_only_what_comes_then() -> None:
    job = Job(at_tip=False)
    job.table.put(item("old"))
    begun = job.open()
    begun.start_at_tip()
    job.reader = job.read_from_position(begun)
    job.table.put(item("new"))
    assert [r["partition_key"] for r in job.reader.read(PLENTY).records.to_pylist()] == ["new"]


def test_a_batch_that_was_not_committed_is_read_again() -> None:
    job = Job()
    job.table.put(item("a"))
    first = job.read(commits=False)
    job.restart()
    again = job.read()
    assert again.records.equals(first.records)
    assert again.ranges[0].first == first.ranges[0].first


def test_limits_of_records_and_bytes_end_a_batch_and_the_next_one_goes_on() -> None:
    job = Job(records_per_page=5)
    for number in range(40):
        job.table.put(item(str(number)))
    assert job.read(BatchLimits(7, 10**9)).records.num_rows <= 10
    small = job.read(BatchLimits(10_000, 1))
    assert 0 < small.records.num_rows
    assert not small.at_tip
    job.drain()
    assert sorted(map(int, job.numbers())) == list(range(2, 42))
    assert job.violations == []


def test_the_end_of_a_shard_is_told_also_without_records_and_its_children_follow() -> None:
    job = Job()
    job.table.put(item("a"))
    job.drain()
    (shard,) = job.table.shards
    job.table.split(shard)
    job.drain()
    assert job.batches[-1].ranges[0].drained
    assert job.batches[-1].ranges[0].records == 0
    job.table.put(item("b"))
    job.restart()
    job.drain()
    assert [record["partition_key"] for record in job.records] == ["a", "b"]
    assert job.violations == []


def test_a_shard_that_can_not_be_read_holds_up_no_other_for_a_while_and_is_an_error_then() -> None:
    job = Job(shards=2)
    bad = next(iter(job.table.shards))
    job.table.fault = lambda operation, request: (
        stream_throttled() if operation == "GetRecords" and request["ShardId"] == bad else None
    )

    def put_elsewhere() -> None:
        codes = (str(n) for n in range(1000))
        code = next(c for c in codes if job.table.shard_of(item(c)) != bad)
        job.table.put(item(code, len(job.records)))

    for _ in range(4):
        put_elsewhere()
        assert job.read().records.num_rows == 1
    put_elsewhere()
    with pytest.raises(SourceError, match="throttled"):
        job.read()
    job.table.fault = lambda operation, request: None
    job.restart()
    job.drain()
    assert len(set(job.numbers())) == len(job.numbers()) == 5


def test_trimmed_changes_stop_the_job_unless_it_is_to_go_on() -> None:
    job = _trimmed(fail_on_data_loss=True)
    with pytest.raises(DataLossError, match=r"source\.dynamodb_stream\.fail_on_data_loss: false"):
        job.restart()
        job.read()


def _trimmed(*, fail_on_data_loss: bool) -> Job:
    job = Job(fail_on_data_loss=fail_on_data_loss)
    job.table.put(item("a"))
    job.drain()
    for code in "bcd":
        job.table.put(item(code))
    (shard,) = job.table.shards
    job.table.trim(shard, "4")
    return job


def test_a_lost_range_is_in_the_batch_and_what_is_left_is_read(caplog: pytest.LogCaptureFixture) -> None:
    job = _trimmed(fail_on_data_loss=False)
    job.restart()
    with caplog.at_level(logging.WARNING):
        job.drain()
    lost = [r.lost for batch in job.batches for r in batch.ranges if r.lost]
    assert lost == [LostRange("2", "5")]
    assert job.numbers() == ["2", "5"]
    assert "oldest change" in caplog.text
    assert job.violations == []


def test_of_shards_that_lost_nothing_no_change_is_read_twice() -> None:
    job = Job(shards=2, fail_on_data_loss=False)
    for code in range(8):
        job.table.put(item(str(code)))
    job.drain()
    for code in range(8, 16):
        job.table.put(item(str(code)))
    shard, whole = job.table.shards
    numbers = job.table.shards[shard].numbers()
    job.table.trim(shard, str(numbers[-2]))
    job.restart()
    job.drain()
    assert len(set(job.numbers())) == len(job.numbers())
    assert [int(n) for n in job.numbers() if int(n) in job.table.shards[whole].numbers()] == (
        job.table.shards[whole].numbers()
    )
    assert job.violations == []


def test_a_new_stream_of_the_table_is_a_loss_that_ends_every_shard_of_the_old_one() -> None:
    job = Job(fail_on_data_loss=False)
    job.table.put(item("a"))
    job.drain()
    (old,) = job.table.shards
    job.table = FakeTableStream(clock=job.clock)
    job.table.arn = job.table.arn.replace("12:00:00", "13:00:00")
    job.table.shards = {f"{old}-new": shard for shard in job.table.shards.values()}
    for shard in job.table.shards.values():
        shard.shard_id = f"{old}-new"
    job.restart()
    told = {r.shard_id: (r.drained, r.lost) for r in job.read().ranges}
    assert job.position.stream == job.table.arn
    assert told[old] == (True, LostRange("2", None))
    assert job.violations == []


def test_a_stream_that_is_gone_for_good_is_an_error_also_when_the_job_is_to_go_on() -> None:
    job = Job(fail_on_data_loss=False)
    job.table.put(item("a"))
    job.drain()
    job.table.exists = False
    with pytest.raises(SourceError):
        for _ in range(3):
            job.read()


def test_a_fault_of_the_first_read_is_an_error_that_may_pass() -> None:
    job = Job()
    job.table.fault = lambda operation, request: client_error("InternalServerError", operation, "oops")
    with pytest.raises(SourceError):
        job.read()


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 5)),
        st.tuples(st.just("delete"), st.integers(0, 5)),
        st.tuples(st.just("split"), st.integers(0, 3)),
        st.tuples(st.just("read"), st.integers(1, 4)),
        st.tuples(st.just("lose_batch"), st.integers(1, 4)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("empty_page"), st.integers(0, 1)),
        st.tuples(st.just("pass_hours"), st.integers(1, 3)),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(EVENTS, st.integers(1, 3))
def test_any_history_is_read_once_in_order_and_can_be_proven(events: list[tuple[str, int]], shards: int) -> None:
    job = Job(shards=shards, records_per_page=3)
    acts: dict[str, Callable[[int], object]] = {
        "put": lambda n: job.table.put(item(str(n), len(job.table.calls))),
        "delete": lambda n: job.table.delete({"code": {"S": str(n)}}),
        "split": lambda n: job.table.split(_open_shards(job)[n % len(_open_shards(job))]),
        "read": lambda n: job.read(BatchLimits(n, 10**9)),
        "lose_batch": lambda n: (job.read(BatchLimits(n, 10**9), commits=False), job.restart()),
        "restart": lambda n: job.restart(),
        "empty_page": lambda n: job.table.empty_pages.update({sorted(job.table.shards)[-1]: 1 + n}),
        "pass_hours": lambda n: job.clock.advance(n * HOUR_SECONDS),
    }
    for act, argument in events:
        acts[act](argument)
    job.drain(BatchLimits(5, 10**9))
    job.table.empty_pages.clear()
    job.clock.advance(61)
    job.drain()
    every = [number for shard in job.table.shards.values() for number in shard.numbers()]
    assert sorted(map(int, job.numbers())) == sorted(every)
    for code in {record["partition_key"] for record in job.records}:
        mine = [int(r["sequence_number"]) for r in job.records if r["partition_key"] == code]
        assert mine == sorted(mine)
    assert job.violations == []


def _open_shards(job: Job) -> list[str]:
    return sorted(shard_id for shard_id, shard in job.table.shards.items() if shard.ending is None)
