"""Gaps and reshards, as a subscription meets them."""

import pytest

from streamjoin.errors import DataLossError
from streamjoin.kinesis.stream import BatchLimits
from tests.unit.kinesis.kinesis_job import HOUR_SECONDS, PushedJob, read_until


@pytest.mark.parametrize("refuses_trimmed", [False, True])
def test_what_was_read_before_a_gap_is_a_batch_and_the_next_one_meets_the_gap(refuses_trimmed):
    job = PushedJob(refuses_trimmed=refuses_trimmed)
    numbers = job.service.put_many(job.shard, 5)
    job.batch(BatchLimits(2, 1 << 20))
    job.clock.pass_seconds(25 * HOUR_SECONDS)
    # The event in hand has the rest; what follows it was trimmed while nobody looked.
    numbers += job.service.put_many(job.shard, 3)
    job.service.trim(job.shard, numbers[6])
    job.batch()
    assert job.numbers() == numbers[:5]
    for _ in range(2):
        with pytest.raises(DataLossError, match=f"position AFTER {numbers[4]}: "):
            read_until(job, 8)
        job.restart()


def test_a_reader_at_the_edge_of_what_is_held_asks_and_notices_what_is_trimmed_before_it():
    job = PushedJob(event_records=4)
    numbers = job.service.put_many(job.shard, 9)
    job.clock.pass_seconds(24 * HOUR_SECONDS - 60)
    real = job.service.get_shard_iterator

    def get_shard_iterator(**arguments):
        job.service.trim(job.shard, numbers[6])
        return real(**arguments)

    job.service.get_shard_iterator = get_shard_iterator
    job.batch()
    assert job.numbers() == numbers[:4]
    with pytest.raises(DataLossError, match=numbers[7]):
        read_until(job, 9)


def test_a_reader_away_from_the_edge_is_pushed_to_again():
    job = PushedJob(event_records=4)
    wanted = job.service.put_many(job.shard, 9)
    job.clock.pass_seconds(24 * HOUR_SECONDS - 60)
    wanted += job.service.put_many(job.shard, 9)
    job.batch()
    assert job.numbers() == wanted
    asked = job.service.times_called("GetRecords")
    assert asked > 0
    wanted += job.service.put_many(job.shard, 9)
    read_until(job, len(wanted))
    assert (job.numbers(), job.service.times_called("GetRecords")) == (wanted, asked)


# reshards


def test_children_are_read_as_soon_as_their_parents_end_is_told_whatever_the_listing_shows():
    job = PushedJob(shards=2)
    first, second = sorted(job.service.shards)
    job.batch()
    before = job.service.list_shards(ShardFilter={"Type": "FROM_TRIM_HORIZON"})
    job.service.put(first)
    child = job.service.merge(first, second)
    wanted = job.service.put(child)
    job.service.list_shards = lambda **_: before
    job.batch()
    job.batch()
    assert job.numbers(child) == [wanted]
    assert job.numbers()[-1] == wanted
