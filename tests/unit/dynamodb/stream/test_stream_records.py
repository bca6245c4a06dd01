"""What a record of a table's stream carries."""

import pytest

from streamjoin.dynamodb.stream.stream import ChangeRecord
from tests.unit.dynamodb.stream.stream_job import Job, item, key


def test_a_change_comes_with_keys_images_place_and_time():
    job = Job()
    job.table.put(item("IN", 1))
    job.table.put(item("IN", 2))
    job.table.delete(key("IN"))
    at_ms = int(job.clock()) * 1000
    numbers = [str(number) for number in job.table.shards[job.shard].numbers()]

    assert job.poll().records == (
        ChangeRecord("INSERT", key("IN"), item("IN", 1), None, job.shard, numbers[0], at_ms),
        ChangeRecord("MODIFY", key("IN"), item("IN", 2), item("IN", 1), job.shard, numbers[1], at_ms),
        ChangeRecord("REMOVE", key("IN"), None, item("IN", 2), job.shard, numbers[2], at_ms),
    )


@pytest.mark.parametrize(
    ("view_type", "new", "old"),
    [
        ("NEW_AND_OLD_IMAGES", item("IN", 2), item("IN", 1)),
        ("NEW_IMAGE", item("IN", 2), None),
        ("OLD_IMAGE", None, item("IN", 1)),
        ("KEYS_ONLY", None, None),
    ],
)
def test_images_that_the_view_type_lacks_are_none(view_type, new, old):
    job = Job(view_type=view_type)
    job.table.put(item("IN", 1))
    job.table.put(item("IN", 2))
    record = job.stream.poll().records[-1]
    assert (record.operation, record.keys, record.new_image, record.old_image) == ("MODIFY", key("IN"), new, old)


def test_a_change_without_a_time_is_read_all_the_same():
    job = Job()
    job.put("IN")
    del job.table.shards[job.shard].records[0]["dynamodb"]["ApproximateCreationDateTime"]
    assert job.poll().records[0].created_at_ms is None
    job.put("FR")
    job.restart()
    assert job.codes(job.poll()) == ["FR"]


def test_an_operation_that_isnt_known_is_an_error_and_no_change():
    job = Job()
    job.table.record("MERGE", key("IN"), None, None)
    polled = job.poll()
    assert polled.records == ()
    assert "found 'MERGE'" in str(polled.error)
    assert job.places()[job.shard] == "TRIM_HORIZON"
