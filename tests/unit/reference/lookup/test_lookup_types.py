"""Types: declared, from a sample of the table or from the last commit."""

import logging
from decimal import Decimal

import pyarrow as pa
import pytest

from streamjoin.dynamodb.attribute_types import JSON_TEXT
from streamjoin.errors import ReferenceTableError, SchemaError
from streamjoin.schema.ddl import to_ddl
from streamjoin.spark.schema import to_spark
from tests.faults.lookup import FakeItemTable
from tests.faults.reference import country
from tests.unit.reference.lookup.looked_up_reference import INDEXED, INDIA, Setup, by_name


def test_types_are_inferred_from_a_sample_with_a_warning_and_then_stay(caplog):
    it = Setup(country("IN", "India", area={"N": "1"}), columns=["area", "countryname"])
    with caplog.at_level(logging.WARNING):
        first, _ = it.look_up("IN")
    it.table.put(country("FR", "France", area={"N": "9.99"}))
    it.table.put(country("US", "United States", area={"S": "large"}))

    second, rows = it.look_up("IN", "FR", "US")

    assert "types are inferred from a sample of 1,000 items at most" in caplog.text
    assert "Declare the reference's schema" in caplog.text
    (request,) = it.table.made("Scan")
    assert request["Limit"] == 1000
    assert to_ddl(first.types) == to_ddl(second.types) == "area decimal(38,18), countryname string, code string"
    # the sample belongs to the first batch
    assert (first.consumed_read_units, second.consumed_read_units) == (2, 2)
    assert rows == {
        "IN": (1, "India", "IN"),
        "FR": (Decimal("9.99"), "France", "FR"),
        "US": (None, "United States", "US"),
    }
    found = second.metadata()
    assert (found["items"], found["misfits"], found["misfit_values"]) == (3, 0, {"area": 1})


def test_a_value_that_doesnt_fit_is_null_and_named_once_or_stops_the_job(caplog):
    large, options = (
        country("IN", "India", area={"S": "large"}),
        {"columns": ["area"], "schema": "code string, area int"},
    )
    it = Setup(large, **options)
    with caplog.at_level(logging.WARNING):
        assert it.look_up("IN")[1] == {"IN": (None, "IN")}
        it.look_up("IN")

    assert (
        caplog.text.count("values of 1 items do not fit their columns and are null: code='IN': attribute 'area'") == 1
    )
    with pytest.raises(ReferenceTableError, match="code='IN': attribute 'area' of type S does not fit int"):
        Setup(large, **options, on_misfit="fail").look_up("IN")


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
