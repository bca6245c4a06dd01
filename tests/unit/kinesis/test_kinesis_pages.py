import itertools
import random

from streamjoin.errors import SourceError
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.shards.position import TRIM_HORIZON
from tests.faults.kinesis import internal_error, throttled, timed_out
from tests.unit.kinesis.kinesis_job import HOUR_SECONDS, Job, each_way


def test_empty_pages_before_the_tip_are_paged_through_without_a_busy_loop():
    job = Job()
    wanted = job.service.put(job.shard)
    job.service.shards[job.shard].empty_pages = 7
    job.batch()
    assert job.numbers() == [wanted]
    assert len(job.clock.sleeps) == 7


def test_a_shard_is_asked_five_times_a_second_at_most():
    job = Job()
    for _ in range(12):
        job.service.put_many(job.shard, 3)
        job.batch(BatchLimits(4, 1 << 20))
    asked_at = [at for operation, _, at in job.service.calls if operation == "GetRecords"]
    assert len(asked_at) >= 12
    assert min(later - earlier for earlier, later in itertools.pairwise(asked_at)) >= 0.2 - 1e-9


def test_an_iterator_is_kept_between_batches():
    job = Job()
    for _ in range(5):
        job.service.put(job.shard)
        job.batch()
    assert job.service.times_called("GetShardIterator") == 1


@each_way
def test_an_iterator_is_not_used_for_another_position():
    job = Job()
    wanted = job.service.put(job.shard)
    job.batch(commit=False)
    job.batch()
    assert job.numbers() == [wanted]


@each_way
def test_an_expired_iterator_is_opened_again_where_the_read_stood():
    job = Job()
    wanted = [job.service.put(job.shard)]
    job.batch()
    wanted.append(job.service.put(job.shard))
    job.clock.pass_seconds(301)
    job.batch()
    job.service.expire_iterators()
    wanted.append(job.service.put(job.shard))
    job.batch()
    assert job.numbers() == wanted


def test_a_throttled_shard_backs_off_and_reads_on():
    job = Job()
    wanted = job.service.put(job.shard)
    job.service.fail("GetRecords", throttled(), throttled(), throttled())
    job.batch()
    assert job.numbers() == [wanted]
    waits = [s for s in job.clock.sleeps if s > 0.2]
    assert waits == sorted(waits)
    assert len(waits) == 3


def test_a_shard_throttled_to_the_end_leaves_the_batch_without_loss():
    job = Job(shards=2)
    slow, fine = sorted(job.service.shards)
    wanted = job.service.put(slow)
    job.service.fail("GetShardIterator", *[throttled() for _ in range(100)])
    job.batch()
    assert job.ranges[slow].millis_behind_latest is None
    assert job.ranges[fine].records == 0
    assert job.position.shards[slow] == TRIM_HORIZON
    job.service.fail("GetShardIterator")
    job.service.faults.clear()
    job.batch()
    assert job.numbers() == [wanted]


def test_a_shard_is_asked_five_times_a_second_at_most_whatever_goes_wrong():
    job, chance = Job(call_seconds=0.01), random.Random(5)
    while job.clock.monotonic() < HOUR_SECONDS / 4:
        job.service.put_many(job.shard, chance.randrange(8))
        job.service.shards[job.shard].empty_pages = chance.choice([0, 0, 0, 20])
        operation = chance.choice(["GetRecords", "GetRecords", "GetShardIterator"])
        fault = chance.choice([None, throttled(), throttled(), internal_error(), timed_out()])
        job.service.faults.clear()
        job.service.fail(operation, *[fault] * chance.randrange(4) if fault else ())
        if chance.random() < 0.05:
            job.service.expire_iterators()
        limits = BatchLimits(chance.choice([3, 50]), 1 << 20)
        try:
            # Now and then a batch fails after it was read: it is read again from the old position.
            job.batch(limits, commit=chance.random() < 0.8)
        except SourceError:
            job.clock.pass_seconds(1)
        job.clock.pass_seconds(chance.choice([0, 0, 0.1, 3]))
    for operation in ("GetRecords", "GetShardIterator"):
        at = [when for name, _, when in job.service.calls if name == operation]
        assert len(at) > 100
        assert min(later - earlier for earlier, later in itertools.pairwise(at)) >= 0.2 - 1e-6
