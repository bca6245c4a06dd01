import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.shards.position import LostRange, Position, PositionKind, ShardPosition
from tests.faults.kinesis import throttled
from tests.unit.kinesis.kinesis_job import HOUR_SECONDS, Job, each_way


def lagging(**options):
    """A job that read two records, stopped, and finds that the stream trimmed past them."""
    job = Job(**options)
    job.service.put_many(job.shard, 2)
    job.service.put_many(job.shard, 3)
    job.batch(BatchLimits(2, 1 << 20))
    assert len(job.rows) == 2
    assert job.position.shards[job.shard].caught_up_ms is None
    job.restart()
    return job


@each_way
def test_a_gap_is_met_again_when_its_batch_was_not_committed():
    job = lagging(fail_on_data_loss=False)
    numbers = [r["SequenceNumber"] for r in job.service.shards[job.shard].records]
    job.service.trim(job.shard, numbers[4])
    job.batch(commit=False)
    job.batch()
    assert job.ranges[job.shard].lost == LostRange(numbers[1], None)


@each_way
@pytest.mark.parametrize("refuses_trimmed", [False, True])
def test_a_trimmed_position_stops_the_job_with_the_range(refuses_trimmed):
    job = lagging(refuses_trimmed=refuses_trimmed)
    numbers = [r["SequenceNumber"] for r in job.service.shards[job.shard].records]
    job.service.trim(job.shard, numbers[3])
    with pytest.raises(DataLossError) as caught:
        job.batch()
    for part in ("'orders'", f"'{job.shard}'", numbers[1], numbers[4], "source.kinesis.fail_on_data_loss: false"):
        assert part in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.parametrize("refuses_trimmed", [False, True])
def test_what_was_read_before_a_gap_is_a_batch_and_the_next_one_meets_the_gap(refuses_trimmed):
    job = Job(refuses_trimmed=refuses_trimmed)
    # A page each.
    numbers = job.service.put_many(job.shard, 3, b"x" * (6 << 20))
    get_records = job.service.get_records

    def trims_behind(**arguments):
        page = get_records(**arguments)
        job.service.get_records = get_records
        job.service.expire_iterators()
        job.service.trim(job.shard, numbers[1])
        return page

    job.service.get_records = trims_behind
    job.batch()
    assert job.numbers() == numbers[:1]
    assert job.ranges[job.shard].millis_behind_latest > 0
    for _ in range(2):
        with pytest.raises(DataLossError, match=f"position AFTER {numbers[0]}: "):
            job.batch()
        job.restart()


def test_what_was_read_of_a_shard_before_it_went_is_a_batch_too():
    job = Job(shards=2)
    numbers = job.service.put_many(job.shard, 2, b"x" * (6 << 20))
    get_records = job.service.get_records

    def forgets(**arguments):
        page = get_records(**arguments)
        job.service.get_records = get_records
        job.service.forget(gone)
        return page

    gone, job.service.get_records = job.shard, forgets
    job.batch()
    assert job.numbers() == numbers[:1]
    with pytest.raises(DataLossError, match=gone):
        job.batch()


@each_way
@pytest.mark.parametrize("refuses_trimmed", [False, True])
def test_a_user_who_accepts_data_loss_gets_the_lost_range_once(refuses_trimmed):
    job = lagging(refuses_trimmed=refuses_trimmed, fail_on_data_loss=False)
    numbers = [r["SequenceNumber"] for r in job.service.shards[job.shard].records]
    job.service.trim(job.shard, numbers[3])
    job.batch()
    assert job.ranges[job.shard].lost == LostRange(numbers[1], numbers[4])
    assert job.numbers() == [*numbers[:2], numbers[4]]
    job.restart()
    job.batch()
    assert job.ranges[job.shard].lost is None


@each_way
def test_a_gap_with_nothing_behind_it_is_recorded_once():
    job = lagging(fail_on_data_loss=False)
    numbers = [r["SequenceNumber"] for r in job.service.shards[job.shard].records]
    job.service.trim(job.shard, numbers[4])
    job.batch()
    assert job.ranges[job.shard].lost == LostRange(numbers[1], None)
    job.restart()
    wanted = job.service.put(job.shard)
    job.batch()
    assert job.ranges[job.shard].lost is None
    assert job.numbers()[2:] == [wanted]


@each_way
@pytest.mark.parametrize("refuses_trimmed", [False, True])
@pytest.mark.parametrize("has_more", [False, True])
def test_a_shard_that_was_caught_up_within_the_retention_period_lost_nothing(refuses_trimmed, has_more):
    job = Job(refuses_trimmed=refuses_trimmed)
    last = job.service.put_many(job.shard, 3)[-1]
    job.batch()
    job.clock.pass_seconds(20 * HOUR_SECONDS)
    job.batch()
    wanted = [job.service.put(job.shard)] if has_more else []
    job.clock.pass_seconds(10 * HOUR_SECONDS)
    job.service.trim(job.shard, last)
    job.restart()
    job.batch()
    assert job.numbers()[3:] == wanted
    if not job.fan_out:
        assert job.service.times_called("DescribeStreamSummary") == 1


@each_way
def test_a_shard_caught_up_longer_ago_than_the_retention_period_may_have_lost_records():
    job = Job()
    last = job.service.put_many(job.shard, 3)[-1]
    job.batch()
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    job.service.trim(job.shard, last)
    job.restart()
    with pytest.raises(DataLossError, match=last):
        job.batch()


@each_way
def test_a_shard_without_a_record_read_longer_ago_than_the_retention_period_may_have_lost_records():
    job = Job()
    job.start("LATEST")
    job.batch()
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    job.restart()
    with pytest.raises(DataLossError, match="longer ago"):
        job.batch()


@each_way
def test_a_shard_never_read_since_latest_longer_ago_than_the_retention_period_may_have_lost_records():
    job = Job()
    job.start("LATEST")
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    with pytest.raises(DataLossError, match="longer ago"):
        job.batch()


@each_way
def test_a_gap_is_recorded_with_an_answer_only():
    job = Job(fail_on_data_loss=False)
    job.start("LATEST")
    before = job.position
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    number = job.service.put(job.shard)
    job.service.fail("SubscribeToShard" if job.fan_out else "GetRecords", *[throttled()] * 10)
    job.batch()
    assert (job.ranges[job.shard].lost, job.position) == (None, before)
    job.service.faults.clear()
    job.clock.pass_seconds(10)
    job.batch()
    assert job.ranges[job.shard].lost == LostRange(None, number)


@each_way
def test_a_lost_range_before_the_first_record_ever_read_ends_at_that_record():
    job = Job(fail_on_data_loss=False)
    job.start("LATEST")
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    number = job.service.put(job.shard)
    job.batch()
    assert job.ranges[job.shard].lost == LostRange(None, number)


@each_way
def test_the_record_at_the_position_is_neither_read_again_nor_counted():
    job = Job()
    wanted = job.service.put_many(job.shard, 2)
    job.batch()
    wanted += job.service.put_many(job.shard, 2)
    job.restart()
    job.batch(BatchLimits(2, 1 << 20))
    assert job.ranges[job.shard].records == 2
    assert job.numbers() == wanted


@each_way
def test_a_position_from_a_stream_made_again_is_not_taken_for_a_trimmed_one():
    job = Job(refuses_trimmed=True)
    job.service.put_many(job.shard, 2)
    job.position = Position("orders", {job.shard: ShardPosition(PositionKind.AFTER, sequence_number="99999")})
    with pytest.raises(SourceError, match="made again"):
        job.batch()


@each_way
def test_a_shard_that_vanishes_between_listing_and_reading_is_data_loss():
    job = Job()
    job.service.put(job.shard)
    plan = job.plan()
    shard = job.service.shards.pop(job.shard)
    with pytest.raises(DataLossError, match=shard.shard_id):
        kinesis.fetch(plan, job.client)


@each_way
@pytest.mark.parametrize("fail_on_data_loss", [True, False])
def test_records_of_a_child_that_were_trimmed_before_it_was_ever_read_are_missed(fail_on_data_loss):
    job = Job(fail_on_data_loss=fail_on_data_loss)
    job.service.put(job.shard)
    left, _ = job.service.split(job.shard)
    job.service.put(left)
    job.batch()
    job.restart()
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    job.service.trim_older_than(24 * HOUR_SECONDS)
    wanted = job.service.put(left)
    if fail_on_data_loss:
        with pytest.raises(DataLossError, match="longer ago"):
            job.batch()
        return
    job.batch()
    assert job.ranges[left].lost == LostRange(None, wanted)


@each_way
def test_a_child_read_soon_after_its_parent_lost_nothing():
    job = Job()
    job.service.put(job.shard)
    left, _ = job.service.split(job.shard)
    wanted = job.service.put(left)
    job.batch()
    job.restart()
    job.clock.pass_seconds(23 * HOUR_SECONDS)
    job.batch()
    assert job.numbers()[1:] == [wanted]


def test_a_reader_at_the_edge_of_what_is_held_notices_what_is_trimmed_before_its_iterator():
    job = Job()
    numbers = job.service.put_many(job.shard, 9)
    job.clock.pass_seconds(24 * HOUR_SECONDS - 60)
    real = job.service.get_records

    def get_records(**arguments):
        answer = real(**{**arguments, "Limit": min(arguments["Limit"], 4)})
        job.service.trim(job.shard, numbers[6])
        return answer

    job.service.get_records = get_records
    job.batch()
    assert job.numbers() == numbers[:4]
    with pytest.raises(DataLossError, match=numbers[7]):
        job.batch()
