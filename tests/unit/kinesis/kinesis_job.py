"""The loop of a pipeline over a fake stream."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.shards.position import Position
from tests.faults.fan_out import TAKEN_OVER_AFTER_SECONDS, FakeFanOut, listen
from tests.faults.kinesis_clock import FakeClock

# What is true of a stream whether it is polled or pushed by it.
each_way = pytest.mark.usefixtures("_each_way")

HOUR_SECONDS = 3600
PLENTY = BatchLimits(1_000_000, 1 << 30)


class Job:
    """The loop of a pipeline, without the rest of it: plan, fetch, advance; `restart` is a new process."""

    fan_out = None

    def __init__(self, shards=1, fail_on_data_loss=True, **stream):
        self.clock = FakeClock()
        self.service = FakeFanOut(self.clock, shards, **stream)
        self.stream = Stream("orders", fail_on_data_loss=fail_on_data_loss, fan_out=self.fan_out)
        self.rows = []
        self.restart()
        self.start()

    @property
    def shard(self):
        return min(self.service.shards)

    def restart(self):
        if self.fan_out:
            # Until then a killed process's subscription is in the way.
            self.clock.pass_seconds(TAKEN_OVER_AFTER_SECONDS)
        self.client = self.restarted()

    def restarted(self):
        """Another process's client."""
        return StreamClient(self.stream, self.service, self.clock, jitter=lambda: 0.5, listen=listen)

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


class PushedJob(Job):
    """The same with a consumer of its own."""

    fan_out = "etl"


def at_ms(job):
    return datetime.fromtimestamp(job.clock.now_ms() / 1000, UTC)


def subscriptions(job):
    return [arguments for called, arguments, _ in job.service.calls if called == "SubscribeToShard"]


def read_until(job, count, limits=PLENTY):
    for _ in range(50):
        job.batch(limits)
        if len(job.rows) >= count:
            return
        job.clock.pass_seconds(1)
    pytest.fail(f"{len(job.rows)} records came, {count} were expected")
