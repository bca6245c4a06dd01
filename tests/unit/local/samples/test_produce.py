import itertools

import boto3
import pytest
from botocore.stub import ANY, Stubber

from streamjoin.errors import SourceError
from streamjoin.local.samples.orders import orders
from streamjoin.local.samples.produce import BYTES_PER_CALL, produce
from tests.faults.kinesis_clock import FakeClock
from tests.faults.local import FakeStream


@pytest.fixture
def client():
    return boto3.client("kinesis", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106


def events(count, **more):
    return [{"id": f"k{number}", "number": number, **more} for number in range(count)]


def test_a_call_takes_at_most_five_hundred_records(client):
    stream = FakeStream(client)
    summary = produce(stream, "s", events(1_201), record_key="id")
    assert [len(call) for call in stream.calls] == [500, 500, 201]
    assert summary.records == 1_201
    assert [event for _, event in stream.arrived] == events(1_201)


def test_a_call_takes_at_most_five_mebibytes(client):
    stream = FakeStream(client)
    produce(stream, "s", events(20, text="x" * 900_000), record_key="id")
    sizes = [sum(len(r["Data"]) + len(r["PartitionKey"]) for r in call) for call in stream.calls]
    assert len(sizes) == 4
    assert max(sizes) <= BYTES_PER_CALL


def test_a_record_beyond_the_limit_of_the_service_is_named(client):
    with pytest.raises(SourceError, match=r"record 'k0' has 1,100,\d\d\d bytes; Kinesis takes 1,048,576"):
        produce(FakeStream(client), "s", events(1, text="x" * 1_100_000), record_key="id")


def test_the_record_key_is_the_partition_key(client):
    stream = FakeStream(client)
    sent = list(itertools.islice(orders(), 10))
    produce(stream, "s", sent, record_key="uuid")
    assert stream.arrived == [(order["uuid"], order) for order in sent]


def test_what_was_refused_is_sent_again_before_anything_new(client):
    stream = FakeStream(client, refuse=lambda call, position, key: call in (0, 1) and position % 2 == 1)
    time = FakeClock()
    summary = produce(stream, "s", events(700), record_key="id", clock=time.monotonic, sleep=time.sleep)
    assert [len(call) for call in stream.calls] == [500, 250, 125, 200]
    assert sorted(event["number"] for _, event in stream.arrived) == list(range(700))
    assert summary.resent_records == 375
    assert len(time.sleeps) == 2


def test_events_of_one_key_arrive_in_order_whatever_is_refused(client):
    stream = FakeStream(client, refuse=lambda call, position, key: (call + position) % 3 == 0 and call < 8)
    time = FakeClock()
    sent = [{"id": f"k{number % 4}", "number": number} for number in range(40)]
    produce(stream, "s", sent, record_key="id", clock=time.monotonic, sleep=time.sleep)
    for key in ("k0", "k1", "k2", "k3"):
        assert [event["number"] for k, event in stream.arrived if k == key] == [
            event["number"] for event in sent if event["id"] == key
        ]


def test_a_stream_that_takes_nothing_any_more_ends_it(client):
    time = FakeClock()
    stream = FakeStream(client, refuse=lambda call, position, key: key == "k3")
    with pytest.raises(SourceError, match=r"stream 's' took none of 1 records in 10 calls .*slow down") as caught:
        produce(stream, "s", events(5), record_key="id", clock=time.monotonic, sleep=time.sleep)
    assert caught.value.retryable
    assert len(stream.arrived) == 4
    assert max(time.sleeps) <= 5


def test_a_rate_is_kept_over_the_whole_run(client):
    time = FakeClock()
    stream = FakeStream(client)
    summary = produce(
        stream, "s", events(400), record_key="id", records_per_second=100, clock=time.monotonic, sleep=time.sleep
    )
    assert summary.seconds == pytest.approx(4.0)
    assert all(len(call) == 25 for call in stream.calls)


def test_a_rate_below_one_a_second_sends_single_records(client):
    time = FakeClock()
    summary = produce(
        FakeStream(client),
        "s",
        events(3),
        record_key="id",
        records_per_second=0.5,
        clock=time.monotonic,
        sleep=time.sleep,
    )
    assert summary.seconds == pytest.approx(6.0)


def test_a_slow_stream_is_not_slowed_further_by_the_rate(client):
    time = FakeClock()
    stream = FakeStream(client, refuse=lambda call, position, key: time.sleep(0.5) or False)
    produce(stream, "s", events(4), record_key="id", records_per_second=4, clock=time.monotonic, sleep=time.sleep)
    assert time.elapsed_seconds == pytest.approx(2.0)


def test_progress_counts_the_records_sent(client):
    seen = []
    produce(FakeStream(client), "s", events(1_100), record_key="id", on_progress=seen.append)
    assert seen == [500, 1_000, 1_100]


def test_a_missing_stream_is_one_clear_error(client):
    with Stubber(client) as stub:
        stub.add_client_error("put_records", "ResourceNotFoundException", "nope")
        with pytest.raises(SourceError, match=r"stream 's' isn't there in region 'eu-west-1' at 'https://kinesis"):
            produce(client, "s", events(1), record_key="id")


def test_access_denied_names_the_stream(client):
    with Stubber(client) as stub:
        stub.add_client_error("put_records", "AccessDeniedException", "not you", 400)
        with pytest.raises(SourceError, match=r"stream 's' in .*: PutRecords was denied .*not you"):
            produce(client, "s", events(1), record_key="id")


def test_the_request_is_the_one_of_the_service(client):
    with Stubber(client) as stub:
        stub.add_response(
            "put_records",
            {"Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}]},
            {"StreamName": "s", "Records": [{"PartitionKey": "k0", "Data": ANY}]},
        )
        assert produce(client, "s", events(1), record_key="id").records == 1
        stub.assert_no_pending_responses()


def test_the_summary_is_one_line(client):
    time = FakeClock()
    summary = produce(
        FakeStream(client),
        "s",
        events(1_000),
        record_key="id",
        records_per_second=500,
        clock=time.monotonic,
        sleep=time.sleep,
    )
    assert str(summary) == f"1,000 records ({summary.bytes:,} bytes) in 2.0 s, 500 records/s"
