import dataclasses
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pyspark.sql import functions as F

from streamjoin.errors import DataLossError, SourceError
from streamjoin.kinesis import stream as reader
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.schema.columns import RECORD_FIELDS
from streamjoin.shards.arrivals import Arrivals
from streamjoin.shards.position import LostRange, Position, PositionKind, ShardPosition, ShardRange
from tests.faults.kpl import aggregate
from tests.stacks.policies import asked

RECORDS = 2_000
PLENTY = BatchLimits(1_000_000, 1 << 30)


@pytest.fixture
def stream(make_stream):
    return Stream(make_stream(4))


@pytest.fixture
def put(kinesis, stream):
    def put(count, start=0, data=None):
        for begin in range(start, start + count, 500):
            numbers = range(begin, min(begin + 500, start + count))
            records = [{"Data": data or b'{"n": %d}' % n, "PartitionKey": f"key-{n}"} for n in numbers]
            assert kinesis.put_records(StreamName=stream.name, Records=records)["FailedRecordCount"] == 0

    return put


def start(stream, starting_position="TRIM_HORIZON", timestamp=None):
    wanted = SimpleNamespace(starting_position=starting_position, timestamp=timestamp)
    return reader.start(stream, wanted, time.time_ns() // 1_000_000)


def next_millisecond():
    """Return when the clock has moved: the next record must not share its arrival time with the last one."""
    now_ms = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now_ms:
        pass


def restarted(stream, kinesis):
    return StreamClient(stream, kinesis)


def sorted_rows(rows):
    return sorted(rows, key=lambda row: (row["shard_id"], row["sequence_number"], row["sub_sequence_number"]))


def timeless(ranges):
    return [dataclasses.replace(r, read_at_ms=0) for r in ranges]


def rows_of(frame):
    # Timestamps as numbers: Spark's Python side gives local time without a zone.
    micros = F.unix_micros("approximate_arrival_timestamp").alias("approximate_arrival_timestamp")
    columns = [micros if name == "approximate_arrival_timestamp" else F.col(name) for name in RECORD_FIELDS]
    return sorted_rows([{**row.asDict(), "data": bytes(row["data"])} for row in frame.select(*columns).collect()])


def rows_fetched(table):
    rows = table.to_pylist()
    for row in rows:
        arrived = row["approximate_arrival_timestamp"]
        row["approximate_arrival_timestamp"] = round(arrived.timestamp() * 1000) * 1000
    return sorted_rows(rows)


def test_driver_and_executors_give_the_same_records_and_ranges(spark, stream, put):
    put(RECORDS - 1)
    put(1, RECORDS, aggregate([("a", b"1"), ("b", b"2")]))
    plan = reader.plan(stream, start(stream), PLENTY)
    fetched = reader.fetch(plan)
    frame = reader.read(spark, plan).persist()
    ends = reader.ends(frame)
    ranges, arrivals = ends.ranges, Arrivals.of_times(fetched.table["approximate_arrival_timestamp"])
    assert timeless(ranges) == timeless(fetched.ranges)
    assert ends.arrivals is not None
    assert arrivals is not None
    assert ends.arrivals.oldest_ms == arrivals.oldest_ms <= ends.arrivals.hundredth_ms <= ends.arrivals.median_ms
    assert ends.arrivals.median_ms <= max(r.last_arrived_ms or 0 for r in ranges)
    assert sum(r.records for r in ranges) == RECORDS + 1
    assert all(r.first and r.last and r.millis_behind_latest == 0 for r in ranges)
    records = reader.bounded(frame, ranges)
    assert records.columns == list(RECORD_FIELDS)
    assert rows_of(records) == rows_fetched(fetched.table)
    frame.unpersist()


def test_each_shard_is_a_task_of_its_own(spark, stream, put):
    put(100)
    frame = reader.read(spark, reader.plan(stream, start(stream), PLENTY))
    tasks = frame.where("_end is null").select("shard_id", F.spark_partition_id().alias("task")).distinct().collect()
    assert len(tasks) == len({row["task"] for row in tasks}) == len({row["shard_id"] for row in tasks}) == 4


def test_more_shards_than_tasks_share_them_and_each_ends_with_its_own_row(spark, kinesis, make_stream):
    stream = Stream(make_stream(12))
    records = [{"Data": b"{}", "PartitionKey": f"key-{n}"} for n in range(120)]
    assert kinesis.put_records(StreamName=stream.name, Records=records)["FailedRecordCount"] == 0
    plan = reader.plan(stream, start(stream), PLENTY)
    frame = reader.read(spark, plan).persist()
    assert frame.rdd.getNumPartitions() == 4 * spark.sparkContext.defaultParallelism
    ranges = reader.ranges(frame)
    assert [r.shard_id for r in ranges] == [r.shard_id for r in plan.reads]
    keys = [row["partition_key"] for row in reader.bounded(frame, ranges).select("partition_key").collect()]
    assert sorted(keys) == sorted(f"key-{n}" for n in range(120))
    frame.unpersist()


def test_thousands_of_shards_are_bounded_each_by_its_own_range(spark):
    shards = 5_000
    ids = [f"shardId-{number:012d}" for number in range(shards)]
    # Of each shard the records 1, 9 and 10 are there; what was read of it depends on its number.
    reads = [(None, None), ("1", "1"), ("9", "10"), ("1", "9")]
    ranges = [ShardRange(s, *reads[n % 4], 2, 2, False, 0, 0) for n, s in enumerate(ids)]
    columns = [F.col(c) if c in {"shard_id", "sequence_number"} else F.lit(None).alias(c) for c in RECORD_FIELDS]
    rows = spark.range(shards).select(
        F.col("id").cast("int").alias("_read"),
        F.format_string("shardId-%012d", "id").alias("shard_id"),
        F.explode(F.array(*map(F.lit, ["1", "9", "10"]))).alias("sequence_number"),
    )
    end = F.lit(None).cast("struct<error:string,first:string,last:string>").alias("_end")
    kept = reader.bounded(rows.select(*columns, "_read", end), ranges).groupBy("sequence_number").count().collect()
    assert {row["sequence_number"]: row["count"] for row in kept} == {"1": 2_500, "9": 2_500, "10": 1_250}


@pytest.mark.parametrize("way", ["driver", "executors"])
def test_limits_are_kept_until_all_is_read_once(spark, stream, put, way):
    put(300)
    position, rows = start(stream), []
    for _ in range(12):
        plan = reader.plan(stream, position, BatchLimits(160, 1 << 20))
        if way == "driver":
            fetched = reader.fetch(plan)
            ranges, batch = fetched.ranges, rows_fetched(fetched.table)
        else:
            frame = reader.read(spark, plan).persist()
            ranges = reader.ranges(frame)
            batch = rows_of(reader.bounded(frame, ranges))
            frame.unpersist()
        assert len(batch) == sum(r.records for r in ranges) <= 160
        rows += batch
        position = plan.position.advance(ranges)
        if reader.is_caught_up(plan, ranges):
            break
    assert sorted(row["partition_key"] for row in rows) == sorted(f"key-{n}" for n in range(300))


def test_a_repeated_read_that_finds_more_gives_the_same_batch(spark, stream, put):
    put(200)
    frame = reader.read(spark, reader.plan(stream, start(stream), PLENTY))
    ranges = reader.ranges(frame)
    before = rows_of(reader.bounded(frame, ranges))
    put(300, 200)
    assert sum(r.records for r in reader.ranges(frame)) == 500
    assert rows_of(reader.bounded(frame, ranges)) == before
    assert len(before) == 200


def test_a_shard_that_gave_nothing_gives_nothing_when_read_again(spark, stream, put):
    frame = reader.read(spark, reader.plan(stream, start(stream), PLENTY))
    ranges = reader.ranges(frame)
    assert all(r.last is None for r in ranges)
    put(50)
    assert reader.bounded(frame, ranges).count() == 0


def test_a_repeated_read_that_finds_less_fails_instead_of_giving_a_smaller_batch(spark, stream, put):
    put(200)
    frame = reader.read(spark, reader.plan(stream, start(stream), PLENTY))
    first, *others = reader.ranges(frame)
    claimed = dataclasses.replace(first, last="9" * 40)
    with pytest.raises(Exception, match="holds less than before"):
        reader.bounded(frame, [claimed, *others]).count()
    trimmed = dataclasses.replace(first, first="1")
    with pytest.raises(Exception, match="holds less than before"):
        reader.bounded(frame, [trimmed, *others]).count()


def test_a_batch_without_reads_is_an_empty_frame(spark, stream):
    plan = dataclasses.replace(reader.plan(stream, start(stream), PLENTY), reads=())
    frame = reader.read(spark, plan)
    assert reader.ranges(frame) == ()
    assert reader.bounded(frame, ()).collect() == []
    assert reader.bounded(frame, ()).columns == list(RECORD_FIELDS)


def test_latest_misses_nothing_from_the_first_start_to_a_restart(stream, put, kinesis):
    put(100)
    next_millisecond()
    position = start(stream, "LATEST")
    put(50, 100)
    client = restarted(stream, kinesis)
    with asked(kinesis) as actions:
        plan = reader.plan(stream, Position.from_json(position.to_json()), PLENTY, client=client)
        fetched = reader.fetch(plan, client)
    calls = ("ListShards", "GetShardIterator", "GetRecords", "DescribeStreamSummary")
    assert actions == {f"kinesis:{call}" for call in calls}
    position = plan.position.advance(fetched.ranges)
    put(50, 150)
    client = restarted(stream, kinesis)
    plan = reader.plan(stream, Position.from_json(position.to_json()), PLENTY, client=client)
    keys = [row["partition_key"] for f in (fetched, reader.fetch(plan, client)) for row in f.table.to_pylist()]
    assert sorted(keys) == sorted(f"key-{n}" for n in range(100, 200))


def test_at_timestamp_begins_with_the_records_of_that_time(stream, put):
    put(100)
    next_millisecond()
    then = datetime.now(UTC)
    put(60, 100)
    plan = reader.plan(stream, start(stream, "AT_TIMESTAMP", then), PLENTY)
    keys = [row["partition_key"] for row in reader.fetch(plan).table.to_pylist()]
    assert sorted(keys) == sorted(f"key-{n}" for n in range(100, 160))


def test_data_loss_in_an_executor_reaches_the_driver_as_what_it_is(spark, stream, put):
    put(100)
    gone = ShardPosition(PositionKind.AFTER, sequence_number="1")
    position = Position(stream.name, dict.fromkeys(start(stream).shards, gone))
    with pytest.raises(DataLossError, match=r"shardId-000000000000.*fail_on_data_loss: false"):
        reader.ranges(reader.read(spark, reader.plan(stream, position, PLENTY)))
    lenient = dataclasses.replace(stream, fail_on_data_loss=False)
    ranges = reader.ranges(reader.read(spark, reader.plan(lenient, position, PLENTY)))
    assert [r.lost for r in ranges] == [LostRange("1", r.first) for r in ranges]


def test_a_shard_split_by_the_emulator_with_its_records_is_data_loss(stream, put, kinesis):
    # This emulator deletes closed shards together with their records.
    put(40)
    position = start(stream)
    kinesis.split_shard(
        StreamName=stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str((1 << 125) + 1)
    )
    with pytest.raises(DataLossError, match="shardId-000000000000"):
        reader.plan(stream, position, PLENTY, client=restarted(stream, kinesis))


def test_a_stream_that_is_not_there_is_named(stack):
    with pytest.raises(SourceError, match=r"stream 'nowhere' in .* found nothing of this name") as caught:
        start(Stream("nowhere"))
    assert not caught.value.retryable
