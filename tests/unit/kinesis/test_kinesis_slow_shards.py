import itertools

import pytest

from streamjoin.errors import SourceError
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.readings import ShardReadings
from streamjoin.kinesis.shard import ATTEMPTS, PATIENCE_SECONDS
from streamjoin.kinesis.stream import BatchLimits
from tests.faults.kinesis import throttled, timed_out
from tests.unit.kinesis.kinesis_job import PLENTY, Job


class SlowJob(Job):
    """A job of which one shard's calls take for ever until it is told to answer."""

    def __init__(self, shards=2, **stream):
        super().__init__(shards, **stream)
        self.slow, *self.others = sorted(self.service.shards)
        self.service.hang(self.slow)

    def answer(self, *errors):
        self.service.answer(self.slow, *errors)

    def seconds_of(self, step):
        began = self.clock.monotonic()
        step()
        return self.clock.monotonic() - began


@pytest.fixture
def job():
    job = SlowJob()
    yield job
    job.answer()


def test_a_batch_goes_on_without_a_shard_that_hangs_soon_after_the_others_are_done(job):
    wanted = job.service.put_many(job.others[0], 3)
    job.service.put(job.slow)
    before = job.position.shards[job.slow]
    assert job.seconds_of(job.batch) == pytest.approx(PATIENCE_SECONDS)
    assert (job.ranges[job.slow].last, job.ranges[job.slow].millis_behind_latest) == (None, None)
    assert job.numbers() == wanted
    assert job.position.shards[job.slow] == before


def test_a_shard_that_hangs_is_not_read_twice_at_a_time_and_holds_no_later_batch_up(job):
    job.batch()
    for _ in range(3):
        wanted = job.service.put(job.others[0])
        assert job.seconds_of(job.batch) < 1
        assert job.numbers()[-1] == wanted
    assert len(job.service.shards[job.slow].hanging) == 1


def test_a_stream_with_a_shard_that_hangs_is_not_caught_up(job):
    for _ in range(2):
        plan = job.plan()
        assert not kinesis.is_caught_up(plan, job.batch().ranges)
    job.answer()
    plan = job.plan()
    assert kinesis.is_caught_up(plan, job.batch().ranges)


def test_a_shard_that_hangs_is_said_once_and_again_only_after_it_answered_in_time(job, caplog):
    for _ in range(3):
        job.batch()
    assert len(caplog.records) == 1
    assert f"'{job.slow}'" in caplog.text
    job.answer()
    job.batch()
    job.batch()
    assert len(caplog.records) == 1
    job.service.hang(job.slow)
    job.batch()
    assert len(caplog.records) == 2


def test_what_a_slow_shard_gives_at_last_is_in_the_next_batch_without_another_call(job):
    wanted = job.service.put_many(job.slow, 5)
    job.batch()
    job.answer()
    calls = job.service.times_called("GetRecords")
    job.service.hang(job.slow)
    job.batch()
    assert job.numbers() == wanted
    assert job.service.times_called("GetRecords") == calls + 1
    job.answer()
    job.batch()
    assert job.numbers() == wanted


def test_a_shard_of_which_every_call_is_slow_gets_on_all_the_same(job):
    wanted = job.service.put_many(job.slow, 6)
    for _ in range(20):
        job.batch(BatchLimits(8, 1 << 20))
        job.answer()
        job.service.hang(job.slow)
    assert job.numbers() == wanted


def test_what_comes_too_late_is_dropped_when_the_position_has_moved_since(job):
    wanted = job.service.put_many(job.slow, 5)
    job.batch()
    job.answer()
    moved = kinesis.fetch(job.plan(BatchLimits(4, 1 << 20)), job.restarted())
    job.position = job.position.advance(moved.ranges)
    job.rows += moved.table.to_pylist()
    for _ in range(3):
        job.batch()
    assert job.numbers() == wanted


def test_what_comes_too_late_and_is_more_than_the_batch_may_hold_is_read_again(job):
    wanted = job.service.put_many(job.slow, 50)
    job.batch()
    job.answer()
    while len(job.rows) < 50:
        assert 0 < job.batch(BatchLimits(10, 1 << 20)).table.num_rows <= 10
    assert job.numbers() == wanted


def test_a_shard_that_hangs_after_a_page_leaves_the_batch_with_its_page_and_nothing_is_doubled():
    job = SlowJob()
    job.answer()
    wanted = job.service.put_many(job.slow, 40)
    real, pages = job.service.get_records, iter([True])

    def get_records(**arguments):
        if job.slow in arguments["ShardIterator"] and not next(pages, False):
            job.service.hang(job.slow)
        return real(**{**arguments, "Limit": min(arguments["Limit"], 10)})

    job.service.get_records = get_records
    job.batch()
    assert job.ranges[job.slow].records == 0
    job.service.get_records = real
    job.answer()
    for _ in range(2):
        job.batch()
    assert job.numbers() == wanted


def test_a_stream_of_which_every_shard_hangs_ends_the_batch_at_the_deadline_and_then_is_an_error():
    job = SlowJob(shards=1)
    seconds = job.seconds_of(lambda: job.batch(BatchLimits(1000, 1 << 20, seconds=20)))
    assert seconds == pytest.approx(20, abs=0.5)
    assert job.ranges[job.slow].millis_behind_latest is None
    with pytest.raises(SourceError, match=f"'{job.slow}' .*GetRecords could not reach the service") as caught:
        for _ in range(ATTEMPTS + 2):
            job.answer(timed_out())
            job.service.hang(job.slow)
            job.batch()
            job.clock.pass_seconds(5)
    assert caught.value.retryable
    job.answer()


def test_a_hot_shard_is_not_left_behind_while_it_gets_answers():
    job = Job(shards=2, call_seconds=1.5)
    hot = job.shard
    wanted = job.service.put_many(hot, 500)
    real = job.service.get_records
    job.service.get_records = lambda **a: real(**{**a, "Limit": min(a["Limit"], 50)})
    job.batch()
    assert job.numbers() == wanted


def test_a_shard_that_another_fetch_of_this_process_is_reading_is_left_to_it():
    job = Job(shards=2)
    plan = job.plan()
    with ShardReadings(job.client, plan.reads[:1], 1):
        assert [r.millis_behind_latest for r in kinesis.fetch(plan, job.client).ranges] == [None, 0]
    assert [r.millis_behind_latest for r in kinesis.fetch(plan, job.client).ranges] == [0, 0]


def test_shards_that_wait_for_a_thread_are_read_by_the_next_batch_when_all_threads_hang():
    job = Job(shards=20)
    ids = sorted(job.service.shards)
    wanted = {shard_id: job.service.put(shard_id) for shard_id in ids}
    for shard_id in ids[:16]:
        job.service.hang(shard_id)
    job.batch()
    assert job.rows == []
    job.batch()
    assert job.numbers() == [wanted[shard_id] for shard_id in ids[16:]]
    for shard_id in ids:
        job.service.answer(shard_id)
    job.batch()
    assert sorted(job.numbers()) == sorted(wanted.values())


def test_a_throttled_shard_holds_no_other_up_and_waits_its_time_over_several_batches(job):
    job.answer()
    job.service.put(job.slow)
    throttles = 12
    real, asked_at = job.service.get_records, []

    def get_records(**arguments):
        if job.slow in arguments["ShardIterator"]:
            asked_at.append(job.clock.monotonic())
            if len(asked_at) <= throttles:
                raise throttled()
        return real(**arguments)

    job.service.get_records = get_records
    while not job.rows:
        assert job.seconds_of(lambda: job.batch(PLENTY)) < 2 * PATIENCE_SECONDS
        job.clock.pass_seconds(0.2)
    waits = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert min(waits[4:]) >= 2.5
