"""Which keys a reference can be looked up by."""

import logging

import pytest

from streamjoin.errors import ReferenceTableError, SchemaError
from tests.faults.lookup import FakeItemTable
from tests.faults.reference import country
from tests.unit.reference.lookup.looked_up_reference import FRANCE, INDEXED, INDIA, SCHEMA, Setup, by_name


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


def test_types_that_cant_be_compared_are_refused_as_the_join_refuses_them():
    it = Setup(schema=SCHEMA, event="country double")

    with pytest.raises(SchemaError, match="join country = code: the event's double can't be compared"):
        it.look_up(1.5)


def test_an_event_without_the_join_column_is_refused_as_the_join_refuses_it():
    it = Setup(schema=SCHEMA, event="land string")

    with pytest.raises(SchemaError, match="join country = code: there is no column 'country'"):
        it.look_up("IN")
