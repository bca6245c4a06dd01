"""The whole job under anything that may happen to it, on real Spark and Hudi: at the end the oracle's table, proven."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.enrich.pipeline import open_reader, process_turn
from streamjoin.enrich.rewrite import rewrite
from streamjoin.enrich.start import starting_point
from streamjoin.entry import parse_config
from streamjoin.history.ledger import Ledger
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.plan import BatchLimits, Stream
from streamjoin.shards.position import ShardRange
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.runner import StreamJob, Until, run_stream
from streamjoin.streaming.signals import StopRequest
from streamjoin.streaming.stream_reader import StreamReader
from streamjoin.verify import verify
from tests.faults.kinesis import FakeKinesis, internal_error, throttled
from tests.faults.kinesis_clock import FakeClock
from tests.oracle import EVENT_SCHEMA, Record, expected_versions
from tests.spark.enrich.rewriting import World
from tests.spark.harness import CrashError, check, crash_at

# What no schema takes.
BAD = (b"", b"{", b"\xff", b"[]", b'{"id": "a"}', b'{"id": "a", "at": "1/1/10", "amount": "7"}')
A_DAY_SECONDS = 24 * 3600


class PatientStop(StopRequest):
    """Waiting takes no time but the clock's."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, seconds: float) -> None:
        self._clock.pass_seconds(max(0.0, seconds))


class Machine:
    """Events, resharding, faults, trimmed records, crashes, restarts and a changing reference, as `random` has it."""

    def __init__(self, spark: SparkSession, folder: Path, patch: pytest.MonkeyPatch, random: Random) -> None:
        self.spark, self.patch, self.random = spark, patch, random
        self.clock = FakeClock()
        self.service = FakeKinesis(self.clock, shards=2)
        self.stream = Stream(self.service.name, fail_on_data_loss=False)
        self.world = World(spark, folder)
        self.world.put("IN", "India", "1")
        self.config = parse_config(
            {
                "job": "enrich",
                "name": "machine",
                "source": {"kinesis": {"stream_name": self.service.name, "fail_on_data_loss": False}},
                "payload": {"schema": EVENT_SCHEMA},
                "sink": {"hudi": {"base_path": str(folder / "t"), "table_name": "t", "record_key": ["id"]}},
                "dead_letters": {"base_path": str(folder / "dead")},
            }
        )
        self.sent: list[Record] = []
        # A record key has one open shard at a time, as a partition key has.
        self.home = dict(zip("abcd", itertools.cycle(sorted(self.service.shards)), strict=False))
        self.connect()

    def connect(self) -> None:
        client = StreamClient(self.stream, self.service, self.clock, jitter=lambda: 0.0)
        self.patch.setattr(kinesis, "stream_client", lambda stream: client)

    def some_round(self) -> None:
        """Let events come, anything happen to them, and the job run, or die."""
        self.produce()
        happenings = (self.reshard, self.fail, self.expire, self.trim, self.change_reference, self.delete_reference)
        for happens in self.random.sample(happenings, 3):
            happens()
        self.produce()
        if self.random.randrange(3) == 0:
            self.run(Until(caught_up=True, batches=1))
        else:
            self.crash(self.random.choice([*enrich.STEPS, "rewrite_found", "rewritten"]))

    def produce(self) -> None:
        self.clock.pass_seconds(1)
        for _ in range(self.random.randint(2, 5)):
            if self.random.randrange(4) == 0:
                key, data = "a", self.random.choice(BAD)
            else:
                key = self.random.choice("abcd")
                event = {
                    "id": key,
                    "country": self.random.choice(["India", "USA", "Atlantis"]),
                    "at": self.random.choice(["1/1/10", "1/2/10", "1/3/10"]),
                    "amount": self.random.randint(0, 9),
                }
                data = json.dumps(event).encode()
            shard = self.home[key]
            self.sent.append(Record(shard, int(self.service.put(shard, data)), data))

    def reshard(self) -> None:
        first, second = (self.home[self.random.choice("abcd")] for _ in range(2))
        if first == second:
            children = self.service.split(first)
        else:
            children = (self.service.merge(first, second),)
        moved = [k for k, shard in self.home.items() if shard in (first, second)]
        self.home |= dict(zip(moved, itertools.cycle(children), strict=False))

    def fail(self) -> None:
        error = self.random.choice([internal_error, throttled])
        self.service.fail("GetRecords", *[error() for _ in range(self.random.randint(1, 3))])

    def expire(self) -> None:
        self.clock.pass_seconds(400)

    def trim(self) -> None:
        """A job that was down for longer than the stream keeps records."""
        self.clock.pass_seconds(A_DAY_SECONDS + 3600)
        for shard_id, shard in list(self.service.shards.items()):
            if shard.records:
                self.service.trim(shard_id, shard.records[-1]["SequenceNumber"])
            if shard.ending is not None:
                self.service.forget(shard_id)

    def change_reference(self) -> None:
        code, name = self.random.choice([("IN", "India"), ("US", "USA")])
        self.world.put(code, name, self.random.choice("1234"))

    def delete_reference(self) -> None:
        self.world.delete("US")

    def restart(self) -> None:
        self.world.job = self.world.start()
        self.connect()

    def crash(self, step: str) -> None:
        try:
            self.run(Until(caught_up=True, batches=2), crash_at(step))
        except CrashError:
            self.restart()

    def run(self, until: Until, on_step: Callable[[str], None] = lambda step: None) -> None:
        job = self.world.job
        start = starting_point(self.config, job, self.stream, self.spark)
        stream_job = StreamJob(
            open_reader=lambda: open_reader(job, StreamReader(self.spark, self.stream, start())),
            process=lambda turn: process_turn(job, turn, on_step),
            interval_seconds=0,
            settle=lambda: rewrite(job, self.spark, on_step=on_step).is_complete,
        )
        # So few records a batch that most runs are of several.
        run_stream(stream_job, Pace(BatchLimits(8, 10_000), None), PatientStop(self.clock), until)

    def end(self) -> None:
        """Let the job catch up, and look at what it has made."""
        self.run(Until(caught_up=True))
        ranges = [r for entry in Ledger(str(self.world.job.table.base_path)).entries() for r in entry.ranges]
        read = [record for record in self.sent if [is_in(record, r) for r in ranges].count(True) == 1]
        lost = [record for record in self.sent if record not in read]
        assert sum(r.records for r in ranges) == len(read), "records were read twice"
        assert all(any(is_lost(record, r) for r in ranges) for record in lost), "records were lost in silence"
        check(self.world.job, "", read, expected_versions([(r, {}) for r in read], self.world.reference()))
        found = verify(self.world.job.table.base_path, self.world.job.dead_letters.base_path)
        assert found.holds, "\n".join(found.lines())


def is_in(record: Record, read: ShardRange) -> bool:
    if read.first is None or read.last is None or read.shard_id != record.shard_id:
        return False
    return int(read.first) <= record.sequence <= int(read.last)


def is_lost(record: Record, read: ShardRange) -> bool:
    if read.lost is None or read.shard_id != record.shard_id:
        return False
    return int(read.lost.after or 0) < record.sequence < float(read.lost.first_available or "inf")


# Each batch is a real commit, so that there is one example.
def test_whatever_happens_the_job_ends_at_the_oracles_table_and_verify_proves_it(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(spark, tmp_path, monkeypatch, Random(996))
    for _ in range(4):
        machine.some_round()
    machine.end()
