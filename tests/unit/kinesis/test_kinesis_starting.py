from types import SimpleNamespace

import pytest

from streamjoin.errors import ConfigError
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.shards.position import Position, PositionKind, ShardPosition
from tests.unit.kinesis.kinesis_job import Job, at_ms, each_way


@each_way
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


@each_way
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


@each_way
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


@each_way
def test_latest_skips_shards_that_were_closed_by_then():
    job = Job()
    job.service.put(job.shard)
    children = job.service.split(job.shard)
    job.clock.pass_seconds(1)
    job.start("LATEST")
    assert [r.shard_id for r in job.plan().reads] == list(children)


@each_way
def test_a_start_ahead_of_the_service_clock_waits_for_it():
    job = Job()
    job.position = Position("orders", {job.shard: ShardPosition(PositionKind.AT_TIMESTAMP, job.clock.now_ms() + 5_000)})
    job.batch()
    assert job.ranges[job.shard].millis_behind_latest == 0
    job.clock.pass_seconds(6)
    number = job.service.put(job.shard)
    job.batch()
    assert job.numbers() == [number]


@each_way
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


@each_way
def test_a_shard_from_which_nothing_was_read_keeps_its_start():
    job = Job()
    job.start("LATEST")
    started = job.position.shards[job.shard]
    job.clock.pass_seconds(3)
    job.batch()
    assert job.position.shards[job.shard].place == started.place


# settings


def test_a_stream_is_known_by_its_arn_and_asked_for_by_it():
    wanted = SimpleNamespace(
        stream_name=None,
        stream_arn="arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        region=None,
        role_arn=None,
        fail_on_data_loss=True,
        fan_out=None,
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
