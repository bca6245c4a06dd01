import threading

import pytest
from botocore.exceptions import EndpointConnectionError

from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.reference.lookup.calls import ITEMS_PER_KEY, TRIES_WITHOUT_PROGRESS, ItemReader
from tests.faults.lookup import FakeItemTable, global_index, target_of, throttled
from tests.faults.reference import client_error, country

COUNTRIES = [country(f"C{number:05}", f"country {number}", area={"N": str(number)}) for number in range(1_000)]
FREE = ReadUnits(None)


class Reading:
    def __init__(self, table, **target):
        self.table, self.waits = table, []
        self.target = target_of(table, **target)
        table.calls.clear()
        self.reader = ItemReader(self.target, table, self.waits.append, jitter=lambda: 1.0)

    def read(self, *keys, pace=FREE):
        return self.reader.read([key if isinstance(key, tuple) else (key,) for key in keys], pace, threading.Event())


def names(answer):
    return {key: [item["countryname"]["S"] for item in items] for key, items in answer.found.items()}


def test_items_are_got_by_their_keys_and_absent_ones_are_known_to_be():
    answer = Reading(FakeItemTable(COUNTRIES)).read("C00007", "nowhere", "C00003")

    assert names(answer) == {("C00007",): ["country 7"], ("C00003",): ["country 3"], ("nowhere",): []}
    assert (answer.calls, answer.consumed_read_units, answer.unread, answer.error) == (1, 3, [], None)


def test_a_get_is_consistent_and_asks_only_for_the_attributes_and_the_key_reserved_words_among_them():
    table = FakeItemTable([country("IN", "India", **{"name": {"S": "n"}, "a.b": {"S": "dotted"}})])

    answer = Reading(table, attributes=("name", "a.b")).read("IN")

    assert answer.found == {("IN",): [{"name": {"S": "n"}, "a.b": {"S": "dotted"}, "code": {"S": "IN"}}]}
    ((_, request),) = table.calls
    wanted = request["RequestItems"]["countries"]
    assert wanted["ConsistentRead"] is True
    assert wanted["ProjectionExpression"] == "#a0, #a1, #a2"


def test_keys_are_divided_into_parts_of_a_hundred():
    keys = [(f"C{number:05}",) for number in range(250)]

    parts = Reading(FakeItemTable(COUNTRIES)).reader.divide(keys, FREE)

    assert [len(part) for part in parts] == [100, 100, 50]
    assert [key for part in parts for key in part] == keys


@pytest.mark.parametrize(("rate", "item_bytes", "keys"), [(10, 100, 10), (10, 20_000, 2), (0.5, 100, 1), (99, 1, 99)])
def test_a_part_costs_no_more_than_a_second_earns(rate, item_bytes, keys):
    reading = Reading(FakeItemTable(COUNTRIES, item_bytes=item_bytes))

    parts = reading.reader.divide([(str(number),) for number in range(100)], ReadUnits(rate))

    assert len(parts[0]) == keys


def test_unprocessed_keys_are_asked_for_again_after_a_wait_that_grows_until_there_is_progress():
    table = FakeItemTable(COUNTRIES)
    processed = iter([2, 0, 0, 1, 5])
    table.processed = lambda keys: next(processed)
    reading = Reading(table)

    answer = reading.read("C00001", "C00002", "C00003", "C00004")

    assert names(answer) == {(f"C0000{n}",): [f"country {n}"] for n in (1, 2, 3, 4)}
    asked = [len(request["RequestItems"]["countries"]["Keys"]) for request in table.made("BatchGetItem")]
    assert asked == [4, 2, 2, 2, 1]
    assert reading.waits == [0.05, 0.1, 0.2, 0.05]
    assert answer.error is None


def test_the_waits_are_jittered():
    table = FakeItemTable(COUNTRIES)
    processed = iter([0, 9])
    table.processed = lambda keys: next(processed)
    waits = []

    ItemReader(target_of(table), table, waits.append, jitter=lambda: 0.25).read([("C00001",)], FREE, threading.Event())

    assert waits == [0.025]


def test_keys_that_stay_unprocessed_are_an_error_beside_what_was_read():
    table = FakeItemTable(COUNTRIES)
    processed = iter([1, *[0] * 100])
    table.processed = lambda keys: next(processed)

    answer = Reading(table).read("C00001", "C00002", "C00003")

    assert names(answer) == {("C00001",): ["country 1"]}
    assert answer.unread == [("C00002",), ("C00003",)]
    assert "'countries' in region 'us-east-1': BatchGetItem left 2 keys unprocessed time and again" in str(answer.error)
    assert "max_read_units_per_second" in str(answer.error)
    assert answer.error.retryable
    assert len(table.made("BatchGetItem")) == 1 + TRIES_WITHOUT_PROGRESS


@pytest.mark.parametrize("operation", ["BatchGetItem", "Query"])
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError"])
def test_a_call_that_the_service_throttled_or_failed_at_is_made_again(operation, code):
    table = FakeItemTable(
        COUNTRIES, key=(("code", "S"),) if operation == "BatchGetItem" else (("code", "S"), ("area", "N"))
    )
    failures = [client_error(code, operation, 500 if code == "InternalServerError" else 400)] * 2
    table.fault = lambda operation, request: failures.pop() if failures and operation != "DescribeTable" else None
    reading = Reading(table)

    answer = reading.read("C00001")

    assert names(answer) == {("C00001",): ["country 1"]}
    assert (answer.calls, answer.error, reading.waits) == (3, None, [0.1, 0.2])


@pytest.mark.parametrize("operation", ["BatchGetItem", "Query"])
def test_a_call_that_stays_throttled_is_an_error_after_a_bounded_number_of_tries(operation):
    table = FakeItemTable(
        COUNTRIES, key=(("code", "S"),) if operation == "BatchGetItem" else (("code", "S"), ("area", "N"))
    )
    table.fault = lambda operation, request: throttled(operation) if operation != "DescribeTable" else None

    answer = Reading(table).read("C00001")

    assert len(table.made(operation)) == TRIES_WITHOUT_PROGRESS
    assert answer.unread == [("C00001",)]
    assert f"{operation} was throttled" in str(answer.error)
    assert answer.error.retryable


@pytest.mark.parametrize(
    ("error", "text", "retryable"),
    [
        (client_error("AccessDeniedException", "BatchGetItem"), "Allow dynamodb:BatchGetItem on the table to", False),
        (client_error("ResourceNotFoundException", "BatchGetItem"), "nothing of this name", False),
        (EndpointConnectionError(endpoint_url="http://nowhere"), "could not reach", True),
    ],
)
def test_what_a_repetition_wont_mend_soon_is_an_error_at_once(error, text, retryable):
    table = FakeItemTable(COUNTRIES)
    table.fault = lambda operation, request: error if operation != "DescribeTable" else None

    answer = Reading(table).read("C00001")

    assert text in str(answer.error)
    assert answer.error.retryable is retryable
    assert answer.error.__cause__ is error
    assert len(table.made("BatchGetItem")) == 1


@pytest.mark.parametrize("operation", ["BatchGetItem", "Query"])
def test_what_isnt_wanted_any_more_is_left_unread_without_an_error(operation):
    key = (("code", "S"),) if operation == "BatchGetItem" else (("code", "S"), ("area", "N"))
    items = [country("C1", "one", area={"N": "1"}), country("C1", "two", area={"N": "2"}), country("C2", "three")]
    table = FakeItemTable(items[: 2 if operation == "Query" else 3], key=key, page_items=1)
    table.processed = lambda keys: 1
    reading, stop = Reading(table), threading.Event()
    table.fault = lambda operation, request: stop.set()

    answer = reading.reader.read([("C1",), ("C2",)], FREE, stop)

    assert len(table.made(operation)) == 1
    assert answer.unread == ([("C2",)] if operation == "BatchGetItem" else [("C1",), ("C2",)])
    assert answer.error is None


def test_a_denied_query_of_an_index_names_the_index():
    table = FakeItemTable(
        COUNTRIES,
        indexes={"GlobalSecondaryIndexes": [global_index("by-name", "countryname")]},
        attribute_types={"countryname": "S"},
    )
    table.fault = lambda operation, request: client_error("AccessDenied", operation) if operation == "Query" else None

    answer = Reading(table, on=["countryname"], index_name="by-name").read("country 1")

    assert "'countries' index 'by-name' in region" in str(answer.error)
    assert "Allow dynamodb:Query on the table and on its index 'by-name'" in str(answer.error)


def versions(number, **options):
    items = [
        {"code": {"S": "IN"}, "year": {"N": str(year)}, "countryname": {"S": f"India {year}"}} for year in range(number)
    ]
    return FakeItemTable(items, key=(("code", "S"), ("year", "N")), **options)


def test_a_hash_key_is_queried_consistently_page_by_page():
    table = versions(25, page_items=10)

    answer = Reading(table).read("IN", "FR")

    assert names(answer) == {("IN",): [f"India {year}" for year in range(25)], ("FR",): []}
    requests = table.made("Query")
    assert len(requests) == 4
    assert all(request["ConsistentRead"] is True and request["Limit"] == ITEMS_PER_KEY for request in requests)


def test_of_a_hash_key_with_very_many_items_only_the_lowest_are_read():
    table = versions(1_000, page_items=30)

    answer = Reading(table).read("IN")

    assert names(answer) == {("IN",): [f"India {year}" for year in range(ITEMS_PER_KEY)]}
    assert len(table.made("Query")) == 4


def test_of_an_index_all_pages_are_read_and_the_items_with_the_lowest_primary_keys_are_kept():
    items = [
        country(f"C{number:05}", "India", at={"N": str(-number)})  # the index has them the other way round
        for number in range(250)
    ]
    table = FakeItemTable(
        items,
        indexes={"GlobalSecondaryIndexes": [global_index("by-name", "countryname", "at")]},
        attribute_types={"countryname": "S", "at": "N"},
        page_items=40,
    )

    answer = Reading(table, on=["countryname"], attributes=("at",), index_name="by-name").read("India")

    ((key, found),) = answer.found.items()
    assert key == ("India",)
    assert [item["code"]["S"] for item in found] == [f"C{number:05}" for number in range(ITEMS_PER_KEY)]
    requests = table.made("Query")
    assert len(requests) == 7
    assert all(request["IndexName"] == "by-name" and request["ConsistentRead"] is False for request in requests)
    assert answer.consumed_read_units == 125


def test_an_empty_page_of_a_query_is_no_end():
    table = versions(3)
    pages = iter([{"Items": [], "LastEvaluatedKey": {"at": 0}}])
    query = table.query
    table.query = lambda **request: next(pages, None) or query(**request)

    assert len(Reading(table).read("IN").found["IN",]) == 3


def test_a_whole_composite_key_is_got_not_queried():
    table = versions(5)
    reading = Reading(table, on=("year", "code"))

    answer = reading.read(("IN", "3"), ("IN", "9"))

    assert names(answer) == {("IN", "3"): ["India 3"], ("IN", "9"): []}
    assert not table.made("Query")


@pytest.mark.parametrize(("rate", "limit"), [(None, ITEMS_PER_KEY), (1, 4), (1000, ITEMS_PER_KEY)])
def test_a_page_of_a_query_costs_no_more_than_a_second_earns(rate, limit):
    table = versions(20, item_bytes=1000)

    answer = Reading(table).read("IN", pace=ReadUnits(rate, lambda: 0.0, lambda seconds: None))

    assert {request["Limit"] for request in table.made("Query")} == {limit}
    assert len(answer.found["IN",]) == 20


def test_every_call_is_paid_for():
    slept = []
    table = FakeItemTable(COUNTRIES)
    reading = Reading(table)

    reading.read("C00001", "C00002", pace=ReadUnits(4, lambda: 0.0, slept.append))

    assert slept == [0.5]
