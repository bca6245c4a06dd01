"""The reader on an emulator that keeps closed shards with their records, as the service does."""

import itertools
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.shards.position import Position, PositionKind
from tests.services.kinesis_local import kinesis_local

KEYS = [f"key-{n}" for n in range(12)]
PLENTY = BatchLimits(100_000, 1 << 28)
READY_SECONDS = 20


@pytest.fixture(scope="module")
def emulator():
    with kinesis_local() as running:
        yield running.client()


class Resharded:
    """A stream that is written to and resharded; every record says its key and its number."""

    def __init__(self, client, name, shards):
        self.client, self.name = client, name
        self.written = {key: [] for key in KEYS}
        self._numbers = itertools.count()
        client.create_stream(StreamName=name, ShardCount=shards)
        self.await_active()

    def await_active(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            summary = self.client.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]
            if summary["StreamStatus"] == "ACTIVE":
                return
        pytest.fail(f"stream {self.name} was not active within {READY_SECONDS} s")

    def put(self, rounds=2):
        # One record a key in each call: in a call, the service promises no order.
        for number in itertools.islice(self._numbers, rounds):
            records = [{"Data": b"%d" % number, "PartitionKey": key} for key in KEYS]
            assert self.client.put_records(StreamName=self.name, Records=records)["FailedRecordCount"] == 0
            for key in KEYS:
                self.written[key].append(number)

    def listed(self):
        return self.client.list_shards(StreamName=self.name)["Shards"]

    def open_shards(self):
        found = [s for s in self.listed() if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
        return sorted(found, key=lambda s: int(s["HashKeyRange"]["StartingHashKey"]))

    def split(self, index=0):
        shard = self.open_shards()[index]
        first, last = (int(shard["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending"))
        middle = str((first + last) // 2)
        self.client.split_shard(StreamName=self.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
        self.await_active()

    def merge(self, index=0):
        left, right = self.open_shards()[index : index + 2]
        self.client.merge_shards(
            StreamName=self.name, ShardToMerge=left["ShardId"], AdjacentShardToMerge=right["ShardId"]
        )
        self.await_active()

    def rescale(self, shards):
        self.client.update_shard_count(StreamName=self.name, TargetShardCount=shards, ScalingType="UNIFORM_SCALING")
        self.await_active()
        assert len(self.open_shards()) == shards


class Job:
    """The loop of a pipeline, without the rest of it; its position goes through the text of a commit."""

    def __init__(self, stream, starting_position="TRIM_HORIZON", timestamp=None):
        self.stream, self.rows = stream, []
        self.restart()
        wanted = SimpleNamespace(starting_position=starting_position, timestamp=timestamp)
        now_ms = time.time_ns() // 1_000_000
        self.position = kinesis.start(Stream(stream.name), wanted, now_ms, self.client)

    def restart(self):
        self.client = StreamClient(Stream(self.stream.name), self.stream.client)

    def batch(self, limits=PLENTY):
        plan = kinesis.plan(Stream(self.stream.name), self.position, limits, client=self.client)
        fetched = kinesis.fetch(plan, self.client)
        self.position = Position.from_json(plan.position.advance(fetched.ranges).to_json())
        self.rows += fetched.table.to_pylist()
        return kinesis.is_caught_up(plan, fetched.ranges)

    def catch_up(self):
        for _ in range(40):
            if self.batch():
                return
        pytest.fail(f"not caught up after 40 batches: {self.position}")

    def read(self):
        """Return what was read of each key, in the order of reading."""
        found = {key: [] for key in KEYS}
        for row in self.rows:
            found[row["partition_key"]].append(int(row["data"]))
        return found

    def assert_parents_came_first(self):
        at = {}
        for index, row in enumerate(self.rows):
            first, _ = at.get(row["shard_id"], (index, index))
            at[row["shard_id"]] = first, index
        for shard in self.stream.listed():
            for parent in (shard.get("ParentShardId"), shard.get("AdjacentParentShardId")):
                if parent in at and shard["ShardId"] in at:
                    assert at[parent][1] < at[shard["ShardId"]][0], f"{shard['ShardId']} before its parent {parent}"


@pytest.fixture
def resharded(emulator, fresh_name):
    return lambda shards: Resharded(emulator, fresh_name("stream"), shards)


def next_millisecond():
    """Return when the clock has moved: the next record must not share its arrival time with the last one."""
    now_ms = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now_ms:
        pass


@pytest.mark.parametrize("starting_position", ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"])
def test_splits_and_merges_while_running_and_while_stopped_lose_and_double_nothing(resharded, starting_position):
    stream = resharded(2)
    stream.put()
    stream.split()
    stream.put()
    next_millisecond()
    then, unwanted = datetime.now(UTC), sum(map(len, stream.written.values()))
    # With AT_TIMESTAMP the split at first comes before the time, and what follows it after.
    job = Job(stream, starting_position, then if starting_position == "AT_TIMESTAMP" else None)
    stream.put()
    job.batch(BatchLimits(20, 1 << 20))
    # While it runs: it learns of it by reading the parent to its end.
    stream.split(1)
    stream.put()
    job.batch(BatchLimits(20, 1 << 20))
    stream.merge()
    stream.put()
    job.batch()
    # While it is stopped: several generations, of which it knows the first alone.
    stream.split()
    stream.put()
    stream.split()
    stream.put()
    stream.merge(1)
    stream.put()
    job.restart()
    job.catch_up()
    stream.put(1)
    job.catch_up()
    skipped = 0 if starting_position == "TRIM_HORIZON" else unwanted // len(KEYS)
    assert job.read() == {key: numbers[skipped:] for key, numbers in stream.written.items()}
    job.assert_parents_came_first()


def test_a_changed_number_of_shards_loses_and_doubles_nothing(resharded):
    stream = resharded(2)
    job = Job(stream, "LATEST")
    for shards in (4, 2):
        stream.put()
        job.batch()
        stream.rescale(shards)
        stream.put()
    job.restart()
    job.catch_up()
    assert job.read() == stream.written
    job.assert_parents_came_first()
    drained = [s for s, place in job.position.shards.items() if place.kind is PositionKind.DRAINED]
    assert len(drained) == len(stream.listed()) - 2


def test_a_job_started_after_all_resharding_drains_each_generation_before_the_next(resharded):
    stream = resharded(1)
    for step in (stream.split, stream.merge, stream.split):
        stream.put()
        step()
    stream.put()
    job, generations = Job(stream), []
    while not job.batch():
        generations.append({row["shard_id"] for row in job.rows})
    assert [len(seen) for seen in generations] == [1, 3, 4]
    assert job.read() == stream.written
    job.assert_parents_came_first()


def test_a_listing_of_several_pages_is_read_whole_with_its_closed_shards(resharded):
    stream = resharded(6)
    stream.put(1)
    stream.split(3)
    job, pages, real = Job(stream), [], stream.client.list_shards
    job.restart()

    def list_shards(**arguments):
        pages.append(arguments)
        return real(MaxResults=3, **arguments)

    job.client._client = SimpleNamespace(
        list_shards=list_shards, describe_stream_summary=stream.client.describe_stream_summary
    )
    plan = kinesis.plan(Stream(stream.name), Position(stream.name, {}), PLENTY, client=job.client)
    assert (len(plan.reads), len(plan.waiting)) == (6, 2)
    assert ["NextToken" in arguments for arguments in pages] == [False, True, True]
    assert [arguments.get("ShardFilter") for arguments in pages] == [{"Type": "FROM_TRIM_HORIZON"}, None, None]
    job.catch_up()
    assert job.read() == stream.written
