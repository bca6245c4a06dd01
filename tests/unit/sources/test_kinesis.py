import dataclasses
import itertools
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import ConfigError, DataLossError, SourceError
from streamjoin.sources import kinesis
from streamjoin.sources.kinesis import BatchLimits, Position, Stream
from streamjoin.sources.kinesis_client import StreamClient
from streamjoin.sources.position import DRAINED, TRIM_HORIZON, LostRange, PositionKind, ShardPosition, ShardRange
from tests.faults import FakeClock, FakeKinesis, aggregate, client_error, internal_error, throttled

HOUR_SECONDS = 3600
PLENTY = BatchLimits(1_000_000, 1 << 30)


class Job:
    """The loop of a pipeline, without the rest of it: plan, fetch, advance; `restart` is a new process."""

    def __init__(self, shards=1, fail_on_data_loss=True, **stream):
        self.clock = FakeClock()
        self.service = FakeKinesis(self.clock, shards, **stream)
        self.stream = Stream("orders", fail_on_data_loss=fail_on_data_loss)
        self.rows = []
        self.restart()
        self.start()

    @property
    def shard(self):
        return min(self.service.shards)

    def restart(self):
        self.client = StreamClient(self.stream, self.service, self.clock, jitter=lambda: 0.5)

    def start(self, starting_position="TRIM_HORIZON", timestamp=None):
        wanted = SimpleNamespace(starting_position=starting_position, timestamp=timestamp)
        self.position = kinesis.start(self.stream, wanted, self.clock.now_ms(), self.client)

    def plan(self, limits=PLENTY):
        return kinesis.plan(self.stream, self.position, limits, client=self.client)

    def batch(self, limits=PLENTY, *, commit=True):
        plan = self.plan(limits)
        fetched = kinesis.fetch(plan, self.client)
        if commit:
            self.position = Position.from_json(plan.position.advance(fetched.ranges).to_json())
            self.rows += fetched.table.to_pylist()
        self.ranges = {r.shard_id: r for r in fetched.ranges}
        return fetched

    def numbers(self, shard_id=None):
        return [row["sequence_number"] for row in self.rows if shard_id in {None, row["shard_id"]}]


def at_ms(job):
    return datetime.fromtimestamp(job.clock.now_ms() / 1000, UTC)


# starting positions


def test_trim_horizon_reads_what_is_there_with_all_its_columns():
    job = Job()
    number = job.service.put(job.shard, b'{"a": 1}', "key")
    arrived = at_ms(job)
    job.batch()
    assert job.rows == [
        {
            "stream": "orders",
            "shard_id": job.shard,
            "sequence_number": number,
            "sub_sequence_number": 0,
            "partition_key": "key",
            "approximate_arrival_timestamp": arrived,
            "data": b'{"a": 1}',
        }
    ]


def test_latest_misses_nothing_between_first_start_and_restart():
    job = Job(shards=2)
    job.service.put(job.shard)
    job.clock.pass_seconds(1)
    job.start("LATEST")
    job.batch()
    assert job.rows == []
    job.clock.pass_seconds(1)
    job.restart()
    wanted = [job.service.put(shard_id) for shard_id in job.service.shards]
    job.batch()
    assert sorted(job.numbers()) == sorted(wanted)


def test_latest_reads_children_of_a_later_split_from_their_beginning():
    job = Job()
    job.start("LATEST")
    job.clock.pass_seconds(5)
    wanted = [job.service.put(job.shard)]
    children = job.service.split(job.shard)
    wanted += [job.service.put(child) for child in children]
    job.clock.pass_seconds(5)
    job.restart()
    for _ in range(3):
        job.batch()
    assert job.numbers() == wanted


def test_latest_skips_shards_that_were_closed_by_then():
    job = Job()
    job.service.put(job.shard)
    children = job.service.split(job.shard)
    job.clock.pass_seconds(1)
    job.start("LATEST")
    assert [r.shard_id for r in job.plan().reads] == list(children)


def test_a_start_ahead_of_the_service_clock_waits_for_it():
    job = Job()
    job.position = Position("orders", {job.shard: ShardPosition(PositionKind.AT_TIMESTAMP, job.clock.now_ms() + 5_000)})
    job.batch()
    assert job.ranges[job.shard].millis_behind_latest == 0
    job.clock.pass_seconds(6)
    number = job.service.put(job.shard)
    job.batch()
    assert job.numbers() == [number]


def test_at_timestamp_reads_what_arrived_from_then_on_in_closed_shards_too():
    job = Job()
    job.service.put(job.shard)
    job.clock.pass_seconds(10)
    then = at_ms(job)
    wanted = [job.service.put(job.shard)]
    wanted += [job.service.put(child) for child in job.service.split(job.shard)]
    job.start("AT_TIMESTAMP", then)
    job.batch()
    job.batch()
    assert job.numbers() == wanted


def test_records_too_early_for_the_timestamp_are_left_out_when_the_sdk_sends_whole_seconds(monkeypatch):
    job = Job()
    job.service.put(job.shard)
    job.clock.pass_seconds(0.5)
    job.start("AT_TIMESTAMP", at_ms(job))
    wanted = job.service.put(job.shard)
    real = job.service.get_shard_iterator
    monkeypatch.setattr(
        job.service, "get_shard_iterator", lambda **a: real(**{**a, "Timestamp": float(int(a["Timestamp"]))})
    )
    job.batch()
    assert job.numbers() == [wanted]


def test_at_timestamp_without_a_timestamp_names_the_key():
    with pytest.raises(ConfigError, match=r"source\.kinesis\.timestamp"):
        Job().start("AT_TIMESTAMP")


def test_a_shard_from_which_nothing_was_read_keeps_its_start():
    job = Job()
    job.start("LATEST")
    started = job.position.shards[job.shard]
    job.clock.pass_seconds(3)
    job.batch()
    assert job.position.shards[job.shard].place == started.place


# lineage


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


def test_a_drained_shard_is_not_asked_again():
    job = Job()
    job.service.put(job.shard)
    job.service.split(job.shard)
    job.batch()
    assert job.position.shards[job.shard] == DRAINED
    job.restart()
    assert job.shard not in [r.shard_id for r in job.plan().reads]


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
    assert parent not in job.position.shards


def test_a_position_of_another_stream_is_refused():
    job = Job()
    job.position = Position("payments", {})
    with pytest.raises(SourceError, match="'payments'"):
        job.plan()


def test_a_stream_without_readable_shards_gives_an_empty_batch():
    job = Job()
    fetched = kinesis.fetch(dataclasses.replace(job.plan(), reads=()), job.client)
    assert (fetched.table.num_rows, fetched.ranges) == (0, ())


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


# limits


def test_limits_in_records_are_kept_and_nothing_is_lost_between_batches():
    job = Job(shards=3)
    wanted = {shard_id: job.service.put_many(shard_id, 25) for shard_id in job.service.shards}
    while len(job.rows) < 75:
        assert 0 < job.batch(BatchLimits(10, 1 << 20)).table.num_rows <= 10
    assert {shard_id: job.numbers(shard_id) for shard_id in wanted} == wanted


def test_limits_in_bytes_cut_at_a_record_and_read_the_rest_next():
    job = Job()
    wanted = job.service.put_many(job.shard, 10, b"x" * 100)
    job.batch(BatchLimits(1000, 350))
    assert job.numbers() == wanted[:3]
    assert job.ranges[job.shard] == ShardRange(job.shard, wanted[0], wanted[2], 3, 300, False, 200, 1_700_000_000_000)
    while len(job.rows) < 10:
        assert job.batch(BatchLimits(1000, 350)).table.num_rows <= 3
    assert job.numbers() == wanted


def test_a_page_is_not_read_twice_once_the_size_of_records_is_known():
    job = Job()
    job.service.put_many(job.shard, 40, b"x" * 100)
    for _ in range(10):
        job.batch(BatchLimits(1000, 400))
    assert len(job.rows) == 40
    limits = [arguments["Limit"] for operation, arguments, _ in job.service.calls if operation == "GetRecords"]
    assert max(limits[1:]) <= 5


def test_a_record_larger_than_the_limit_is_read_alone():
    job = Job()
    wanted = [job.service.put(job.shard, b"x" * 500) for _ in range(3)]
    for count in (1, 2, 3):
        job.batch(BatchLimits(1000, 100))
        assert job.numbers() == wanted[:count]


def test_an_aggregated_record_is_read_whole_or_not_at_all():
    job = Job()
    pack = aggregate([(f"k{i}", b"%d" % i) for i in range(4)])
    wanted = [job.service.put(job.shard, pack) for _ in range(3)]
    job.batch(BatchLimits(10, 1 << 20))
    assert job.numbers() == [wanted[0]] * 4 + [wanted[1]] * 4
    assert [row["sub_sequence_number"] for row in job.rows] == [0, 1, 2, 3] * 2
    assert [row["partition_key"] for row in job.rows[:4]] == ["k0", "k1", "k2", "k3"]
    assert job.ranges[job.shard].records == 8
    assert job.position.shards[job.shard].sequence_number == wanted[1]
    job.batch(BatchLimits(10, 1 << 20))
    assert job.numbers()[8:] == [wanted[2]] * 4


def test_a_hot_shard_takes_what_the_others_leave_and_starves_none():
    job = Job(shards=4)
    hot, *quiet = sorted(job.service.shards)
    job.service.put_many(hot, 500)
    for shard_id in quiet:
        job.service.put_many(shard_id, 10)
    job.batch(BatchLimits(100, 1 << 20))
    assert {shard_id: len(job.numbers(shard_id)) for shard_id in quiet} == dict.fromkeys(quiet, 10)
    assert 60 <= len(job.numbers(hot)) <= 70


def test_a_plan_leaves_most_of_the_limits_to_shards_that_are_behind():
    job = Job(shards=4)
    hot, *quiet = sorted(job.service.shards)
    assert {r.limits.records for r in job.plan(BatchLimits(400, 4000)).reads} == {100}
    job.service.put_many(hot, 500)
    job.clock.pass_seconds(120)
    job.batch(BatchLimits(400, 4000))
    shares = {r.shard_id: r.limits for r in job.plan(BatchLimits(400, 4000)).reads}
    assert shares[hot] == BatchLimits(325, 3250)
    assert {shares[shard_id] for shard_id in quiet} == {BatchLimits(25, 250)}
    for _ in range(9):
        job.batch(BatchLimits(400, 4000))
    assert {r.limits.records for r in job.plan(BatchLimits(400, 4000)).reads} == {100}


def test_a_slow_backlog_ends_at_the_deadline_and_goes_on_next_time():
    job = Job(call_seconds=3.0)
    wanted = job.service.put_many(job.shard, 30)
    job.service.shards[job.shard].empty_pages = 50
    job.batch(BatchLimits(1000, 1 << 20, seconds=10))
    assert job.service.times_called("GetRecords") == 4
    job.service.shards[job.shard].empty_pages = 0
    job.batch()
    assert job.numbers() == wanted


def test_every_shard_is_asked_once_also_after_the_deadline():
    job = Job(shards=20)
    wanted = {job.service.put(shard_id) for shard_id in job.service.shards}
    job.batch(BatchLimits(1000, 1 << 20, seconds=0))
    assert set(job.numbers()) == wanted


# pages, iterators, pace


def test_empty_pages_before_the_tip_are_paged_through_without_a_busy_loop():
    job = Job()
    wanted = job.service.put(job.shard)
    job.service.shards[job.shard].empty_pages = 7
    job.batch()
    assert job.numbers() == [wanted]
    assert len(job.clock.sleeps) == 7


def test_a_shard_is_asked_five_times_a_second_at_most():
    job = Job()
    for _ in range(12):
        job.service.put_many(job.shard, 3)
        job.batch(BatchLimits(4, 1 << 20))
    asked_at = [at for operation, _, at in job.service.calls if operation == "GetRecords"]
    assert len(asked_at) >= 12
    assert min(later - earlier for earlier, later in itertools.pairwise(asked_at)) >= 0.2 - 1e-9


def test_an_iterator_is_kept_between_batches():
    job = Job()
    for _ in range(5):
        job.service.put(job.shard)
        job.batch()
    assert job.service.times_called("GetShardIterator") == 1


def test_an_iterator_is_not_used_for_another_position():
    job = Job()
    wanted = job.service.put(job.shard)
    job.batch(commit=False)
    job.batch()
    assert job.numbers() == [wanted]


def test_an_expired_iterator_is_opened_again_where_the_read_stood():
    job = Job()
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted.append(job.service.put(job.shard))
    job.clock.pass_seconds(301)
    job.batch()
    job.service.expire_iterators()
    wanted.append(job.service.put(job.shard))
    job.batch()
    assert job.numbers() == wanted


def test_a_throttled_shard_backs_off_and_reads_on():
    job = Job()
    wanted = job.service.put(job.shard)
    job.service.fail("GetRecords", throttled(), throttled(), throttled())
    job.batch()
    assert job.numbers() == [wanted]
    waits = [s for s in job.clock.sleeps if s > 0.2]
    assert waits == sorted(waits)
    assert len(waits) == 3


def test_a_shard_throttled_to_the_end_leaves_the_batch_without_loss():
    job = Job(shards=2)
    slow, fine = sorted(job.service.shards)
    wanted = job.service.put(slow)
    job.service.fail("GetShardIterator", *[throttled() for _ in range(100)])
    job.batch()
    assert job.ranges[slow].millis_behind_latest is None
    assert job.ranges[fine].records == 0
    assert job.position.shards[slow] == TRIM_HORIZON
    job.service.fail("GetShardIterator")
    job.service._faults.clear()
    job.batch()
    assert job.numbers() == [wanted]


# data loss


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
    assert job.service.times_called("DescribeStreamSummary") == 1


def test_a_shard_caught_up_longer_ago_than_the_retention_period_may_have_lost_records():
    job = Job()
    last = job.service.put_many(job.shard, 3)[-1]
    job.batch()
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    job.service.trim(job.shard, last)
    job.restart()
    with pytest.raises(DataLossError, match=last):
        job.batch()


def test_a_shard_without_a_record_read_longer_ago_than_the_retention_period_may_have_lost_records():
    job = Job()
    job.start("LATEST")
    job.batch()
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    job.restart()
    with pytest.raises(DataLossError, match="longer ago"):
        job.batch()


def test_a_shard_never_read_since_latest_longer_ago_than_the_retention_period_may_have_lost_records():
    job = Job()
    job.start("LATEST")
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    with pytest.raises(DataLossError, match="longer ago"):
        job.batch()


def test_a_lost_range_before_the_first_record_ever_read_ends_at_that_record():
    job = Job(fail_on_data_loss=False)
    job.start("LATEST")
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    number = job.service.put(job.shard)
    job.batch()
    assert job.ranges[job.shard].lost == LostRange(None, number)


def test_the_record_at_the_position_is_neither_read_again_nor_counted():
    job = Job()
    wanted = job.service.put_many(job.shard, 2)
    job.batch()
    wanted += job.service.put_many(job.shard, 2)
    job.restart()
    job.batch(BatchLimits(2, 1 << 20))
    assert job.ranges[job.shard].records == 2
    assert job.numbers() == wanted


def test_a_position_from_a_stream_made_again_is_not_taken_for_a_trimmed_one():
    job = Job(refuses_trimmed=True)
    job.service.put_many(job.shard, 2)
    job.position = Position("orders", {job.shard: ShardPosition(PositionKind.AFTER, sequence_number="99999")})
    with pytest.raises(SourceError, match="made again"):
        job.batch()


def test_a_shard_that_vanishes_between_listing_and_reading_is_data_loss():
    job = Job()
    job.service.put(job.shard)
    plan = job.plan()
    shard = job.service.shards.pop(job.shard)
    with pytest.raises(DataLossError, match=shard.shard_id):
        kinesis.fetch(plan, job.client)


# errors of the service


@pytest.mark.parametrize("operation", ["ListShards", "GetShardIterator", "GetRecords"])
def test_an_internal_error_may_be_tried_again(operation):
    job = Job()
    job.restart()
    job.service.fail(operation, internal_error())
    with pytest.raises(SourceError, match="InternalFailure") as caught:
        job.batch()
    assert caught.value.retryable
    job.service.fail(operation, client_error("ServiceUnavailable", operation, status=503))
    with pytest.raises(SourceError, match="ServiceUnavailable") as caught:
        job.batch()
    assert caught.value.retryable
    assert not isinstance(caught.value, DataLossError)


@pytest.mark.parametrize("operation", ["ListShards", "GetShardIterator", "GetRecords"])
def test_access_denied_names_what_to_allow(operation):
    job = Job()
    job.restart()
    job.service.fail(operation, client_error("AccessDeniedException", operation))
    with pytest.raises(SourceError, match="kinesis:GetRecords") as caught:
        job.batch()
    assert not caught.value.retryable


def test_a_missing_stream_is_named_also_when_it_vanishes_while_read():
    job = Job()
    job.batch()
    job.service.exists = False
    for _ in range(2):
        with pytest.raises(SourceError, match="stream 'orders' not found") as caught:
            job.batch()
        assert not isinstance(caught.value, DataLossError)
        assert not caught.value.retryable
        job.restart()


def test_a_time_out_may_be_tried_again_and_missing_credentials_not():
    job = Job()
    job.service.fail("GetRecords", ReadTimeoutError(endpoint_url="http://localhost"), NoCredentialsError())
    for retryable in (True, False):
        with pytest.raises(SourceError, match="can't be reached") as caught:
            job.batch()
        assert caught.value.retryable is retryable


def test_a_refused_beginning_of_a_shard_is_an_error_that_says_its_code():
    job = Job()
    job.service.put(job.shard)
    job.batch()
    job.restart()
    refused = client_error("InvalidArgumentException", "GetShardIterator")
    job.service.fail("GetShardIterator", refused, refused)
    with pytest.raises(SourceError, match="InvalidArgumentException"):
        job.batch()


def test_any_other_error_says_its_code():
    job = Job()
    job.service.fail("GetRecords", client_error("KMSDisabledException", "GetRecords", "key is disabled"))
    with pytest.raises(SourceError, match="KMSDisabledException: key is disabled"):
        job.batch()


# settings


def test_a_stream_is_known_by_its_arn_and_asked_for_by_it():
    wanted = SimpleNamespace(
        stream_name=None,
        stream_arn="arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        region=None,
        role_arn=None,
        fail_on_data_loss=True,
    )
    stream = Stream.from_config(wanted)
    assert (stream.name, stream.region) == ("orders", "eu-west-1")
    job = Job()
    job.stream = stream
    job.restart()
    job.start()
    assert job.position.stream == wanted.stream_arn
    job.batch()
    assert {"StreamARN"} == {
        key for _, arguments, _ in job.service.calls[-3:] for key in arguments if key.startswith("Stream")
    }


def test_a_backlog_beyond_what_one_process_reads_well_goes_through_executors():
    job = Job()
    assert job.plan(BatchLimits(200_000, 1 << 28)).through_executors
    assert not job.plan(BatchLimits(4_000, 1 << 28)).through_executors
    job.batch()
    assert not job.plan(BatchLimits(200_000, 1 << 28)).through_executors


# everything at once

steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 9), st.integers(1, 12)),
    st.tuples(st.just("split"), st.integers(0, 9)),
    st.tuples(st.just("merge"), st.integers(0, 9)),
    st.tuples(st.just("batch"), st.integers(1, 12)),
    st.tuples(st.just("repeat"), st.integers(1, 12)),
    st.sampled_from([("restart",), ("expire",), ("throttle",), ("empty",), ("minute",)]),
)


class History:
    """What happened to a stream, and what a job read of it; each step of a test is a method."""

    def __init__(self):
        self.job = Job(shards=2)
        self.service = self.job.service
        self.parents_of = {}
        self.log = {}
        self.restart = self.job.restart
        self.expire = self.service.expire_iterators

    def open_shard(self, choice):
        open_shards = [s.shard_id for s in self.service.shards.values() if s.ending is None]
        return open_shards[choice % len(open_shards)]

    def put(self, choice, count):
        shard_id = self.open_shard(choice)
        for i in range(count):
            data = aggregate([("a", b"1"), ("b", b"22")]) if i % 4 == 3 else b"plain"
            self.log.setdefault(shard_id, []).append(self.service.put(shard_id, data))

    def split(self, choice):
        shard_id = self.open_shard(choice)
        self.parents_of |= dict.fromkeys(self.service.split(shard_id), (shard_id,))

    def merge(self, choice):
        parents = (self.open_shard(choice), self.open_shard(choice + 1))
        if parents[0] != parents[1]:
            self.parents_of[self.service.merge(*parents)] = parents

    def batch(self, records):
        self.job.batch(BatchLimits(records, 40))

    def repeat(self, records):
        self.job.batch(BatchLimits(records, 40), commit=False)

    def throttle(self):
        self.service.fail("GetRecords", throttled())

    def empty(self):
        for shard in self.service.shards.values():
            shard.empty_pages = 2

    def minute(self):
        self.job.clock.pass_seconds(60)

    def catch_up(self):
        for _ in range(100):
            plan = self.job.plan()
            if kinesis.is_caught_up(plan, self.job.batch().ranges):
                return
        pytest.fail("never caught up")


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_any_history_of_a_stream_is_read_once_and_in_order(history):
    stream = History()
    for step, *values in history:
        getattr(stream, step)(*values)
    stream.catch_up()
    read = [(row["shard_id"], row["sequence_number"], row["sub_sequence_number"]) for row in stream.job.rows]
    assert len(set(read)) == len(read)
    assert {shard_id for shard_id, _, _ in read} == set(stream.log)
    for shard_id, numbers in stream.log.items():
        assert list(dict.fromkeys(n for s, n, _ in read if s == shard_id)) == numbers
        begin = min(i for i, row in enumerate(read) if row[0] == shard_id)
        for parent in stream.parents_of.get(shard_id, ()):
            assert all(i < begin for i, row in enumerate(read) if row[0] == parent)
