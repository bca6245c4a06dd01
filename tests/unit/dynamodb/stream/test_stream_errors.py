"""Calls that fail, and the bounds of a poll."""

import threading

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from streamjoin.errors import SourceError
from tests.faults.kinesis import client_error
from tests.faults.stream import stream_throttled
from tests.unit.dynamodb.stream.stream_job import Job, key


def test_a_shard_that_fails_keeps_its_place_and_the_others_count():
    job = Job(shards=4)
    job.put(*range(40))
    failing = job.table.shard_of(key(0))
    job.fail(stream_throttled(), ShardId=failing)
    polled = job.poll()
    assert not polled.at_tip
    assert polled.error is not None
    assert polled.error.retryable
    assert {record.shard_id for record in polled.records} == set(job.table.shards) - {failing}
    assert job.places()[failing] == "TRIM_HORIZON"
    job.heal()
    rest = job.poll()
    assert {record.shard_id for record in rest.records} == {failing}
    assert (rest.at_tip, rest.error) == (True, None)
    assert job.items == {each["code"]["S"]: each for each in job.table.items}


def test_what_a_shard_gave_before_it_failed_counts():
    job = Job()
    job.change(1500)
    calls = iter(range(9))
    job.table.fault = lambda operation, request: stream_throttled() if next(calls) == 1 else None
    polled = job.poll()
    assert (len(polled.records), polled.error is None) == (1000, False)
    assert len(job.poll().records) == 500
    assert len(set(job.numbers)) == len(job.numbers) == 1500


def test_a_shard_that_fails_is_asked_once_a_poll():
    job = Job()
    job.fail(stream_throttled())
    before = job.table.times_called("GetRecords")
    job.poll()
    assert job.table.times_called("GetRecords") == before + 1


def test_children_of_a_shard_that_fails_wait():
    job = Job()
    first = job.shard
    job.put("IN")
    job.table.rotate(first)
    job.put("FR")
    job.fail(stream_throttled(), ShardId=first)
    assert job.poll().records == ()
    job.heal()
    assert job.codes(job.poll()) == ["IN", "FR"]


def test_a_listing_that_fails_is_an_error_and_known_shards_are_read():
    job = Job()
    job.clock.advance(61)
    job.put("IN")
    job.fail(stream_throttled(), operation="DescribeStream")
    before = job.table.times_called("DescribeStream")
    polled = job.poll()
    assert (job.codes(polled), polled.at_tip) == (["IN"], False)
    assert "DescribeStream was throttled" in str(polled.error)
    assert job.table.times_called("DescribeStream") == before + 1
    job.heal()
    assert job.poll().at_tip


def test_children_that_could_not_be_listed_are_read_by_the_next_poll():
    job = Job()
    job.table.rotate(job.shard)
    job.put("IN")
    job.fail(stream_throttled(), operation="DescribeStream")
    before = job.table.times_called("DescribeStream")
    polled = job.poll()
    assert (polled.records, polled.at_tip, polled.error is None) == ((), False, False)
    assert job.table.times_called("DescribeStream") == before + 1
    job.heal()
    assert job.codes(job.poll()) == ["IN"]


@pytest.mark.parametrize(
    ("cause", "says", "retryable"),
    [
        (stream_throttled(), "No more than two processes may read a shard", True),
        (
            client_error("AccessDeniedException", "GetRecords"),
            "Allow dynamodb:DescribeStream, .*dynamodb:GetRec",
            False,
        ),
        (client_error("InternalServerError", "GetRecords", status=500), "InternalServerError", True),
        (
            EndpointConnectionError(endpoint_url="https://nowhere"),
            "could not reach the service.*AWS_ENDPOINT_URL",
            True,
        ),
        (NoCredentialsError(), "could not be sent", False),
    ],
)
def test_an_error_names_table_shard_and_what_to_do(cause, says, retryable):
    job = Job()
    job.fail(cause)
    error = job.poll().error
    assert isinstance(error, SourceError)
    assert error.retryable is retryable
    where = rf"stream '{job.table.arn}' of table 'countries' shard '{job.shard}' in region 'us-east-1': GetRecords"
    with pytest.raises(SourceError, match=rf"{where} .*{says}"):
        raise error


def test_an_interrupted_poll_leaves_no_trace():
    job = Job(shards=2)
    job.put(*range(20))
    before = job.stream.position
    real, calls = job.table.get_records, iter(range(99))

    def interrupted(**request):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(**request)

    job.table.get_records = interrupted
    with pytest.raises(KeyboardInterrupt):
        job.poll()
    assert job.stream.position == before
    job.table.get_records = real
    assert len(job.poll().records) == 20


def test_a_poll_takes_no_more_records_than_asked_and_the_next_goes_on():
    job = Job(shards=3)
    job.put(*range(50))
    sizes = []
    while not (polled := job.poll(max_records=7)).at_tip:
        sizes.append(len(polled.records))
    assert sizes == [7] * 7 + [1] * (len(sizes) - 7)
    assert len(set(job.numbers)) == len(job.numbers) == 50


def test_no_request_asks_for_more_than_a_thousand():
    job = Job()
    job.change(2500)
    assert len(job.poll().records) == 2500
    assert {request["Limit"] for called, request in job.table.calls if called == "GetRecords"} == {1000}


def test_a_poll_ends_when_its_time_is_over():
    job = Job()
    job.change(5000)
    job.table.fault = lambda operation, request: job.clock.advance(10)
    polled = job.poll(seconds=20)
    assert (len(polled.records), polled.at_tip, polled.error) == (2000, False, None)
    job.heal()
    assert len(job.poll().records) == 3000


def test_a_busy_shard_does_not_keep_the_others_waiting():
    job = Job(shards=2)
    busy, quiet = job.table.shards
    codes = [n for n in range(200) if job.table.shard_of(key(n)) == busy]
    other = next(n for n in range(200) if job.table.shard_of(key(n)) == quiet)
    job.put(other, *codes)
    read = [job.poll(max_records=5) for _ in range(2)]
    assert str(other) in [code for polled in read for code in job.codes(polled)]


def test_shards_are_read_eight_at_a_time():
    job = Job(shards=20)
    job.poll()
    entered, most, lock, real = [0], [0], threading.Lock(), job.table.get_records
    full = threading.Event()

    def counted(**request):
        with lock:
            entered[0] += 1
            most[0] = max(most[0], entered[0])
            if entered[0] == 8:
                full.set()
        full.wait(10)
        with lock:
            entered[0] -= 1
        return real(**request)

    job.table.get_records = counted
    job.poll()
    assert most[0] == 8
