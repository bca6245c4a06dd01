"""The whole job under anything that may happen to it, on real Spark and Hudi: at the end the oracle's table, proven."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.enrich.pipeline import process_batch, starting_point
from streamjoin.enrich.rewrite import rewrite
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
from tests.faults.kinesis import FakeClock, FakeKinesis, internal_error, throttled
from tests.oracle import EVENT_SCHEMA, Record, expected_versions
from tests.spark.enrich.rewriting import World
from tests.spark.harness import CrashError, check, crash_at

# A quarter of the events is what no schema takes.
PAYLOADS = st.one_of(
    *[
        st.fixed_dictionaries(
            {
                "id": st.sampled_from("abcd"),
                "country": st.sampled_from(["India", "USA", "Atlantis"]),
                "at": st.sampled_from(["1/1/10", "1/2/10", "1/3/10"]),
                "amount": st.integers(0, 9),
            }
        )
    ]
    * 3,
    st.sampled_from([b"", b"{", b"\xff", b"[]", b'{"id": "a"}', b'{"id": "a", "at": "1/1/10", "amount": "7"}']),
)
A_DAY_SECONDS = 24 * 3600
_example = itertools.count()


class PatientStop(StopRequest):
    """Waiting takes no time but the clock's."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, seconds: float) -> None:
        self._clock.pass_seconds(max(0.0, seconds))


class JobMachine(RuleBasedStateMachine):
    """Events, resharding, faults, trimmed records, crashes, restarts and a changing reference, in any order."""

    spark: SparkSession
    folder: Path

    @initialize()
    def begin(self) -> None:
        base = self.folder / str(next(_example))
        self.clock = FakeClock()
        self.service = FakeKinesis(self.clock, shards=2)
        self.stream = Stream(self.service.name, fail_on_data_loss=False)
        self.world = World(self.spark, base)
        self.world.put("IN", "India", "1")
        self.config = parse_config(
            {
                "job": "enrich",
                "name": "machine",
                "source": {"kinesis": {"stream_name": self.service.name, "fail_on_data_loss": False}},
                "payload": {"schema": EVENT_SCHEMA},
                "sink": {"hudi": {"base_path": str(base / "t"), "table_name": "t", "record_key": ["id"]}},
                "dead_letters": {"base_path": str(base / "dead")},
            }
        )
        self.sent: list[Record] = []
        # A record key has one open shard at a time, as a partition key has.
        self.home = dict(zip("abcd", itertools.cycle(sorted(self.service.shards)), strict=False))
        self.connect()

    def connect(self) -> None:
        client = StreamClient(self.stream, self.service, self.clock, jitter=lambda: 0.0)
        self.patch.setattr(kinesis, "stream_client", lambda stream: client)

    patch: pytest.MonkeyPatch

    @rule(payloads=st.lists(PAYLOADS, min_size=1, max_size=8))
    def produce(self, payloads: list[bytes | dict[str, Any]]) -> None:
        self.clock.pass_seconds(1)
        for payload in payloads:
            shard = self.home["a"] if isinstance(payload, bytes) else self.home[payload["id"]]
            data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
            self.sent.append(Record(shard, int(self.service.put(shard, data)), data))

    @rule(key=st.sampled_from("abcd"), other=st.sampled_from("abcd"))
    def reshard(self, key: str, other: str) -> None:
        first, second = self.home[key], self.home[other]
        if first == second:
            children = self.service.split(first)
        else:
            children = (self.service.merge(first, second),)
        moved = [k for k, shard in self.home.items() if shard in (first, second)]
        self.home |= dict(zip(moved, itertools.cycle(children), strict=False))

    @rule(times=st.integers(1, 3), is_internal=st.booleans())
    def fail(self, times: int, is_internal: bool) -> None:
        self.service.fail("GetRecords", *[internal_error() if is_internal else throttled() for _ in range(times)])

    @rule()
    def expire(self) -> None:
        self.clock.pass_seconds(400)

    @rule()
    def trim(self) -> None:
        """A job that was down for longer than the stream keeps records."""
        self.clock.pass_seconds(A_DAY_SECONDS + 3600)
        for shard_id, shard in list(self.service.shards.items()):
            if shard.records:
                self.service.trim(shard_id, shard.records[-1]["SequenceNumber"])
            if shard.ending is not None:
                self.service.forget(shard_id)

    @rule(code=st.sampled_from(["IN", "US"]), value=st.sampled_from("1234"))
    def change_reference(self, code: str, value: str) -> None:
        self.world.put(code, {"IN": "India", "US": "USA"}[code], value)

    @rule()
    def delete_reference(self) -> None:
        self.world.delete("US")

    @rule()
    def restart(self) -> None:
        self.world.job = self.world.start()
        self.connect()

    @rule()
    def batch(self) -> None:
        self.run(Until(caught_up=True, batches=1))

    @precondition(lambda self: self.sent)
    @rule(step=st.sampled_from([*enrich.STEPS, "rewrite_found", "rewritten"]))
    def crash(self, step: str) -> None:
        try:
            self.run(Until(caught_up=True, batches=2), crash_at(step))
        except CrashError:
            self.restart()

    def run(self, until: Until, on_step: Callable[[str], None] = lambda step: None) -> None:
        job = self.world.job
        start = starting_point(self.config, job, self.stream, self.spark)
        stream_job = StreamJob(
            open_reader=lambda: StreamReader(self.spark, self.stream, start()),
            process=lambda batch: process_batch(job, batch, on_step=on_step),
            interval_seconds=0,
            settle=lambda: rewrite(job, self.spark, on_step=on_step).is_complete,
        )
        # So few records a batch that most runs are of several.
        run_stream(stream_job, Pace(BatchLimits(5, 10_000), None), PatientStop(self.clock), until)

    def teardown(self) -> None:
        if not hasattr(self, "sent"):
            return
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


def test_whatever_happens_the_job_ends_at_the_oracles_table_and_verify_proves_it(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = type("Machine", (JobMachine,), {"spark": spark, "folder": tmp_path, "patch": monkeypatch})
    # Each batch is a real commit: a failing example is worth more than the smallest one.
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=4,
            stateful_step_count=12,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
