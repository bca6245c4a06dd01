import dataclasses
import itertools

import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.shards.position import LostRange, Position, PositionKind
from tests.faults.kinesis import client_error
from tests.unit.kinesis.kinesis_job import HOUR_SECONDS, PLENTY, Job, each_way


@each_way
def test_a_split_while_the_job_is_stopped_loses_and_doubles_nothing():
    job = Job()
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted.append(job.service.put(job.shard))
    left, right = job.service.split(job.shard)
    wanted += [job.service.put(left), job.service.put(right)]
    merged = job.service.merge(left, right)
    wanted.append(job.service.put(merged))
    job.restart()
    for _ in range(4):
        job.batch()
    assert job.numbers() == wanted


@each_way
def test_a_drained_shard_makes_the_listing_new_and_nothing_else_does_for_a_minute():
    job = Job()
    job.batch()
    listed = job.service.times_called("ListShards")
    for _ in range(5):
        job.batch()
    assert job.service.times_called("ListShards") == listed
    left, _ = job.service.split(job.shard)
    wanted = job.service.put(left)
    job.batch()
    job.batch()
    assert job.numbers() == [wanted]
    job.clock.pass_seconds(61)
    listed = job.service.times_called("ListShards")
    job.batch()
    assert job.service.times_called("ListShards") > listed


def test_a_listing_of_many_pages_is_read_whole():
    job = Job(shards=8)
    assert len(job.plan().reads) == 8
    assert job.service.times_called("ListShards") == 3


@each_way
def test_a_drained_shard_is_not_asked_again():
    job = Job()
    job.service.put(job.shard)
    job.service.split(job.shard)
    job.batch()
    assert job.position.shards[job.shard].kind is PositionKind.DRAINED
    job.restart()
    assert job.shard not in [r.shard_id for r in job.plan().reads]


@each_way
def test_an_unread_shard_that_the_stream_forgot_stops_the_job_or_is_recorded():
    job = Job(fail_on_data_loss=False)
    first, parent = job.service.put(job.shard), job.shard
    job.batch()
    job.service.put(parent)
    left, _ = job.service.split(parent)
    wanted = job.service.put(left)
    job.service.forget(parent)
    job.restart()
    strict = dataclasses.replace(job.stream, fail_on_data_loss=True)
    with pytest.raises(DataLossError, match=parent):
        kinesis.plan(strict, job.position, PLENTY, client=job.client)
    job.batch()
    assert job.ranges[parent].lost == LostRange(first, None)
    assert job.numbers() == [first, wanted]
    job.batch()
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    assert parent not in job.plan().position.shards


@each_way
def test_what_children_lost_with_a_parent_that_the_stream_forgot_is_recorded_of_them_too():
    job = Job(fail_on_data_loss=False)
    job.batch()
    left, right = job.service.split(job.shard)
    job.service.put(left)
    job.clock.pass_seconds(30 * HOUR_SECONDS)
    wanted = job.service.put(left)
    job.service.trim_older_than(24 * HOUR_SECONDS)
    job.restart()
    job.batch()
    assert job.ranges[left].lost == LostRange(None, wanted)
    assert job.ranges[right].lost == LostRange(None, None)
    assert job.numbers() == [wanted]


@each_way
def test_a_shard_whose_parent_came_and_went_while_the_job_was_stopped_has_lost_records():
    job = Job(fail_on_data_loss=False)
    job.service.put(job.shard)
    parent, _ = job.service.split(job.shard)
    job.batch()
    assert [place.kind for place in job.position.shards.values()] == [PositionKind.DRAINED]
    job.service.put(parent)
    child, _ = job.service.split(parent)
    job.clock.pass_seconds(30 * HOUR_SECONDS)
    job.service.trim_older_than(24 * HOUR_SECONDS)
    careless, job.stream = job.stream, dataclasses.replace(job.stream, fail_on_data_loss=True)
    job.restart()
    with pytest.raises(DataLossError, match=f"shard '{parent}'.*: position TRIM_HORIZON is in a shard .* no longer"):
        job.batch()
    job.stream = careless
    job.restart()
    job.batch()
    assert job.ranges[parent].lost == LostRange(None, None)
    assert job.ranges[child].lost == LostRange(None, None)


def test_a_position_of_another_stream_is_refused():
    job = Job()
    job.position = Position("payments", {})
    with pytest.raises(SourceError, match="'payments'"):
        job.plan()


@each_way
def test_a_stream_without_readable_shards_gives_an_empty_batch():
    job = Job()
    fetched = kinesis.fetch(dataclasses.replace(job.plan(), reads=()), job.client)
    assert (fetched.table.num_rows, fetched.ranges) == (0, ())


@each_way
def test_a_batch_is_caught_up_only_when_no_shard_waits_or_was_drained():
    job = Job()
    plan = job.plan()
    assert kinesis.is_caught_up(plan, job.batch(commit=False).ranges)
    waiting = dataclasses.replace(plan, waiting=("child",))
    assert not kinesis.is_caught_up(waiting, job.batch(commit=False).ranges)
    job.service.put_many(job.shard, 2)
    assert not kinesis.is_caught_up(plan, job.batch(BatchLimits(1, 100)).ranges)
    job.service.split(job.shard)
    job.restart()
    plan = job.plan()
    assert plan.waiting
    assert not kinesis.is_caught_up(plan, job.batch().ranges)
    job.batch()
    assert kinesis.is_caught_up(job.plan(), job.batch().ranges)


@each_way
def test_a_listing_that_leaves_out_a_drained_shard_for_a_while_does_not_make_it_read_again():
    job = Job()
    wanted, parent = [job.service.put(job.shard)], job.shard
    left, _ = job.service.split(parent)
    wanted.append(job.service.put(left))
    job.batch()
    job.batch()
    hidden = job.service.shards.pop(parent)
    job.restart()
    job.batch()
    job.clock.pass_seconds(23 * HOUR_SECONDS)
    job.restart()
    job.service.shards[parent] = hidden
    job.batch()
    job.batch()
    assert job.numbers() == wanted


@each_way
def test_one_listing_alone_does_not_make_a_shard_gone(monkeypatch):
    job = Job()
    wanted, parent = [job.service.put(job.shard)], job.shard
    job.batch()
    wanted.append(job.service.put(parent))
    job.restart()
    real, incomplete = job.service.list_shards, [{"Shards": []}]
    monkeypatch.setattr(job.service, "list_shards", lambda **a: incomplete.pop() if incomplete else real(**a))
    job.batch()
    assert not incomplete
    assert job.numbers() == wanted


def test_a_listing_whose_next_page_was_asked_for_too_late_is_begun_again():
    job = Job(shards=8)
    job.restart()
    expired = client_error("ExpiredNextTokenException", "ListShards")
    real, answers = job.service.list_shards, iter([None, expired, None, None, expired])

    def list_shards(**arguments):
        answer = real(**arguments)
        if error := next(answers, None):
            raise error
        return answer

    job.service.list_shards = list_shards
    assert len(job.plan().reads) == 8
    job.restart()
    answers = itertools.repeat(expired)
    with pytest.raises(SourceError, match="300 s") as caught:
        job.plan()
    assert caught.value.retryable


@each_way
def test_children_that_are_not_listed_yet_are_awaited_before_the_stream_counts_as_read(monkeypatch):
    job = Job()
    job.service.put(job.shard)
    left, right = job.service.split(job.shard)
    wanted = job.service.put(left)
    late = [job.service.shards.pop(shard_id) for shard_id in (left, right)]
    job.batch()
    for _ in range(2):
        plan = job.plan()
        assert not kinesis.is_caught_up(plan, job.batch().ranges)
    job.service.shards |= {shard.shard_id: shard for shard in late}
    plan = job.plan()
    assert kinesis.is_caught_up(plan, job.batch().ranges)
    assert job.numbers()[1:] == [wanted]
