"""What is lost, and what becomes of a stream that is switched off."""

import pytest

from streamjoin.dynamodb.stream.stream import StreamLostError
from tests.unit.dynamodb.stream.stream_job import Job


def test_records_trimmed_under_an_iterator_are_a_lost_stream():
    job = Job()
    job.put("IN")
    job.poll()
    job.put("FR")
    job.table.trim(job.shard)
    with pytest.raises(StreamLostError, match=rf"shard '{job.shard}': records after the position were trimmed unread"):
        job.poll()


def test_a_position_before_the_trim_point_is_a_lost_stream():
    job = Job()
    job.put("IN")
    job.poll()
    job.put("FR", "DE")
    job.table.trim(job.shard, up_to=str(job.table.shards[job.shard].numbers()[1]))
    job.restart()
    with pytest.raises(StreamLostError, match="trimmed unread"):
        job.poll()


@pytest.mark.parametrize("operation", ["DescribeStream", "GetRecords"])
def test_a_stream_that_is_gone_is_lost(operation):
    job = Job()
    job.table.exists = False
    if operation == "DescribeStream":
        job.clock.advance(61)
    with pytest.raises(StreamLostError, match=rf"'countries'.*{operation} found it gone"):
        job.poll()


def test_a_shard_that_goes_between_listing_and_reading_is_lost():
    job = Job()
    job.put("IN")
    job.restart()
    job.table.rotate(job.shard)
    job.table.trim(job.shard)
    with pytest.raises(StreamLostError, match="GetShardIterator found it gone"):
        job.poll()


def test_a_stream_that_was_lost_stays_so_until_it_is_started_anew():
    job = Job()
    job.put("FR")
    job.poll()
    position = job.stream.position
    job.table.exists = False
    for _ in range(2):
        with pytest.raises(StreamLostError):
            job.poll()
    assert job.stream.position == position
    job.table.exists = True
    with pytest.raises(StreamLostError):
        job.poll()
    job.scan()
    job.put("IN")
    assert job.codes(job.poll()) == ["IN"]


def test_a_stream_that_is_switched_off_is_read_to_its_end_and_then_lost():
    job = Job(shards=2)
    job.put(*range(10))
    job.table.disable()
    polled = job.poll()
    assert (len(polled.records), polled.at_tip, polled.error) == (10, False, None)
    with pytest.raises(StreamLostError, match=r"'countries' was switched off \(status DISABLED\)"):
        job.poll()


def test_a_stream_that_is_switched_off_with_more_than_a_poll_takes_is_read_on():
    job = Job()
    job.put(*range(10))
    job.table.disable()
    sizes = [len(job.poll(max_records=4).records) for _ in range(3)]
    assert sizes == [4, 4, 2]
    with pytest.raises(StreamLostError, match="switched off"):
        job.poll(max_records=4)


def test_a_stream_that_is_switched_off_with_its_shards_open_is_lost_too():
    job = Job()
    job.put("IN")
    job.table.disable(closes_shards=False)
    job.clock.advance(61)
    assert job.codes(job.poll()) == ["IN"]
    with pytest.raises(StreamLostError, match="switched off"):
        job.poll()


def test_a_stream_that_is_being_switched_off_has_no_tip():
    job = Job()
    job.table.status = "DISABLING"
    job.clock.advance(61)
    assert not job.poll().at_tip
    job.table.status = "ENABLED"
    assert job.poll().at_tip


def test_a_position_in_a_stream_that_was_switched_off_is_read_to_its_end():
    job = Job()
    job.put("IN")
    job.table.disable()
    job.restart()
    assert job.codes(job.poll()) == ["IN"]
    with pytest.raises(StreamLostError, match="switched off"):
        job.restart()
