import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamjoin.dynamodb.attribute_types import JSON_TEXT
from streamjoin.dynamodb.service import pack
from streamjoin.errors import ReferenceTableError, SchemaError, StaleReferenceError
from streamjoin.records.events import REASON_COLUMN
from streamjoin.reference.lookup import fetch as fetch_module
from streamjoin.reference.lookup.calls import ItemReader
from streamjoin.reference.lookup.fetcher import RETRY_SECONDS, Fetcher
from streamjoin.reference.lookup.reference import LookupReference, newest
from streamjoin.schema.ddl import parse_schema, to_ddl
from streamjoin.spark.schema import to_spark
from tests.faults.lookup import FakeItemTable, global_index, throttled
from tests.faults.reference import FakeClock, client_error, country, settings
from tests.lookup_frames import FakeEvents, FakeSession

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
INDIA, FRANCE = country("IN", "India"), country("FR", "France")
SCHEMA = "code string, countryname string"


class Setup:
    """A reference, its table, and the process in which its tasks run."""

    def __init__(self, *items, table=None, on=None, cores=1, shuffle_partitions=1, event="country string", **changes):
        self.table = FakeItemTable(items or [INDIA, FRANCE]) if table is None else table
        self.clock = FakeClock(NOON)
        self.event = to_spark(parse_schema(event))
        self.fetchers = {}
        changes = {"mode": "lookup", "on": on or {"country": "code"}, "columns": ["countryname"], **changes}
        self.settings = settings(**changes)
        self.reference = LookupReference(
            self.settings,
            client=self.table,
            spark=FakeSession(cores, shuffle_partitions),
            clock=self.clock,
        )

    def fetcher(self, fetching):
        if fetching not in self.fetchers:
            reader = ItemReader(fetching.target, self.table, lambda seconds: None)
            self.fetchers[fetching] = Fetcher(fetching, reader, self.clock)
        return self.fetchers[fetching]

    def events(self, *values):
        rows = [value if isinstance(value, tuple) else (value,) for value in values]
        return FakeEvents([dict(zip(self.event.names, row, strict=True)) for row in rows], self.event)

    def look_up(self, *values, after=0):
        """Return the next batch's snapshot, and its rows by their join key."""
        self.clock.advance(after)
        before, fetch_module.fetcher = fetch_module.fetcher, self.fetcher
        try:
            snapshot = self.reference.current()
            side = snapshot.side(self.events(*values))
        finally:
            fetch_module.fetcher = before
        return snapshot, {row[names_index(side)]: row for row in map(tuple, side.rows)}

    def restart(self, metadata):
        it = object.__new__(Setup)
        it.__dict__.update(self.__dict__)
        it.reference = LookupReference(self.settings, client=self.table, spark=FakeSession(), clock=self.clock)
        it.reference.restore(json.loads(json.dumps(metadata)))
        return it

    def fail(self, error=None):
        self.table.fault = lambda operation, request: error or client_error("AccessDeniedException", operation)

    def recover(self):
        self.table.fault = lambda operation, request: None


def names_index(side):
    return len(side.schema.names) - 1


def test_a_batch_gets_the_rows_of_its_own_keys():
    it = Setup(INDIA, FRANCE, country("US", "United States"), schema=SCHEMA)

    snapshot, rows = it.look_up("IN", "US", "nowhere", "IN", None, "")

    assert rows == {"IN": ("India", "IN"), "US": ("United States", "US")}
    assert (snapshot.name, snapshot.version, snapshot.as_of) == ("country", 1, NOON)
    assert (snapshot.on, snapshot.columns) == ({"country": "code"}, {"countryname": "countryname"})
    assert (it.reference.on, it.reference.columns, it.reference.how) == (snapshot.on, snapshot.columns, "left")
    assert snapshot.consumed_read_units == 3
    assert [operation for operation, _ in it.table.calls] == ["DescribeTable", "BatchGetItem"]


def test_metadata_is_what_a_commit_of_a_whole_snapshot_has_too():
    snapshot, _ = Setup(schema=SCHEMA).look_up("IN", "nowhere")

    metadata = json.loads(json.dumps(snapshot.metadata()))

    assert metadata == {
        "mode": "lookup",
        "version": 1,
        "as_of": "2026-01-31T12:00:00+00:00",
        "items": 1,
        "duplicates": 0,
        "misfits": 0,
        "content_hash": snapshot.found.rows.content_hash,
        "types": to_spark(parse_schema(SCHEMA)).jsonValue(),
        "read_units": 2,
    }


def test_equal_rows_have_one_content_hash_and_other_rows_another():
    it = Setup(schema=SCHEMA)
    hashes = [it.look_up(*keys)[0].metadata()["content_hash"] for keys in (["IN", "FR"], ["FR", "IN"], ["IN"])]

    assert hashes[0] == hashes[1] != hashes[2]


def test_every_batch_has_a_version_of_its_own():
    it = Setup(schema=SCHEMA)

    assert [it.look_up("IN")[0].version for _ in range(3)] == [1, 2, 3]


def test_the_version_goes_on_over_a_restart_and_never_back():
    it = Setup(schema=SCHEMA)
    first, _ = it.look_up("IN")
    second, _ = it.look_up("IN")
    after = it.restart(second.metadata())

    assert after.look_up("IN")[0].version == 3
    after.reference.restore(first.metadata())
    assert after.look_up("IN")[0].version == 4
    after.reference.restore(None)
    assert after.look_up("IN")[0].version == 5


def test_nothing_is_known_of_a_snapshot_before_its_side():
    snapshot = Setup(schema=SCHEMA).reference.current()

    with pytest.raises(RuntimeError, match="was not looked up yet"):
        snapshot.metadata()


def test_a_snapshot_is_of_one_batch():
    it = Setup(schema=SCHEMA)
    snapshot, _ = it.look_up("IN")

    with pytest.raises(RuntimeError, match="looked up before"):
        snapshot.side(it.events("FR"))


def test_a_batch_without_keys_reads_nothing_and_is_as_of_now():
    it = Setup(schema=SCHEMA)

    snapshot, rows = it.look_up(after=5)

    assert (rows, snapshot.as_of, snapshot.consumed_read_units) == ({}, NOON + timedelta(seconds=5), 0)
    assert not it.table.made("BatchGetItem")


def test_rejected_events_are_passed_over():
    it = Setup(schema=SCHEMA, event=f"country string, {REASON_COLUMN} string")

    _, rows = it.look_up(("IN", None), ("FR", "WRONG_TYPE"))

    assert set(rows) == {"IN"}
    (request,) = it.table.made("BatchGetItem")
    assert request["RequestItems"]["countries"]["Keys"] == [{"code": {"S": "IN"}}]


def test_what_was_just_read_is_used_again_and_then_the_snapshot_is_as_old():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.table.put(country("IN", "Bharat"))

    again, rows = it.look_up("IN", "FR", after=59)
    assert (rows["IN"], again.as_of, again.consumed_read_units) == (("India", "IN"), NOON, 1)

    later, rows = it.look_up("IN", after=1)
    assert (rows["IN"], later.as_of) == (("Bharat", "IN"), NOON + timedelta(seconds=60))


def test_that_there_was_no_item_counts_for_the_age_too():
    it = Setup(schema=SCHEMA)
    it.look_up("nowhere")

    snapshot, _ = it.look_up("nowhere", "IN", after=30)

    assert snapshot.as_of == NOON


def test_the_join_key_may_be_composite():
    items = [
        {"code": {"S": "IN"}, "year": {"N": str(year)}, "countryname": {"S": f"India {year}"}} for year in (1947, 1950)
    ]
    it = Setup(
        table=FakeItemTable(items, key=(("code", "S"), ("year", "N"))),
        on={"y": "year", "country": "code"},
        event="country string, y int",
        schema="code string, year bigint, countryname string",
    )

    _, rows = it.look_up(("IN", 1950), ("IN", 2000), (None, 1947), ("FR", 1947))

    assert list(rows.values()) == [("India 1950", 1950, "IN")]
    assert not it.table.made("Query")


def test_of_several_items_with_one_hash_key_the_lowest_primary_key_counts(caplog):
    items = [{"code": {"S": "IN"}, "year": {"N": str(y)}, "countryname": {"S": f"India {y}"}} for y in (10, 9, 100)]
    it = Setup(table=FakeItemTable(items, key=(("code", "S"), ("year", "N"))), schema=SCHEMA)

    with caplog.at_level(logging.WARNING):
        snapshot, rows = it.look_up("IN")

    assert rows == {"IN": ("India 9", "IN")}
    assert (snapshot.metadata()["items"], snapshot.metadata()["duplicates"]) == (3, 1)
    assert "code='IN' has code='IN', year='9' before code='IN', year='10'" in caplog.text


def test_several_items_with_one_join_key_are_an_error_if_they_are_not_allowed():
    items = [{"code": {"S": "IN"}, "year": {"N": str(y)}, "countryname": {"S": f"India {y}"}} for y in (10, 9)]
    it = Setup(table=FakeItemTable(items, key=(("code", "S"), ("year", "N"))), schema=SCHEMA, on_duplicate="fail")

    with pytest.raises(ReferenceTableError, match="year='9' and code='IN', year='10'"):
        it.look_up("IN")


def by_name(*items, project=None):
    return FakeItemTable(
        items,
        indexes={"GlobalSecondaryIndexes": [global_index("by-name", "countryname", project=project)]},
        attribute_types={"countryname": "S"},
    )


INDEXED = {
    "on": {"country": "countryname"},
    "columns": ["code"],
    "dynamodb": {"table_name": "countries", "index_name": "by-name"},
    "schema": SCHEMA,
}


def test_an_index_is_looked_up_by_its_hash_key():
    it = Setup(table=by_name(INDIA, country("IX", "India"), FRANCE, {"code": {"S": "XX"}}), **INDEXED)

    snapshot, rows = it.look_up("India", "Nowhere")

    assert rows == {"India": ("IN", "India")}
    assert snapshot.metadata()["duplicates"] == 1
    assert not it.table.made("BatchGetItem")


def test_an_index_that_lacks_what_is_needed_is_refused_before_anything_is_read():
    it = Setup(table=by_name(INDIA, project=[]), **INDEXED | {"columns": ["area"], "schema": None})

    with pytest.raises(ReferenceTableError, match="index 'by-name' doesn't project 'area'"):
        it.reference.current()

    assert {operation for operation, _ in it.table.calls} == {"DescribeTable"}


def test_an_index_that_isnt_needed_is_named_in_a_warning(caplog):
    changes = INDEXED | {"on": {"country": "code"}, "columns": ["countryname"]}
    it = Setup(table=by_name(INDIA, project=[]), **changes)

    with caplog.at_level(logging.WARNING):
        _, rows = it.look_up("IN")

    assert rows == {"IN": ("India", "IN")}
    assert "index 'by-name' isn't used" in caplog.text


def test_a_join_key_that_is_no_key_of_the_table_is_refused_with_what_to_do():
    it = Setup(on={"country": "countryname"}, columns=["code"], schema=SCHEMA)

    with pytest.raises(ReferenceTableError, match=r"'country' table 'countries': mode lookup needs.*mode: snapshot"):
        it.reference.current()


def test_two_columns_of_the_event_may_be_joined_with_one_attribute():
    it = Setup(on={"a": "code", "b": "code"}, event="a string, b string", schema=SCHEMA)

    _, rows = it.look_up(("IN", "IN"), ("FR", "IN"))

    # the join finds that the second doesn't match
    assert set(rows) == {"IN", "FR"}


def test_types_are_inferred_from_a_sample_with_a_warning_and_then_stay(caplog):
    it = Setup(country("IN", "India", area={"N": "1"}), columns=["area", "countryname"])
    with caplog.at_level(logging.WARNING):
        first, _ = it.look_up("IN")
    it.table.put(country("FR", "France", area={"N": "1.5"}))

    second, rows = it.look_up("IN", "FR")

    assert "types are inferred from a sample of 1,000 items at most" in caplog.text
    assert "Declare the reference's schema" in caplog.text
    (request,) = it.table.made("Scan")
    assert request["Limit"] == 1000
    assert to_ddl(first.types) == to_ddl(second.types) == "area bigint, countryname string, code string"
    # the sample belongs to the first batch
    assert (first.consumed_read_units, second.consumed_read_units) == (2, 1)
    assert rows == {"IN": (1, "India", "IN")}
    assert (second.metadata()["items"], second.metadata()["misfits"]) == (2, 1)


def test_an_item_that_doesnt_fit_is_named_once(caplog):
    it = Setup(country("IN", "India", area={"S": "large"}), columns=["area"], schema="code string, area bigint")
    with caplog.at_level(logging.WARNING):
        it.look_up("IN")
        it.look_up("IN")

    assert caplog.text.count("1 items do not fit the schema and match no event: code='IN': attribute 'area'") == 1


def test_inferred_types_outlive_a_restart_and_are_not_sampled_again():
    it = Setup(country("IN", "India", area={"N": "1.5"}), columns=["area"])
    before, _ = it.look_up("IN")
    it.table.put(country("IN", "India", area={"N": "2"}))
    it.table.calls.clear()

    after, rows = it.restart(before.metadata()).look_up("IN")

    assert after.types == before.types
    # still kept from before the restart: only the reference is a new one
    assert rows == {"IN": (Decimal("1.5"), "IN")}
    assert not it.table.made("Scan")


def test_a_declared_schema_comes_before_the_types_of_the_last_commit():
    before, _ = Setup(country("IN", "India", area={"N": "1"}), columns=["area"]).look_up("IN")
    it = Setup(country("IN", "India", area={"N": "1"}), columns=["area"], schema="area decimal(9,2), code string")
    it.reference.restore(before.metadata())

    assert to_ddl(it.look_up("IN")[0].types) == "area decimal(9,2), code string"


def test_a_keys_number_has_the_type_that_the_sample_has():
    table = FakeItemTable([{"code": {"N": "7.5"}, "countryname": {"S": "x"}}], key=(("code", "N"),))

    assert Setup(table=table, event="country double").look_up(7.5)[1] == {Decimal("7.5"): ("x", Decimal("7.5"))}


def test_types_of_other_columns_are_not_taken_over():
    before, _ = Setup(country("IN", "India", area={"N": "1.5"}), columns=["area"]).look_up("IN")
    it = Setup(columns=["countryname"])
    it.reference.restore(before.metadata())

    assert it.look_up("IN")[0].types.names == ["countryname", "code"]


def test_a_join_attribute_that_was_json_text_in_a_whole_snapshot_is_plain_text_here():
    it = Setup(table=by_name(INDIA), **INDEXED | {"schema": None})
    types = pa.schema([pa.field("code", pa.string()), pa.field("countryname", pa.string(), metadata=JSON_TEXT)])
    it.reference.restore({"version": 7, "types": to_spark(types).jsonValue(), "content_hash": "x"})

    snapshot, rows = it.look_up("India")

    assert (snapshot.version, rows) == (8, {"India": ("IN", "India")})


@pytest.mark.parametrize(("key_type", "found", "event"), [("S", "string", "string"), ("N", "bigint", "int")])
def test_an_empty_table_is_of_strings_but_for_the_key(key_type, found, event):
    it = Setup(table=FakeItemTable(key=(("code", key_type),)), event=f"country {event}")

    snapshot, rows = it.look_up("IN" if event == "string" else 7)

    assert to_ddl(snapshot.types) == f"countryname string, code {found}"
    assert rows == {}


def test_an_empty_table_with_a_binary_key_has_a_binary_key():
    it = Setup(table=FakeItemTable(key=(("code", "B"),)), event="country binary")

    assert to_ddl(it.look_up(b"\xff")[0].types) == "countryname string, code binary"


def test_a_sample_of_a_bounded_reference_costs_no_more_than_a_second_earns():
    items = [country(f"C{number}", "x") for number in range(100)]
    dynamodb = {"table_name": "countries", "max_read_units_per_second": 2}
    it = Setup(table=FakeItemTable(items, item_bytes=1024), dynamodb=dynamodb)
    it.reference.current()

    (request,) = it.table.made("Scan")
    assert request["Limit"] == 8


def test_a_sample_comes_from_the_index_if_one_is_looked_up():
    it = Setup(table=by_name(INDIA, {"code": {"N": "1"}} | {"code": {"S": "XX"}}), **INDEXED | {"schema": None})
    it.reference.current()

    (request,) = it.table.made("Scan")
    assert (request["IndexName"], request["ConsistentRead"]) == ("by-name", False)


def test_a_declared_schema_without_a_needed_attribute_is_refused_at_once():
    with pytest.raises(SchemaError, match="'area'"):
        Setup(columns=["area"], schema="code string")


def test_types_that_cant_be_compared_are_refused_as_the_join_refuses_them():
    it = Setup(schema=SCHEMA, event="country double")

    with pytest.raises(SchemaError, match="join country = code: the event's double can't be compared"):
        it.look_up(1.5)


def test_an_event_without_the_join_column_is_refused_as_the_join_refuses_it():
    it = Setup(schema=SCHEMA, event="land string")

    with pytest.raises(SchemaError, match="join country = code: there is no column 'country'"):
        it.look_up("IN")


@pytest.mark.parametrize(("cores", "partitions", "tasks"), [(1, 1, 1), (4, 2, 2), (2, 200, 2), (4, 4, 4)])
def test_keys_are_fetched_by_as_many_tasks_as_the_batch_is_worth_and_run_at_once(cores, partitions, tasks, monkeypatch):
    it = Setup(
        schema=SCHEMA,
        cores=cores,
        shuffle_partitions=partitions,
        dynamodb={"table_name": "countries", "max_read_units_per_second": 100_000},
    )
    seen = []
    repartition = FakeEvents.repartition
    monkeypatch.setattr(
        FakeEvents, "repartition", lambda self, n, *columns: seen.append(n) or repartition(self, n, *columns)
    )

    _, rows = it.look_up("IN", "FR", "nowhere")

    assert seen == [tasks]
    assert set(rows) == {"IN", "FR"}


@pytest.mark.parametrize("order", [1, -1])
def test_of_an_item_that_was_read_twice_the_later_answer_counts(order):
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    (fetching,) = it.fetchers
    fetched = [(pack(country("IN", "earlier")), 100.0), (pack(country("IN", "later")), 200.0)]

    assert list(newest(fetched[::order], fetching.target).values()) == [pack(country("IN", "later"))]


def test_an_item_that_two_tasks_read_is_one_row():
    table = FakeItemTable([{"code": {"N": "7"}, "countryname": {"S": "seven"}}], key=(("code", "N"),))
    it = Setup(
        table=table,
        cores=8,
        shuffle_partitions=8,
        schema="code string, countryname string",
        on_duplicate="fail",
        refresh={"interval_seconds": 0},
    )

    _, rows = it.look_up("7", "7.0", "7.00", "70e-1", "0.7e1", "7e0", "007")

    assert rows == {"7": ("seven", "7")}
    assert len(table.made("BatchGetItem")) > 1


def test_a_first_read_that_fails_stops_the_batch_and_says_whether_to_try_again():
    for error, retryable in ((client_error("AccessDeniedException", "BatchGetItem"), False), (throttled(), True)):
        it = Setup(schema=SCHEMA)
        it.reference.current()
        it.fail(error)

        with pytest.raises(ReferenceTableError, match="'countries' in region") as raised:
            it.look_up("IN")

        assert raised.value.retryable is retryable
        assert not isinstance(raised.value, StaleReferenceError)


def test_a_table_that_cant_be_described_at_first_is_described_by_the_next_batch():
    it = Setup(schema=SCHEMA)
    it.fail(throttled("DescribeTable"))
    with pytest.raises(ReferenceTableError, match="DescribeTable was throttled"):
        it.reference.current()
    it.recover()

    snapshot, rows = it.look_up("IN")

    assert (snapshot.version, set(rows)) == (1, {"IN"})


def test_while_the_table_cant_be_read_what_is_known_is_used_with_a_warning_until_it_is_too_old(caplog):
    it = Setup(schema=SCHEMA)
    it.look_up("IN", "nowhere")
    it.fail()

    with caplog.at_level(logging.WARNING):
        stale, rows = it.look_up("IN", "nowhere", after=60)
    assert rows == {"IN": ("India", "IN")}
    assert (stale.as_of, stale.failures, it.reference.refresh_failures) == (NOON, 1, 1)
    assert (
        "reference 'country': 2 join keys could not be read again, what was read up to 60 s ago is used" in caplog.text
    )
    assert "allowed are 300 s" in caplog.text
    assert "denied" in caplog.text

    assert it.look_up("IN", after=240)[0].failures == 2
    with pytest.raises(StaleReferenceError) as raised:
        it.look_up("IN", after=0.5)
    text = str(raised.value)
    assert (
        "reference 'country' table 'countries': 1 join keys were last read up to 300 s ago, allowed are 300 s" in text
    )
    assert "denied" in text
    assert "refresh.max_staleness_seconds" in text


def test_a_key_that_was_never_read_cant_be_stale():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.fail()

    with pytest.raises(ReferenceTableError, match="denied") as raised:
        it.look_up("IN", "FR", after=1000)

    assert not isinstance(raised.value, StaleReferenceError)


def test_of_several_failures_the_one_that_no_repetition_mends_is_raised():
    table = FakeItemTable([country(f"C{number}", "x") for number in range(50)])
    it = Setup(table=table, schema=SCHEMA, cores=4, shuffle_partitions=4)
    errors = iter([throttled()] * 5 + [client_error("AccessDeniedException", "BatchGetItem")] + [throttled()] * 99)
    it.reference.current()
    table.fault = lambda operation, request: next(errors)

    with pytest.raises(ReferenceTableError, match="denied") as raised:
        it.look_up(*(f"C{number}" for number in range(50)))

    assert not raised.value.retryable


def test_a_read_that_succeeds_again_ends_the_staleness():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.fail()
    it.look_up("IN", after=60)
    it.recover()

    snapshot, _ = it.look_up("IN", after=10)

    assert (snapshot.failures, it.reference.refresh_failures) == (0, 0)
    assert snapshot.as_of == NOON + timedelta(seconds=70)


def test_a_batch_that_only_used_what_is_kept_says_nothing_of_the_table():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.look_up("FR", after=50)
    it.fail()
    it.look_up("IN", after=30)

    assert it.look_up("FR")[0].failures == 1


def test_a_frame_is_freed_only_after_the_batch_in_hand():
    it = Setup(schema=SCHEMA)
    sides = []
    for _ in range(3):
        snapshot, _ = it.look_up("IN")
        sides.append(snapshot.found.frame)

    assert [side.is_freed for side in sides] == [True, False, False]
    it.reference.close()
    assert all(side.is_freed for side in sides)
    assert it.look_up("IN")[0].version == 4


def test_log_lines_say_what_a_lookup_came_to(caplog):
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    with caplog.at_level(logging.INFO):
        it.look_up("IN", "FR")

    assert "reference=country version=2 keys=2 cached_keys=1 stale_keys=0 calls=1 items=2 rows=2" in caplog.text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
# What a table can hold and an event can have, written in several ways.
NUMBERS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**6), 10**6), st.integers(-6, 6)
)


@hypothesis_settings(deadline=None)
@given(st.data(), st.dictionaries(st.tuples(TEXTS.filter(bool), NUMBERS), TEXTS), st.integers(1, 3))
def test_rows_found_are_those_that_a_dict_of_the_table_has_for_any_keys(data, content, tasks):
    items = [{"a": {"S": a}, "b": {"N": str(b)}, "found": {"S": found}} for (a, b), found in content.items()]
    parts = [st.sampled_from(sorted(part)) if part else st.nothing() for part in map(set, zip(*content, strict=True))]
    known = st.tuples(*parts) if content else st.nothing()
    anything = st.tuples(st.none() | TEXTS, st.none() | NUMBERS)
    events = data.draw(st.lists(known | anything, max_size=12))
    it = Setup(
        table=FakeItemTable(items, key=(("a", "S"), ("b", "N"))),
        on={"y": "b", "x": "a"},
        event="x string, y decimal(38,12)",
        columns=["found"],
        schema="a string, b decimal(38,12), found string",
        cores=tasks,
        shuffle_partitions=tasks,
    )

    snapshot = it.reference.current()
    before, fetch_module.fetcher = fetch_module.fetcher, it.fetcher
    try:
        side = snapshot.side(it.events(*events))
    finally:
        fetch_module.fetcher = before

    assert {(a, b): found for found, b, a in side.rows} == {key: content[key] for key in events if key in content}
    assert snapshot.consumed_read_units == len({(a, b) for a, b in events if a and b is not None})


KEYS = st.sampled_from(["", "A", "B", "C", "D", "E", "é", "x" * 2049, None])


@hypothesis_settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("batch"), st.lists(KEYS, max_size=8)),
            st.tuples(st.just("put"), st.sampled_from("ABCDE"), st.integers(0, 9)),
            st.tuples(st.just("delete"), st.sampled_from("ABCDE")),
            st.tuples(st.just("wait"), st.sampled_from([1, 30, 60, 400])),
            st.tuples(st.just("fault"), st.sampled_from(["none", "throttled", "denied", "partial"])),
            st.tuples(st.just("restart")),
        ),
        max_size=25,
    ),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_rows_are_those_of_the_table_as_it_was_no_longer_ago_than_allowed(steps, tasks, max_cached_items):
    """The oracle: every content that the table had, with the time until which it had it."""
    it = Setup(
        table=FakeItemTable(),
        schema="code string, countryname string",
        cores=tasks,
        shuffle_partitions=tasks,
        max_cached_items=max_cached_items,
    )
    content, history = {}, {key: [(0.0, None)] for key in "ABCDE"}
    version, metadata, is_failing, failed_at = 0, None, False, 0.0

    def change(key, name):
        content[key] = name
        history[key].append((it.clock(), name))

    for step in steps:
        # no two things happen at one time
        it.clock.advance(0.001)
        match step:
            case ("put", key, number):
                it.table.put(country(key, str(number)))
                change(key, str(number))
            case ("delete", key) if content.get(key) is not None:
                it.table.delete(code={"S": key})
                change(key, None)
            case ("wait", seconds):
                it.clock.advance(seconds)
            case ("fault", kind):
                errors = {"throttled": throttled(), "denied": client_error("AccessDeniedException", "BatchGetItem")}
                error = errors.get(kind)
                is_failing = error is not None
                it.table.fault = lambda op, _, error=error: error if op == "BatchGetItem" else None
                it.table.processed = (lambda keys: (keys + 1) // 2) if kind == "partial" else (lambda keys: keys)
            case ("restart",) if metadata is not None:
                it = it.restart(metadata)
            case ("batch", keys):
                if is_failing:
                    failed_at = it.clock()
                try:
                    snapshot, rows = it.look_up(*keys)
                except ReferenceTableError:
                    assert is_failing
                    continue
                assert snapshot.version > version
                version = snapshot.version
                metadata = snapshot.metadata()
                oldest = snapshot.as_of.timestamp()
                # right after a failure the table is left alone
                allowed_seconds = 300 if it.clock() - failed_at < RETRY_SECONDS else 60
                assert it.clock() - oldest <= allowed_seconds
                for key in set(keys) & set("ABCDE"):
                    found = rows[key][0] if key in rows else None
                    # what the key had at any time since the snapshot's age
                    before = [name for at, name in history[key] if at <= oldest][-1]
                    assert found in {before, *(name for at, name in history[key] if at >= oldest)}
                    if oldest == it.clock():
                        assert found == content.get(key)
                assert set(rows) <= {key for key in keys if key}
