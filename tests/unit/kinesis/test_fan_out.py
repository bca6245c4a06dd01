"""What only a subscription does; what is true of any way to read is in the other files, marked `each_way`."""

import itertools

import pytest

from streamjoin.errors import SourceError
from streamjoin.kinesis.shard import ATTEMPTS
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.kinesis.subscription import LIFE_SECONDS
from tests.faults.fan_out import TAKEN_OVER_AFTER_SECONDS
from tests.faults.kinesis import client_error, internal_error, throttled, timed_out
from tests.faults.kpl import aggregate
from tests.unit.kinesis.kinesis_job import HOUR_SECONDS, PushedJob, read_until, subscriptions

# the subscription


def test_nothing_is_asked_for_as_long_as_nothing_is_near_the_trim_horizon():
    job = PushedJob(shards=2)
    wanted = [job.service.put(shard_id) for shard_id in job.service.shards for _ in range(3)]
    job.batch()
    assert sorted(job.numbers()) == sorted(wanted)
    assert job.service.times_called("GetRecords") == job.service.times_called("GetShardIterator") == 0


def test_a_subscription_is_renewed_before_its_five_minutes_end_where_the_last_event_ended():
    job, wanted = PushedJob(), []
    for _ in range(180):
        wanted.append(job.service.put(job.shard))
        job.batch()
        job.clock.pass_seconds(10)
    assert job.numbers() == wanted
    times = job.service.subscribed_at(job.shard)
    assert len(times) == 7
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < LIFE_SECONDS
    starts = [arguments["StartingPosition"]["Type"] for arguments in subscriptions(job)]
    assert starts == ["TRIM_HORIZON"] + ["AFTER_SEQUENCE_NUMBER"] * 6


def test_a_quiet_shard_goes_on_by_what_the_service_says_of_its_progress():
    job = PushedJob()
    last = job.service.put(job.shard)
    for _ in range(30):
        job.batch()
        job.clock.pass_seconds(60)
    continued = [a["StartingPosition"]["SequenceNumber"] for a in subscriptions(job)[1:]]
    assert continued
    assert all(int(number) > int(last) for number in continued[1:])
    assert job.numbers() == [last]


def test_a_subscription_that_ended_during_a_long_commit_is_taken_up_where_it_was():
    job = PushedJob()
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted += job.service.put_many(job.shard, 3)
    job.clock.pass_seconds(2 * HOUR_SECONDS)
    wanted += job.service.put_many(job.shard, 2)
    job.batch()
    assert job.numbers() == wanted
    # Too long ago to be sure of what was trimmed meanwhile: the position's own record must come first.
    start = subscriptions(job)[-1]["StartingPosition"]
    assert start == {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": wanted[0]}


@pytest.mark.parametrize(
    "fault", [internal_error(), timed_out(), throttled(), client_error("KMSThrottlingException", "X")]
)
def test_a_subscription_cut_in_the_middle_goes_on_behind_the_last_event_that_came(fault):
    job = PushedJob(event_records=3)
    wanted = job.service.put_many(job.shard, 4)
    job.batch()
    job.service.event_faults.extend([fault, fault])
    wanted += job.service.put_many(job.shard, 7)
    read_until(job, 11)
    assert job.numbers() == wanted
    assert len(subscriptions(job)) == 3


def test_a_subscription_that_fails_time_and_again_fails_the_batch():
    job = PushedJob()
    job.service.put(job.shard)
    job.service.event_faults.extend([internal_error()] * ATTEMPTS)
    with pytest.raises(SourceError, match=f"'{job.shard}'.*SubscribeToShard.*InternalFailure") as caught:
        for _ in range(20):
            job.batch()
            job.clock.pass_seconds(5)
    assert caught.value.retryable
    read_until(job, 1)


@pytest.mark.parametrize("within_a_subscription", [False, True])
@pytest.mark.parametrize("code", ["KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException"])
def test_a_key_that_does_not_work_stops_the_job_with_its_code(code, within_a_subscription):
    job = PushedJob()
    fault = client_error(code, "SubscribeToShard", "the key is not what it was")
    if within_a_subscription:
        job.service.event_faults.append(fault)
    else:
        job.service.fail("SubscribeToShard", fault)
    with pytest.raises(SourceError, match=f"{code}: the key is not what it was") as caught:
        job.batch()
    assert not caught.value.retryable


@pytest.mark.parametrize("operation", ["SubscribeToShard", "DescribeStreamConsumer", "RegisterStreamConsumer"])
def test_access_denied_names_what_to_allow(operation):
    job = PushedJob()
    job.service.fail(operation, client_error("AccessDeniedException", operation))
    with pytest.raises(SourceError, match=rf"{operation} was denied .*kinesis:SubscribeToShard.*fan_out") as caught:
        job.batch()
    assert not caught.value.retryable


def test_a_service_that_closes_the_connection_says_what_boto3_speaks():
    job = PushedJob()
    job.service.fail("SubscribeToShard", *[timed_out()] * 9)
    with pytest.raises(SourceError, match=r"fan_out out: .* HTTP/1\.1") as caught:
        for _ in range(9):
            job.batch()
            job.clock.pass_seconds(5)
    assert caught.value.retryable


def test_a_subscription_that_says_nothing_is_made_again():
    job = PushedJob()
    wanted = job.service.put(job.shard)
    job.service.silent = 2
    read_until(job, 1)
    assert job.numbers() == [wanted]
    assert len(subscriptions(job)) == 3


# limits


def test_what_a_batch_has_no_room_for_is_the_next_ones_without_another_subscription():
    job = PushedJob(shards=2, event_records=7)
    wanted = {shard_id: job.service.put_many(shard_id, 40, b"x" * 10) for shard_id in job.service.shards}
    while len(job.rows) < 80:
        assert 0 < job.batch(BatchLimits(9, 60)).table.num_rows <= 9
    assert {shard_id: job.numbers(shard_id) for shard_id in wanted} == wanted
    assert len(subscriptions(job)) == 2


def test_an_aggregated_record_that_does_not_fit_waits_in_its_event():
    job = PushedJob()
    data = aggregate([("a", b"1"), ("b", b"22"), ("c", b"3")])
    wanted = [job.service.put(job.shard, data) for _ in range(5)]
    while len(job.rows) < 15:
        assert job.batch(BatchLimits(4, 1 << 20)).table.num_rows == 3
    assert list(dict.fromkeys(job.numbers())) == wanted
    assert len(subscriptions(job)) == 1


def test_a_batch_that_was_not_committed_is_read_again_from_the_event_in_hand():
    job = PushedJob()
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted += job.service.put_many(job.shard, 5)
    job.batch(BatchLimits(2, 1 << 20))
    job.batch(BatchLimits(2, 1 << 20), commit=False)
    job.batch()
    assert job.numbers() == wanted
    assert len(subscriptions(job)) == 1


def test_a_batch_that_was_not_committed_and_is_no_longer_in_hand_is_pushed_again():
    job = PushedJob(event_records=2)
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted += job.service.put_many(job.shard, 9)
    job.batch(commit=False)
    read_until(job, 10)
    assert job.numbers() == wanted
    assert len(subscriptions(job)) == 2
    earlier, later = job.service.subscribed_at(job.shard)
    assert later - earlier >= TAKEN_OVER_AFTER_SECONDS


def test_a_shard_at_its_tip_is_awaited_a_moment_and_said_to_be_behind_while_events_wait():
    job = PushedJob(event_records=2)
    job.batch()
    began = job.clock.monotonic()
    job.batch()
    assert job.clock.monotonic() - began == pytest.approx(0.2)
    job.service.put_many(job.shard, 6)
    began = job.clock.monotonic()
    job.batch(BatchLimits(4, 1 << 20))
    assert job.clock.monotonic() == began
    assert job.ranges[job.shard].millis_behind_latest > 0


def test_a_backlog_is_read_by_one_process_since_a_shard_has_one_subscription():
    job = PushedJob()
    job.service.put(job.shard)
    assert not job.plan(BatchLimits(200_000, 1 << 28)).through_executors


def test_when_a_shard_was_read_to_its_tip_is_never_said_too_late():
    job = PushedJob()
    job.batch()
    opened_ms = job.clock.now_ms()
    job.clock.pass_seconds(100)
    job.batch()
    # An event may wait on its way: that a quiet shard had nothing new is known of the time of the subscription only.
    assert job.position.shards[job.shard].caught_up_ms == opened_ms
    job.service.put(job.shard)
    arrived_ms = job.clock.now_ms()
    job.batch()
    assert job.position.shards[job.shard].caught_up_ms == arrived_ms


def test_a_renewal_that_is_refused_says_nothing_of_a_record_that_was_on_its_way():
    job = PushedJob()
    job.batch()
    old = job.service.live[job.shard]
    job.clock.pass_seconds(LIFE_SECONDS - 14)
    wanted, arrived_ms = job.service.put(job.shard), job.clock.now_ms()
    # On its way: not there yet. The batch goes on without the shard, which is refused so often.
    old.ready = lambda: False
    job.service.fail("SubscribeToShard", *[throttled()] * 9)
    job.batch()
    del old.ready
    job.clock.pass_seconds(5)
    read_until(job, 1)
    assert job.numbers() == [wanted]
    assert len(job.service.subscribed_at(job.shard)) > 2
    assert job.position.shards[job.shard].caught_up_ms == arrived_ms
