"""A table's stream from its tip on, and from a position on."""

import pytest

from streamjoin.dynamodb.stream.stream import StreamLostError
from streamjoin.errors import SourceError
from streamjoin.shards.position import Position, PositionKind
from tests.faults.stream import stream_throttled
from tests.unit.dynamodb.stream.stream_job import Job


def test_the_tip_is_noted_by_reading_since_an_iterator_may_be_decided_only_when_it_is_used():
    job = Job(scan=False)
    job.put("IN")
    job.stream.start_at_tip()
    job.put("FR")
    assert job.codes(job.stream.poll()) == ["FR"]
    assert job.table.times_called("GetShardIterator", ShardIteratorType="LATEST") == 1


def test_what_the_first_page_gives_is_given_by_the_first_poll_and_not_again():
    job = Job(scan=False)
    real = job.table.get_records

    def late(**request):
        # Something is written between the iterator and its first use.
        job.table.get_records = real
        real(**request)
        job.put("IN")
        return real(**request)

    job.table.get_records = late
    job.stream.start_at_tip()
    assert job.places() == {job.shard: "TRIM_HORIZON"}
    assert job.codes(job.stream.poll()) == ["IN"]
    assert job.places()[job.shard].startswith("AFTER")
    assert job.codes(job.stream.poll()) == []


def test_the_first_poll_asks_again_although_the_first_page_was_empty():
    job = Job()
    job.put("IN")
    polled = job.poll()
    assert (job.codes(polled), polled.at_tip) == (["IN"], True)


def test_closed_shards_count_as_drained_and_later_ones_start_at_their_beginning():
    job = Job(scan=False)
    job.put("IN")
    first, second = job.shard, job.table.rotate(job.shard)
    job.stream.start_at_tip()
    assert job.places() == {first: "DRAINED", second: "TRIM_HORIZON"}
    third = job.table.rotate(second)
    job.put("FR")
    assert job.codes(job.stream.poll()) == ["FR"]
    assert job.table.times_called("GetShardIterator", ShardId=first) == 0
    assert job.table.times_called("GetShardIterator", ShardId=third, ShardIteratorType="TRIM_HORIZON") == 1


def test_a_shard_that_closes_while_the_tip_is_noted_is_drained_by_the_first_poll():
    job = Job(scan=False)
    describe = job.table.describe_stream

    def closing(**request):
        answer = describe(**request)
        job.table.describe_stream = describe
        job.table.rotate(job.shard)
        job.put("IN")
        return answer

    job.table.describe_stream = closing
    job.stream.start_at_tip()
    polled = job.stream.poll()
    assert (job.codes(polled), polled.at_tip) == (["IN"], True)


def test_a_shard_that_gave_nothing_stands_at_its_trim_horizon_and_then_after_its_last_record():
    job = Job()
    job.poll()
    assert job.places() == {job.shard: "TRIM_HORIZON"}
    job.put("IN", "FR")
    polled = job.poll()
    assert job.places() == {job.shard: f"AFTER {polled.records[-1].sequence_number}"}
    job.poll()
    assert job.places() == {job.shard: f"AFTER {polled.records[-1].sequence_number}"}


def test_a_stream_that_is_switched_off_has_no_tip_to_start_at():
    job = Job(scan=False)
    job.table.disable()
    with pytest.raises(StreamLostError, match="switched off"):
        job.stream.start_at_tip()


def test_a_stream_without_shards_yet_can_be_started_later():
    job = Job(scan=False, shards=0)
    job.table.status = "ENABLING"
    with pytest.raises(SourceError, match=r"expected one shard at least, found none \(status ENABLING\)") as caught:
        job.stream.start_at_tip()
    assert caught.value.retryable


def test_a_start_that_fails_starts_nothing():
    job = Job(scan=False)
    job.fail(stream_throttled())
    with pytest.raises(SourceError, match="throttled"):
        job.stream.start_at_tip()
    with pytest.raises(RuntimeError, match="start_at_tip or start_at first"):
        job.stream.poll()
    with pytest.raises(RuntimeError, match="not started"):
        _ = job.stream.position


def test_a_later_process_goes_on_after_the_last_record():
    job = Job()
    job.put("IN", "FR")
    polled = job.poll()
    job.put("DE")
    job.restart()
    assert job.codes(job.poll()) == ["DE"]
    assert (
        job.table.times_called(
            "GetShardIterator",
            ShardIteratorType="AFTER_SEQUENCE_NUMBER",
            SequenceNumber=polled.records[-1].sequence_number,
        )
        == 1
    )


def test_a_later_process_reads_a_shard_that_gave_nothing_from_its_trim_horizon():
    job = Job(scan=False)
    job.put("before")
    job.stream.start_at_tip()
    job.stream.poll()
    job.put("IN")
    job.restart()
    assert job.codes(job.stream.poll()) == ["before", "IN"]


def test_a_position_names_the_stream_and_survives_json():
    job = Job(shards=3)
    job.put(*range(20))
    job.table.split(job.shard)
    job.poll()
    position = job.stream.position
    assert position.stream == job.table.arn
    assert Position.from_json(position.to_json()) == position
    assert {place.kind for place in position.shards.values()} >= {PositionKind.AFTER, PositionKind.DRAINED}


def test_an_older_position_gives_everything_after_it_again():
    job = Job()
    job.put("IN")
    job.poll()
    position = job.stream.position
    job.put("FR")
    job.table.rotate(job.shard)
    job.put("DE")
    assert job.codes(job.poll()) == ["FR", "DE"]
    job.restart(position)
    assert job.codes(job.poll()) == ["FR", "DE"]


def test_several_generations_of_shards_while_stopped_are_read_parents_first():
    job = Job()
    for generation in range(5):
        job.put(*(f"{generation}-{n}" for n in range(4)))
        for shard_id in job.table.open_shards():
            job.table.split(shard_id)
    job.put(*(f"5-{n}" for n in range(4)))
    job.restart()
    polled = job.poll()
    assert polled.at_tip
    assert len(polled.records) == 24
    for record in polled.records:
        parent_id = job.table.shards[record.shard_id].parent_id
        later = polled.records[polled.records.index(record) :]
        assert parent_id not in {each.shard_id for each in later}
