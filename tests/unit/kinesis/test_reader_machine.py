"""Whatever happens to a stream, its shards, the service and the process: every record once and in order, or said lost.

The table is a list of commits, each of records, ranges and position at once, as Hudi's are. A crash comes before a
commit or after it; then a new process reads the position from the newest commit.
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streamjoin.errors import SourceError
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.shards.position import Position
from tests.faults.fan_out import FakeFanOut, listen
from tests.faults.kinesis import internal_error, throttled, timed_out
from tests.faults.kinesis_clock import FakeClock
from tests.faults.kpl import aggregate

PLENTY = BatchLimits(100_000, 1 << 28)
RETENTION_SECONDS = 24 * 3600
MOST_SHARDS = 14
ENDS = ["commit", "commit", "commit", "commit fails", "crash before", "crash after"]
FAULTS = {"throttled": throttled, "internal error": internal_error, "timed out": timed_out}


class Table:
    """Commits, and what they say all together."""

    def __init__(self, position):
        self.position = position
        self.rows, self.ranges = [], []

    def commit(self, rows, ranges, position):
        self.rows += rows
        self.ranges.append(ranges)
        self.position = position.to_json()


class ReaderMachine(RuleBasedStateMachine):
    """The loop of a pipeline over a fake stream; each rule is something that happens."""

    fan_out = None

    def __init__(self):
        super().__init__()
        self.clock = FakeClock()
        # Events of a few records, so that there are limits within one, and several that wait.
        self.service = FakeFanOut(self.clock, shards=2, event_records=4)
        self.stream = Stream("orders", fail_on_data_loss=False, fan_out=self.fan_out)
        self.first_shards = set(self.service.shards)
        self.parents = {}
        self.written = {}
        wanted = SimpleNamespace(starting_position="TRIM_HORIZON", timestamp=None)
        start = kinesis.start(self.stream, wanted, self.clock.now_ms(), self.new_client())
        self.table = Table(start.to_json())
        self.restart()

    def teardown(self):
        try:
            self.catch_up()
            self.check_records()
            self.check_ranges()
            self.check_lineage()
        finally:
            self.answer()

    # what producers and operators do

    def open_shards(self):
        return [shard.shard_id for shard in self.service.shards.values() if shard.ending is None]

    @rule(choice=st.integers(0, 9), count=st.integers(1, 9), packed=st.booleans())
    def produce(self, choice, count, packed):
        shard_id = self.open_shards()[choice % len(self.open_shards())]
        data = aggregate([("a", b"1"), ("b", b"22")]) if packed else b"plain"
        self.written.setdefault(shard_id, []).extend(self.service.put_many(shard_id, count, data))

    @precondition(lambda self: len(self.service.shards) < MOST_SHARDS)
    @rule(choice=st.integers(0, 9))
    def split(self, choice):
        shard_id = self.open_shards()[choice % len(self.open_shards())]
        self.parents |= dict.fromkeys(self.service.split(shard_id), (shard_id,))

    @precondition(lambda self: len(self.open_shards()) > 1 and len(self.service.shards) < MOST_SHARDS)
    @rule(choice=st.integers(0, 9))
    def merge(self, choice):
        shards = self.open_shards()
        parents = shards[choice % len(shards)], shards[(choice + 1) % len(shards)]
        self.parents[self.service.merge(*parents)] = parents

    # what the service does

    @rule(
        operation=st.sampled_from(["GetRecords", "GetShardIterator", "ListShards", "SubscribeToShard"]),
        fault=st.sampled_from(sorted(FAULTS)),
        times=st.integers(1, 7),
    )
    def fault(self, operation, fault, times):
        self.service.fail(operation, *[FAULTS[fault]() for _ in range(times)])

    @rule()
    def expire_iterators(self):
        self.service.expire_iterators()

    @rule()
    def empty_pages(self):
        for shard in self.service.shards.values():
            shard.empty_pages = 2

    @precondition(lambda self: not any(shard.answers for shard in self.service.shards.values()))
    @rule(choice=st.integers(0, 20))
    def hang(self, choice):
        shards = sorted(self.service.shards)
        self.service.hang(shards[choice % len(shards)])

    @rule()
    def answer(self):
        for shard_id in list(self.service.shards):
            self.service.answer(shard_id)

    @rule(seconds=st.sampled_from([1, 70, 400, 3 * 3600, 20 * 3600, 30 * 3600]))
    def time_passes(self, seconds):
        self.clock.pass_seconds(seconds)
        self.service.trim_older_than(RETENTION_SECONDS)

    # what the job does

    def plan(self, limits):
        return kinesis.plan(self.stream, self.position, limits, client=self.client)

    @rule(records=st.integers(1, 30), end=st.sampled_from(ENDS))
    def batch(self, records, end):
        try:
            plan = self.plan(BatchLimits(records, 40 * records))
            fetched = kinesis.fetch(plan, self.client)
        except SourceError as error:
            # The runner's part: such an error may pass, and nothing of the batch is kept.
            assert error.retryable
            self.reread_position()
            return
        if end == "crash before":
            self.restart()
            return
        if end == "commit fails":
            self.reread_position()
            return
        self.table.commit(fetched.table.to_pylist(), fetched.ranges, plan.position.advance(fetched.ranges))
        if end == "crash after":
            self.restart()
        else:
            self.reread_position()

    @rule(records=st.integers(1, 30))
    def batch_of_another_process(self, records):
        """What this process keeps of the shards is outdated by it: iterators, and reads left behind."""
        mine, self.client = self.client, self.new_client()
        self.batch(records, "commit")
        self.client = mine

    @rule()
    def restart(self):
        self.client = self.new_client()
        self.reread_position()

    def new_client(self):
        return StreamClient(self.stream, self.service, self.clock, jitter=lambda: 0.5, listen=listen)

    def reread_position(self):
        self.position = Position.from_json(self.table.position)

    # what must hold

    @invariant()
    def no_record_is_read_twice(self):
        seen = [(row["shard_id"], row["sequence_number"], row["sub_sequence_number"]) for row in self.table.rows]
        assert len(set(seen)) == len(seen)

    def catch_up(self):
        self.answer()
        self.service.faults.clear()
        self.service.event_faults.clear()
        for _ in range(200):
            try:
                plan = self.plan(PLENTY)
                fetched = kinesis.fetch(plan, self.client)
            except SourceError as error:
                # The last of several failures in a row, of which the others came before.
                assert error.retryable
                self.clock.pass_seconds(5)
                continue
            self.table.commit(fetched.table.to_pylist(), fetched.ranges, plan.position.advance(fetched.ranges))
            self.reread_position()
            if kinesis.is_caught_up(plan, fetched.ranges):
                return
            self.clock.pass_seconds(1)
        pytest.fail("never caught up")

    def lost_ranges(self):
        lost = defaultdict(list)
        for ranges in self.table.ranges:
            for read in ranges:
                if read.lost is not None:
                    after, first = read.lost.after, read.lost.first_available
                    lost[read.shard_id].append((int(after or 0), int(first) if first else None))
        return lost

    def check_records(self):
        lost = self.lost_ranges()
        read = defaultdict(list)
        for row in self.table.rows:
            if row["sub_sequence_number"] == 0:
                read[row["shard_id"]].append(row["sequence_number"])
        for shard_id in read.keys() | self.written.keys():
            numbers = self.written[shard_id]
            assert read[shard_id] == [n for n in numbers if n in set(read[shard_id])], f"{shard_id}: order"
            for number in set(numbers) - set(read[shard_id]):
                gaps = [g for g in lost[shard_id] if g[0] < int(number) and (g[1] is None or int(number) < g[1])]
                assert gaps or self.could_not_be_known(shard_id, number), f"{shard_id}: record {number} lost unsaid"

    def could_not_be_known(self, shard_id, number):
        """Say whether nothing read shows that the record was ever there: trimmed before its shard gave its first.

        Of the first shards nothing older than what is held was promised. A later one's loss shows by when its parents
        were read, or that they weren't; not when they gave nothing, and were never found at their tip.
        """
        reads = [read for ranges in self.table.ranges for read in ranges]
        if any(r.first and int(r.first) < int(number) for r in reads if r.shard_id == shard_id):
            return False
        if not any(r.shard_id == shard_id for r in reads):
            # It came and went unseen: all that can be said is that its children's parent is missing.
            children = [child for child, parents in self.parents.items() if shard_id in parents]
            return any(r.lost for r in reads if r.shard_id in children) or any(
                self.could_not_be_known(child, number) for child in children
            )
        telling = {r.shard_id for r in reads if r.records or r.lost or (r.millis_behind_latest == 0 and not r.drained)}
        silent = {read.shard_id for read in reads} - telling
        return shard_id in self.first_shards or silent.issuperset(self.parents[shard_id])

    def check_ranges(self):
        """Each range begins where the shard's last one ended; only a gap that was said breaks the chain."""
        last = {}
        for ranges in self.table.ranges:
            for read in ranges:
                before = last.get(read.shard_id)
                assert read.after == before or (read.after is None and last[read.shard_id] == "gap"), read
                if read.last is not None:
                    last[read.shard_id] = read.last
                elif read.lost is not None:
                    last[read.shard_id] = "gap"

    def check_lineage(self):
        at = {}
        for index, row in enumerate(self.table.rows):
            at[row["shard_id"]] = at.get(row["shard_id"], (index,))[0], index
        for shard_id, parents in self.parents.items():
            for parent in parents:
                if shard_id in at and parent in at:
                    assert at[parent][1] < at[shard_id][0]


ReaderMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
TestAnyHistoryIsReadOnceAndInOrderOrSaidLost = ReaderMachine.TestCase


class PushedReaderMachine(ReaderMachine):
    """The same, pushed to: what a subscription may do besides."""

    fan_out = "etl"

    @rule(fault=st.sampled_from(sorted(FAULTS)), times=st.integers(1, 3))
    def fault_within_a_subscription(self, fault, times):
        self.service.event_faults.extend(FAULTS[fault]() for _ in range(times))

    @rule()
    def subscriptions_are_taken_over(self):
        self.service.live.clear()

    @rule()
    def consumer_is_deregistered(self):
        self.service.consumers.clear()


PushedReaderMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestAnyHistoryIsPushedOnceAndInOrderOrSaidLost = PushedReaderMachine.TestCase
