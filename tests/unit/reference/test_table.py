from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.table import KeyAttribute
from streamjoin.errors import ReferenceTableError
from streamjoin.reference.table import default_segments, describe, scan
from tests.faults.reference import FakeClock, FakeDynamoDb, client_error, country

ITEMS = [country(f"C{number:03}", f"country {number}") for number in range(50)]


def codes(items: list[Any]) -> list[str]:
    return sorted(item["code"]["S"] for item in items)


@pytest.mark.parametrize("segments", [1, 2, 8])
def test_a_scan_reads_every_page_of_every_segment(segments):
    client = FakeDynamoDb(ITEMS, page_items=3)

    result = scan(client, "countries", ["code", "countryname"], keep=dict, segments=segments)

    assert codes(result.items) == codes(ITEMS)
    assert result.pages == len(client.scans) >= 17
    assert result.consumed_read_units == result.pages * 0.5
    assert {request.get("Segment") for request in client.scans} == (set(range(segments)) if segments > 1 else {None})


def test_an_empty_page_is_not_the_end():
    result = scan(FakeDynamoDb(ITEMS, page_items=10, empty_page_at=2), "countries", ["code"], keep=dict)

    assert codes(result.items) == codes(ITEMS)


def test_an_empty_table_has_one_page_and_no_items():
    result = scan(FakeDynamoDb([]), "countries", ["code"], keep=dict)

    assert (result.items, result.pages) == ([], 1)


def test_a_scan_is_consistent_and_asks_only_for_the_named_attributes_reserved_words_and_dots_among_them():
    item = country("IN", "India", **{"name": {"S": "n"}, "a.b": {"S": "dotted"}, "other": {"S": "unasked"}})
    client = FakeDynamoDb([item])

    result = scan(client, "countries", ["name", "a.b", "name"], keep=dict)

    assert result.items == [{"name": {"S": "n"}, "a.b": {"S": "dotted"}}]
    (request,) = client.scans
    assert request["ConsistentRead"] is True
    assert request["ReturnConsumedCapacity"] == "TOTAL"
    assert request["ProjectionExpression"] == "#a0, #a1"


class EndlessDynamoDb(FakeDynamoDb):
    def scan(self, **request: Any) -> dict[str, Any]:
        more = {"LastEvaluatedKey": {"at": {"N": "0"}}} if len(self.scans) < 20_000 else {}
        return super().scan(**request) | more


def test_one_failed_segment_fails_the_scan_and_ends_the_others():
    client = EndlessDynamoDb(ITEMS)
    client.fault = lambda operation, request: (
        client_error("AccessDeniedException") if request.get("Segment") == 2 else None
    )

    with pytest.raises(ReferenceTableError, match="denied"):
        scan(client, "countries", ["code"], keep=dict, segments=4)

    assert len(client.scans) < 20_000


def test_a_page_that_fails_late_fails_the_scan():
    client = FakeDynamoDb(ITEMS, page_items=10)
    client.fault = lambda operation, request: client_error("ThrottlingException") if len(client.scans) == 4 else None

    with pytest.raises(ReferenceTableError, match="throttled"):
        scan(client, "countries", ["code"], keep=dict)


@pytest.mark.parametrize(
    ("error", "text", "retryable"),
    [
        (client_error("ResourceNotFoundException"), "'countries' in region 'us-east-1'.*nothing of this name", False),
        (client_error("AccessDeniedException"), "denied .AccessDeniedException: said.*Allow dynamodb:Scan", False),
        (client_error("ExpiredTokenException"), "denied", False),
        (client_error("ProvisionedThroughputExceededException"), "throttled.*read capacity", True),
        (client_error("ThrottlingException"), "throttled", True),
        (client_error("InternalServerError", status=500), "failed .InternalServerError", True),
        (client_error("ValidationException"), "failed .ValidationException: said", False),
        (EndpointConnectionError(endpoint_url="http://nowhere"), "could not reach", True),
        (ReadTimeoutError(endpoint_url="http://slow"), "could not reach", True),
        (NoCredentialsError(), "credentials", False),
    ],
)
def test_an_error_of_the_service_says_what_to_do_and_whether_to_try_again(error, text, retryable):
    client = FakeDynamoDb(ITEMS)
    client.fault = lambda operation, request: error if operation == "Scan" else None

    with pytest.raises(ReferenceTableError, match=text) as raised:
        scan(client, "countries", ["code"], keep=dict)

    assert raised.value.retryable is retryable
    assert raised.value.__cause__ is error


def test_describe_gives_key_size_and_stream():
    stream = {
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        "LatestStreamArn": "arn:aws:dynamodb:us-east-1:0:table/countries/stream/1",
    }
    client = FakeDynamoDb(ITEMS, key=(("code", "S"), ("year", "N")), stream=stream, size_bytes=7)

    table = describe(client, "countries")

    assert table.key == (KeyAttribute("code", "S"), KeyAttribute("year", "N"))
    assert (table.items, table.size_bytes) == (50, 7)
    assert (table.stream_arn, table.stream_view_type) == (stream["LatestStreamArn"], "NEW_IMAGE")


def test_a_stream_that_was_switched_off_is_none():
    stream = {"LatestStreamArn": "arn:aws:dynamodb:us-east-1:0:table/countries/stream/1"}

    assert describe(FakeDynamoDb([], stream=stream), "countries").stream_arn is None


@pytest.mark.parametrize(
    ("items", "size_bytes", "segments"),
    [(0, 0, 1), (50, 10_000, 1), (50, 100 * 1024 * 1024, 7), (50, 10**12, 8), (500_001, 0, 8), (120_000, 0, 3)],
)
def test_the_segments_follow_the_size_of_the_table(items, size_bytes, segments):
    client = FakeDynamoDb([], size_bytes=size_bytes)
    client.items = [country("x", "y")] * items

    assert default_segments(describe(client, "countries")) == segments


def test_primary_keys_are_ordered_as_dynamodb_orders_them():
    def ranked(type_: str, *values: Any) -> list[Any]:
        table = describe(FakeDynamoDb([], key=(("code", "S"), ("sort", type_))), "countries")
        items = [{"code": {"S": "a"}, "sort": {type_: value}} for value in values]
        return [item["sort"][type_] for item in sorted(items, key=table.rank)]

    assert ranked("N", "10", "9", "-1", "9.5") == ["-1", "9", "9.5", "10"]
    # UTF-16 order, which Java has, would put the emoji before the private-use character.
    assert ranked("S", "\U0001f600", "\uf8ff", "b", "B") == ["B", "b", "\uf8ff", "\U0001f600"]
    assert ranked("B", b"\xff", b"\x01\x02", b"\x01") == [b"\x01", b"\x01\x02", b"\xff"]


def test_the_hash_key_counts_before_the_range_key():
    table = describe(FakeDynamoDb([], key=(("code", "S"), ("sort", "N"))), "countries")
    early, late = {"code": {"S": "a"}, "sort": {"N": "9"}}, {"code": {"S": "b"}, "sort": {"N": "1"}}

    assert table.rank(early) < table.rank(late)
    assert table.name_item(late) == "code='b', sort='1'"


def test_items_are_kept_page_by_page_as_the_caller_wants_them():
    seen = []
    result = scan(FakeDynamoDb(ITEMS, page_items=10), "countries", ["code"], keep=lambda item: seen.append(item) or 1)
    assert result.items == [1] * len(ITEMS) == [1] * len(seen)


def test_a_scan_stays_within_its_read_units():
    clock = FakeClock()
    start = clock.seconds
    pace = ReadUnits(2.0, clock=clock, sleep=clock.advance)
    result = scan(FakeDynamoDb(ITEMS, page_items=3), "countries", ["code"], keep=dict, pace=pace, page_items=3)
    assert clock.seconds - start >= result.consumed_read_units / 2.0
    assert result.pages == -(-len(ITEMS) // 3)
