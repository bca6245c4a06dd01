import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import BatchLimits
from tests.faults.kinesis import throttled
from tests.faults.kpl import aggregate
from tests.unit.kinesis.kinesis_job import Job, PushedJob

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

    def __init__(self, job):
        self.job = job
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
        self.service.fail("SubscribeToShard" if self.job.fan_out else "GetRecords", throttled())

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
            self.job.clock.pass_seconds(1)
        pytest.fail("never caught up")


@pytest.mark.parametrize("kind", [Job, PushedJob])
@settings(max_examples=150, deadline=None)
@given(history=st.lists(steps, max_size=25))
def test_any_history_of_a_stream_is_read_once_and_in_order(kind, history):
    stream = History(kind(shards=2))
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
