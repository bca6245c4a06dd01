"""Shards and positions that are too old, forgotten or of another stream."""

import pytest

from streamjoin.dynamodb.stream.stream import StreamLostError
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position, PositionKind, ShardPosition
from tests.unit.dynamodb.stream.stream_job import HOUR_SECONDS, Job, item


def test_a_shard_that_is_no_longer_listed_and_not_drained_is_lost():
    job = Job()
    job.put("IN")
    job.poll()
    first = job.shard
    job.put("FR")
    job.table.rotate(first)
    position = job.stream.position
    job.table.trim(first)
    with pytest.raises(StreamLostError, match=rf"shard '{first}', read to AFTER \d+, is no longer listed"):
        job.restart(position)


def test_a_shard_that_was_drained_may_be_forgotten():
    job = Job()
    job.put("IN")
    first = job.shard
    job.table.rotate(first)
    job.poll()
    job.table.trim(first)
    job.put("FR")
    job.restart()
    assert job.codes(job.poll()) == ["FR"]
    assert first in job.places()
    for hours in range(31):
        job.clock.advance(HOUR_SECONDS)
        job.put(hours)
        job.poll()
    assert list(job.places()) == job.table.open_shards()


def test_a_drained_shard_that_one_listing_leaves_out_is_not_read_again():
    job = Job()
    first = job.shard
    job.table.put(item("IN", 1))
    second = job.table.rotate(first)
    job.table.put(item("IN", 2))
    job.table.hidden[first] = 1
    job.poll()
    job.restart()
    job.table.hidden.clear()
    # Its child is left out in turn, so that nothing but memory shows whose parent it is.
    job.table.rotate(second)
    job.table.hidden[second] = 1
    for _ in range(3):
        job.clock.advance(60)
        job.poll()
    assert job.items["IN"] == item("IN", 2)
    assert len(job.numbers) == 2


def test_an_old_shard_that_the_first_listing_left_out_is_not_read():
    job = Job(scan=False)
    first = job.shard
    job.put("IN")
    job.table.rotate(job.table.rotate(first))
    job.table.hidden.update(list(job.table.shards)[:2])
    job.scan()
    assert len(job.places()) == 1
    job.put("FR")
    job.poll()
    job.clock.advance(60)
    assert job.poll().at_tip
    assert len(job.numbers) == 1
    assert job.places()[first] == "DRAINED"


def test_a_generation_that_was_never_seen_is_lost_although_its_parent_was_drained():
    job = Job()
    job.put("IN")
    first, second = job.shard, job.table.rotate(job.shard)
    job.table.hidden[second] = 9
    job.poll()
    assert job.places() == {first: "DRAINED"}
    position = job.stream.position
    job.put("FR")
    job.table.rotate(second)
    job.table.hidden.clear()
    job.table.trim(first)
    job.table.trim(second)
    with pytest.raises(StreamLostError, match=rf"shard '{second}', read to TRIM_HORIZON, is no longer"):
        job.restart(position)


def test_one_listing_that_lags_behind_loses_nothing():
    job = Job()
    job.put("IN")
    job.table.rotate(job.shard)
    job.poll()
    _, second = job.table.shards
    position = job.stream.position
    job.put("FR")
    job.table.hidden[second] = 1
    job.restart(position)
    assert job.codes(job.poll()) == ["FR"]
    assert job.table.hidden[second] == 0


@pytest.mark.parametrize("is_drained", [True, False])
def test_a_trim_horizon_noted_longer_ago_than_the_stream_keeps_records_is_lost(is_drained):
    # The service gives what is left after the trim horizon and says nothing about what isn't.
    job = Job()
    if is_drained:
        # The child is not in the position: what is known of its age is what is known of its parent.
        job.table.hidden[job.table.rotate(job.shard)] = 9
        job.poll()
        job.table.hidden.clear()
    position = job.stream.position
    job.put("IN")
    shard_id = job.table.open_shards()[0]
    job.table.trim(shard_id)
    job.put("FR")
    job.clock.advance(25 * HOUR_SECONDS)
    job.restart(position)
    with pytest.raises(StreamLostError, match=r"TRIM_HORIZON was noted longer ago than the 24 hours"):
        job.stream.poll()


def test_a_trim_horizon_of_yesterday_is_read():
    job = Job()
    job.put("IN")
    job.clock.advance(23 * HOUR_SECONDS)
    job.restart()
    assert job.codes(job.poll()) == ["IN"]


def test_a_shard_that_is_found_while_following_is_as_young_as_the_listing_before():
    job = Job()
    for _ in range(30):
        # A quiet table whose shards are closed every four hours, read for days.
        job.clock.advance(4 * HOUR_SECONDS)
        job.table.expire_iterators()
        job.table.rotate(job.table.open_shards()[0])
        assert job.poll().at_tip
    job.clock.advance(4 * HOUR_SECONDS)
    job.put("IN")
    job.restart()
    assert job.codes(job.poll()) == ["IN"]


def test_a_position_of_another_stream_is_lost():
    job = Job()
    other = Position("arn:other", job.stream.position.shards)
    with pytest.raises(StreamLostError, match="of another stream, 'arn:other'"):
        job.restart(other)


@pytest.mark.parametrize(
    ("shards", "found"),
    [({}, "no shard"), ({"s": ShardPosition(PositionKind.AT_TIMESTAMP, timestamp_ms=7)}, "AT_TIMESTAMP 7")],
)
def test_a_position_that_no_stream_can_have_is_lost(shards, found):
    job = Job()
    with pytest.raises(StreamLostError, match=rf"expected a position of TRIM_HORIZON, AFTER, DRAINED, found {found}"):
        job.restart(Position(job.table.arn, shards))


def test_a_position_made_by_hand_is_read():
    job = Job()
    job.put("IN")
    first = job.shard
    job.table.rotate(first)
    job.put("FR")
    job.restart(Position(job.table.arn, {first: TRIM_HORIZON}))
    assert job.codes(job.poll()) == ["IN", "FR"]
    job.restart(Position(job.table.arn, {first: DRAINED}))
    assert job.codes(job.poll()) == ["FR"]
