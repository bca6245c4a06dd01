"""What only a subscription does; what is true of any way to read is in the other files, marked `each_way`."""

import itertools
from types import SimpleNamespace

import pytest

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.shard import ATTEMPTS
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.kinesis.subscription import LIFE_SECONDS
from tests.faults.fan_out import TAKEN_OVER_AFTER_SECONDS
from tests.faults.kinesis import client_error, internal_error, throttled, timed_out
from tests.faults.kpl import aggregate
from tests.unit.kinesis.kinesis_job import HOUR_SECONDS, PLENTY, PushedJob


def subscriptions(job):
    return [arguments for called, arguments, _ in job.service.calls if called == "SubscribeToShard"]


def read_until(job, count, limits=PLENTY):
    for _ in range(50):
        job.batch(limits)
        if len(job.rows) >= count:
            return
        job.clock.pass_seconds(1)
    pytest.fail(f"{len(job.rows)} records came, {count} were expected")


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


# gaps


@pytest.mark.parametrize("refuses_trimmed", [False, True])
def test_what_was_read_before_a_gap_is_a_batch_and_the_next_one_meets_the_gap(refuses_trimmed):
    job = PushedJob(refuses_trimmed=refuses_trimmed)
    numbers = job.service.put_many(job.shard, 5)
    job.batch(BatchLimits(2, 1 << 20))
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    # The event in hand has the rest; what follows it was trimmed while nobody looked.
    numbers += job.service.put_many(job.shard, 3)
    job.service.trim(job.shard, numbers[6])
    job.batch()
    assert job.numbers() == numbers[:5]
    for _ in range(2):
        with pytest.raises(DataLossError, match=f"position AFTER {numbers[4]}: "):
            read_until(job, 8)
        job.restart()


def test_a_reader_at_the_edge_of_what_is_held_asks_and_notices_what_is_trimmed_before_it():
    job = PushedJob(event_records=4)
    numbers = job.service.put_many(job.shard, 9)
    job.clock.pass_seconds(24 * HOUR_SECONDS - 60)
    real = job.service.get_shard_iterator

    def get_shard_iterator(**arguments):
        job.service.trim(job.shard, numbers[6])
        return real(**arguments)

    job.service.get_shard_iterator = get_shard_iterator
    job.batch()
    assert job.numbers() == numbers[:4]
    with pytest.raises(DataLossError, match=numbers[7]):
        read_until(job, 9)


def test_a_reader_away_from_the_edge_is_pushed_to_again():
    job = PushedJob(event_records=4)
    wanted = job.service.put_many(job.shard, 9)
    job.clock.pass_seconds(24 * HOUR_SECONDS - 60)
    wanted += job.service.put_many(job.shard, 9)
    job.batch()
    assert job.numbers() == wanted
    asked = job.service.times_called("GetRecords")
    assert asked > 0
    wanted += job.service.put_many(job.shard, 9)
    read_until(job, len(wanted))
    assert (job.numbers(), job.service.times_called("GetRecords")) == (wanted, asked)


# reshards


def test_children_are_read_as_soon_as_their_parents_end_is_told_whatever_the_listing_shows():
    job = PushedJob(shards=2)
    first, second = sorted(job.service.shards)
    job.batch()
    before = job.service.list_shards(ShardFilter={"Type": "FROM_TRIM_HORIZON"})
    job.service.put(first)
    child = job.service.merge(first, second)
    wanted = job.service.put(child)
    job.service.list_shards = lambda **_: before
    job.batch()
    job.batch()
    assert job.numbers(child) == [wanted]
    assert job.numbers()[-1] == wanted


# the consumer


def test_a_missing_consumer_is_registered_and_awaited_before_it_is_used():
    job = PushedJob()
    job.service.new_statuses = ["CREATING", "CREATING", "CREATING", "ACTIVE"]
    job.client.check()
    assert list(job.service.consumers) == ["etl"]
    assert job.service.times_called("RegisterStreamConsumer") == 1
    assert job.service.times_called("DescribeStreamConsumer") == 4
    assert len(job.clock.sleeps) == 3
    job.restart()
    job.client.check()
    assert job.service.times_called("RegisterStreamConsumer") == 1


def test_a_consumer_is_not_registered_by_looking_where_a_job_stands():
    job = PushedJob()
    job.start("LATEST")
    job.plan()
    assert job.service.consumers == {}


def test_two_processes_that_register_at_the_same_time_use_the_same_consumer():
    job = PushedJob()
    real = job.service.register_stream_consumer

    def register_stream_consumer(**arguments):
        real(**arguments)
        raise client_error("ResourceInUseException", "RegisterStreamConsumer", "it is there")

    job.service.register_stream_consumer = register_stream_consumer
    wanted = job.service.put(job.shard)
    read_until(job, 1)
    assert job.numbers() == [wanted]


def test_a_stream_with_as_many_consumers_as_it_takes_is_an_error_that_says_what_to_do():
    job = PushedJob(most_consumers=0)
    with pytest.raises(
        SourceError, match=r"'orders': consumer 'etl' can't be registered .*20 consumers.*Dereg"
    ) as caught:
        job.client.check()
    assert not caught.value.retryable


def test_a_consumer_that_does_not_become_active_may_be_tried_again():
    job = PushedJob()
    job.service.new_statuses = ["CREATING"]
    with pytest.raises(SourceError, match=r"'etl' is CREATING after 60 s; expected ACTIVE") as caught:
        job.client.check()
    assert caught.value.retryable


def test_a_consumer_that_is_deregistered_meanwhile_is_registered_again_and_no_data_loss():
    job = PushedJob(shards=3)
    wanted = [job.service.put(shard_id) for shard_id in job.service.shards]
    job.batch()
    job.service.consumers.clear()
    wanted += [job.service.put(shard_id) for shard_id in job.service.shards]
    read_until(job, 6)
    assert sorted(job.numbers()) == sorted(wanted)
    assert job.service.times_called("RegisterStreamConsumer") == 2


def test_a_process_started_soon_after_another_was_killed_waits_for_its_subscription_to_be_over():
    job = PushedJob()
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted.append(job.service.put(job.shard))
    job.client = job.restarted()
    job.batch()
    assert job.numbers() == wanted[:1]
    assert not kinesis.is_caught_up(job.plan(), job.ranges.values())
    read_until(job, 2)
    assert job.numbers() == wanted


def test_two_jobs_with_one_consumer_are_told_once_and_lose_nothing(caplog):
    mine, wanted = PushedJob(), []
    other = PushedJob()
    other.clock, other.service = mine.clock, mine.service
    other.restart()
    other.position = mine.position
    for _ in range(20):
        wanted.append(mine.service.put(mine.shard))
        for job in (mine, other):
            job.batch()
            job.clock.pass_seconds(TAKEN_OVER_AFTER_SECONDS)
    for job in (mine, other):
        read_until(job, 20)
        assert job.numbers() == wanted
    told = [record for record in caplog.records if "taken over" in record.message]
    assert len(told) == 2
    assert "'etl'" in told[0].message


def test_a_stream_known_by_its_arn_needs_no_summary_to_find_its_consumer():
    arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
    settings = SimpleNamespace(
        **{"stream_name": None, "stream_arn": arn, "region": None, "role_arn": None, "fail_on_data_loss": True},
        fan_out="etl",
    )
    job = PushedJob()
    job.stream = kinesis.Stream.from_config(settings)
    job.restart()
    job.client.check()
    assert job.service.times_called("DescribeStreamSummary") == 0
    registered = [a for called, a, _ in job.service.calls if called == "RegisterStreamConsumer"]
    assert registered == [{"StreamARN": arn, "ConsumerName": "etl"}]
