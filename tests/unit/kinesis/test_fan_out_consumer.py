"""The consumer that a stream is pushed to: registered, shared, lost."""

from types import SimpleNamespace

import pytest

from streamjoin.errors import SourceError
from streamjoin.kinesis import stream as kinesis
from tests.faults.fan_out import TAKEN_OVER_AFTER_SECONDS
from tests.faults.kinesis import client_error
from tests.unit.kinesis.kinesis_job import PushedJob, read_until


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
