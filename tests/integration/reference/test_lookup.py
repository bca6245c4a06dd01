"""Lookups against two emulators: ministack, and DynamoDB Local, which checks requests as the service does.

ministack says nothing of the capacity that BatchGetItem consumes, and puts any number of bytes into one answer.
"""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from streamjoin.errors import ReferenceTableError
from streamjoin.local.tables import create_table, put_items
from streamjoin.reference.lookup import fetch as fetch_module
from streamjoin.reference.lookup.calls import ItemReader
from streamjoin.reference.lookup.fetcher import Fetcher
from streamjoin.reference.lookup.keys import index_of
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.reference.table import describe
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from tests.faults.reference import FakeClock, settings
from tests.lookup_frames import FakeEvents, FakeSession
from tests.stacks.policies import asked


@pytest.fixture
def client(emulator):
    return emulator.tables


@pytest.fixture
def make_table(client, fresh_name):
    def make(keys, items=()):
        name = fresh_name("table")
        create_table(client, name, keys)
        put_items(client, name, items)
        return name

    return make


class Counting:
    """The emulator's client, and what it was asked."""

    def __init__(self, client):
        self._client = client
        self.meta = client.meta
        self.calls = []

    def __getattr__(self, name):
        call = getattr(self._client, name)

        def counted(**request):
            self.calls.append((name, request))
            return call(**request)

        return counted

    def made(self, name):
        return [request for each, request in self.calls if each == name]


class Lookups:
    """A reference to a table of the emulator; its tasks run here, and time is the test's."""

    def __init__(self, client, monkeypatch, table_name, event, *, tasks=1, **changes):
        self.client, self.clock, self.event = Counting(client), FakeClock(), to_spark(parse_schema(event))
        fetchers = {}

        def fetcher(fetching):
            if fetching not in fetchers:
                fetchers[fetching] = Fetcher(fetching, ItemReader(fetching.target, self.client), self.clock)
            return fetchers[fetching]

        monkeypatch.setattr(fetch_module, "fetcher", fetcher)
        dynamodb = {"table_name": table_name, **changes.pop("dynamodb", {})}
        self.reference = LookupReference(
            settings(mode="lookup", dynamodb=dynamodb, **changes),
            client=self.client,
            spark=FakeSession(tasks, tasks),
            clock=self.clock,
        )

    def look_up(self, *keys):
        rows = [key if isinstance(key, tuple) else (key,) for key in keys]
        events = FakeEvents([dict(zip(self.event.names, row, strict=True)) for row in rows], self.event)
        snapshot = self.reference.current()
        return snapshot, sorted(map(tuple, snapshot.side(events).rows))


@pytest.fixture
def lookups(client, monkeypatch):
    return lambda table_name, event, **changes: Lookups(client, monkeypatch, table_name, event, **changes)


@pytest.fixture(scope="module")
def many():
    return [{"code": f"C{number:05}", "countryname": f"country {number}"} for number in range(2_000)]


def test_of_a_large_table_a_batch_reads_its_own_keys_once_within_their_time(lookups, make_table, emulator, many):
    name = make_table({"code": "S"}, many)
    it = lookups(
        name,
        "country string",
        on={"country": "code"},
        columns=["countryname"],
        schema="code string, countryname string",
    )
    keys = [f"C{number:05}" for number in range(0, 1_950, 13)]
    assert len(keys) == 150

    first, rows = it.look_up(*keys)

    assert rows == sorted((f"country {number}", f"C{number:05}") for number in range(0, 1_950, 13))
    assert [each for each, _ in it.client.calls] == ["describe_table", "batch_get_item", "batch_get_item"]
    assert first.consumed_read_units == (150 if emulator.local else 0)

    emulator.tables.put_item(TableName=name, Item={"code": {"S": keys[0]}, "countryname": {"S": "changed"}})
    it.clock.advance(59)
    second, again = it.look_up(*keys)
    assert again == rows
    assert len(it.client.calls) == 3
    assert (second.as_of, second.consumed_read_units) == (first.as_of, 0)

    it.clock.advance(1)
    third, after = it.look_up(*keys)
    assert ("changed", keys[0]) in after
    assert len(after) == 150
    assert len(it.client.calls) == 5
    assert third.as_of == first.as_of + timedelta(seconds=60)
    assert [snapshot.version for snapshot in (first, second, third)] == [1, 2, 3]


@pytest.fixture
def sales(make_table):
    items = [
        {"shop": "a", "year": Decimal("2024"), "total": Decimal("1.50")},
        {"shop": "a", "year": Decimal("2025"), "total": Decimal("2")},
        {"shop": "b", "year": Decimal("2025.5"), "total": Decimal("3")},
    ]
    return make_table({"shop": "S", "year": "N"}, items)


def test_a_composite_key_is_got_and_its_hash_key_queried(lookups, client, sales):
    columns = {"columns": ["total"], "schema": "shop string, year decimal(6,2), total decimal(9,2)"}
    whole = lookups(sales, "s string, y double", on={"s": "shop", "y": "year"}, **columns)
    with asked(client) as actions:
        _, rows = whole.look_up(("a", 2024.0), ("b", 2025.5), ("b", 2025.0), ("a", 2024.5), ("", 2024.0), ("a", None))

    assert actions == {"dynamodb:DescribeTable", "dynamodb:BatchGetItem"}
    assert rows == [(Decimal("1.50"), "a", Decimal("2024.00")), (Decimal("3.00"), "b", Decimal("2025.50"))]
    assert not whole.client.made("query")

    hash_alone = lookups(sales, "s string", on={"s": "shop"}, **columns)
    with asked(client) as actions:
        snapshot, rows = hash_alone.look_up("a", "b", "c")
    assert actions == {"dynamodb:DescribeTable", "dynamodb:Query"}
    assert rows == [(Decimal("1.50"), "a"), (Decimal("3.00"), "b")]
    assert snapshot.metadata()["duplicates"] == 1
    assert len(hash_alone.client.made("query")) == 3
    assert not hash_alone.client.made("batch_get_item")


@pytest.mark.parametrize(("event", "keys"), [("int", [7, 8]), ("string", ["7", "007", "8"]), ("double", [7.0, 7.5])])
def test_a_numeric_key_is_found_by_its_value_or_its_own_text(lookups, make_table, event, keys):
    name = make_table({"id": "N"}, [{"id": 7, "name": "seven"}, {"id": 1500, "name": "many"}])
    it = lookups(name, f"k {event}", on={"k": "id"}, columns=["name"])

    assert it.look_up(*keys)[1] == [("seven", 7)]


def test_numbers_are_found_however_large_or_small(lookups, make_table):
    numbers = ["1500", "0.0000001", "99999999999999999999999999999999999999", "-7", "1E+20"]
    name = make_table({"id": "N"}, [{"id": Decimal(number), "name": number} for number in numbers])
    it = lookups(name, "k string", on={"k": "id"}, columns=["name"], schema="id string, name string")

    found = {row[0] for row in it.look_up(*(format(Decimal(number), "f") for number in numbers))[1]}

    assert found == set(numbers)


def test_keys_that_the_service_refuses_harm_no_other_key(lookups, make_table):
    name = make_table({"code": "S"}, [{"code": "IN", "name": "India"}])
    it = lookups(name, "k string", on={"k": "code"}, columns=["name"])

    assert it.look_up("IN", "", "x" * 2049, "x" * 2048, "é" * 1024)[1] == [("India", "IN")]


@pytest.fixture
def indexed(client, fresh_name):
    name = fresh_name("table")
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "code", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": type_}
            for each, type_ in (("code", "S"), ("name", "S"), ("at", "N"))
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-name",
                "KeySchema": [
                    {"AttributeName": "name", "KeyType": "HASH"},
                    {"AttributeName": "at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["area"]},
            }
        ],
    )
    for code, country_name, at in (("IX", "India", "1"), ("IN", "India", "2"), ("FR", "France", "1")):
        item = {"code": {"S": code}, "name": {"S": country_name}, "at": {"N": at}, "area": {"N": "3.25"}}
        client.put_item(TableName=name, Item=item)
    client.put_item(TableName=name, Item={"code": {"S": "XX"}, "area": {"N": "1"}})
    return name


def test_an_index_is_queried_and_its_duplicates_are_told_by_primary_key(lookups, indexed):
    it = lookups(
        indexed, "k string", on={"k": "name"}, columns=["code", "area"], dynamodb={"index_name": "by-name"}, tasks=2
    )

    snapshot, rows = it.look_up("India", "France", "Nowhere", None)

    assert rows == [("FR", Decimal("3.25"), "France"), ("IN", Decimal("3.25"), "India")]
    assert snapshot.metadata()["duplicates"] == 1
    assert json.loads(json.dumps(snapshot.metadata()))["mode"] == "lookup"
    assert all(request["ConsistentRead"] is False for request in it.client.made("query"))


def test_an_index_is_described_with_its_key_and_what_it_holds(client, indexed):
    index = index_of(describe(client, indexed), "by-name")

    assert [(key.name, key.type) for key in (*index.hash_keys, *index.range_keys)] == [("name", "S"), ("at", "N")]
    assert index.attributes == {"code", "name", "at", "area"}
    with pytest.raises(ReferenceTableError, match="has no index 'by-area'; it has 'by-name'"):
        index_of(describe(client, indexed), "by-area")


def test_a_hash_key_of_several_pages_is_read_to_its_end(lookups, make_table):
    items = [{"shop": "a", "year": year, "text": "x" * 100_000} for year in range(30)]
    it = lookups(
        make_table({"shop": "S", "year": "N"}, items),
        "s string",
        on={"s": "shop"},
        columns=["year"],
        schema="shop string, year int",
    )

    snapshot, rows = it.look_up("a")

    assert rows == [(0, "a")]
    assert snapshot.metadata()["items"] == 30


def test_more_than_an_answer_holds_comes_in_several(lookups, make_table, emulator):
    items = [{"code": f"C{number:03}", "text": f"{number:03}" * 120_000} for number in range(60)]
    it = lookups(make_table({"code": "S"}, items), "k string", on={"k": "code"}, columns=["text"])
    it.reference.current()

    _, rows = it.look_up(*(item["code"] for item in items))

    # 21 MB, of 16 MB that an answer has
    assert rows == [(item["text"], item["code"]) for item in items]
    assert len(it.client.made("batch_get_item")) == (2 if emulator.local else 1)


def test_a_missing_table_is_one_clear_error(lookups):
    it = lookups("no-such-table", "k string", on={"k": "code"}, columns=["name"])

    with pytest.raises(ReferenceTableError, match=r"'no-such-table' in region 'us-east-1'.*nothing of this name"):
        it.look_up("IN")


def test_a_table_that_was_deleted_is_an_error_of_the_next_read(lookups, make_table, client):
    name = make_table({"code": "S"}, [{"code": "IN", "name": "India"}])
    it = lookups(name, "k string", on={"k": "code"}, columns=["name"])
    it.look_up("IN")
    client.delete_table(TableName=name)

    with pytest.raises(ReferenceTableError, match=rf"'{name}' in region 'us-east-1': BatchGetItem found nothing"):
        it.look_up("FR")
