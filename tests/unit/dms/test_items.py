from decimal import Decimal
from pathlib import Path

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dms import RowRejected, SourceColumn, SourceTable, TableMappings
from tests.unit.dms.rules import TEXT_ROW, K, attribute, mapping, parsed, selection, source

COUNTRY = Path(__file__).parents[3] / "conf" / "dms" / "country_lookup.json"
COLUMNS = ("code", "countryname", "combinedname")
COUNTRY_TABLE = SourceTable(
    "sales", "country_lookup_table", tuple(SourceColumn(name, K.TEXT) for name in COLUMNS), ("code",)
)
VALUES = {
    K.INTEGER: st.integers(-(2**63), 2**64 - 1),
    K.BIT: st.integers(0, 2**64 - 1),
    K.DECIMAL: st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=10),
    K.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    K.BINARY: st.binary(max_size=40),
    K.DATE: st.sampled_from(["0000-00-00", "2024-02-29"]),
    K.TIME: st.sampled_from(["-838:59:59", "00:00:00.000001"]),
}
KINDS = list(K)


def rejected(rules, table, row):
    with pytest.raises(RowRejected) as error:
        parsed(*rules).for_table(table).item(row)
    return error.value


@st.composite
def tables_and_rows(draw):
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    columns = {f"c{at}": kind for at, kind in enumerate(kinds)}
    values = {name: st.none() | VALUES.get(kind, st.text(max_size=20)) for name, kind in columns.items()}
    return source(primary_key=("c0",), **columns), draw(st.fixed_dictionaries(values))


def test_the_country_example_maps_code_and_name_to_the_key():
    mappings = TableMappings.parse(COUNTRY.read_text(), str(COUNTRY))
    assert mappings.selects("sales", "country_lookup_table")
    found = mappings.for_table(COUNTRY_TABLE)
    row = {"code": "IN", "countryname": "India", "combinedname": "IN-India"}
    assert found.target_table == "tgt_country_lookup_table"
    assert dict(found.key_types) == {"code": "S", "countryname": "S"}
    assert found.item(row) == {name: {"S": value} for name, value in row.items()}
    assert found.key(row) == {"code": {"S": "IN"}, "countryname": {"S": "India"}}


def test_a_selected_table_without_a_mapping_becomes_one_of_its_own_name_and_key():
    found = parsed(selection()).for_table(source())
    assert (found.target_table, found.partition_key, found.sort_key) == ("person", "id", None)
    assert dict(found.key_types) == {"id": "N"}
    assert found.item(TEXT_ROW) == {"id": {"N": "1"}, "first": {"S": "Ada"}, "last": {"S": "Lovelace"}}


def test_columns_that_are_null_are_not_in_the_item():
    assert "phone" not in parsed(selection()).for_table(source()).item(TEXT_ROW)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (K.INTEGER, -5, {"N": "-5"}),
        (K.BIT, 5, {"N": "5"}),
        (K.DECIMAL, Decimal("12.50"), {"N": "12.5"}),
        (K.FLOAT, 0.1, {"N": "0.1"}),
        (K.TEXT, "", {"S": ""}),
        (K.ENUM, "red", {"S": "red"}),
        (K.SET, "a,b", {"S": "a,b"}),
        (K.JSON, '{"a": 1}', {"S": '{"a": 1}'}),
        (K.BINARY, b"\x00\xff", {"B": b"\x00\xff"}),
        (K.DATE, "0000-00-00", {"S": "0000-00-00"}),
        (K.TIME, "-01:00:00.5", {"S": "-01:00:00.5"}),
        (K.DATETIME, "2024-01-01 00:00:00", {"S": "2024-01-01 00:00:00"}),
        (K.TIMESTAMP, "2024-01-01 00:00:00", {"S": "2024-01-01 00:00:00"}),
    ],
)
def test_a_column_becomes_an_attribute_of_its_type(kind, value, expected):
    found = parsed(selection()).for_table(source(id=K.INTEGER, value=kind))
    assert found.item({"id": 1, "value": value})["value"] == expected


def test_map_record_to_document_puts_the_columns_into_one_map():
    rule = mapping(
        document=True,
        partition_key_name="name",
        exclude_columns=["first", "last"],
        attribute_mappings=[attribute("name", "${first} ${last}")],
    )
    item = parsed(selection(), rule).for_table(source()).item({**TEXT_ROW, "phone": "1"})
    assert item == {"name": {"S": "Ada Lovelace"}, "_doc": {"M": {"id": {"N": "1"}, "phone": {"S": "1"}}}}


def test_the_key_of_a_document_stands_beside_it_too():
    item = parsed(selection(), mapping(document=True)).for_table(source()).item(TEXT_ROW)
    assert item["id"] == {"N": "1"}
    assert item["_doc"]["M"]["id"] == {"N": "1"}


def test_excluded_columns_make_no_attribute_but_may_be_used_in_a_mapping():
    rule = mapping(
        partition_key_name="id", exclude_columns=["first", "last"], attribute_mappings=[attribute("name", "${first}")]
    )
    item = parsed(selection(), rule).for_table(source()).item(TEXT_ROW)
    assert item == {"id": {"N": "1"}, "name": {"S": "Ada"}}


def test_a_mapping_of_a_columns_name_takes_its_place():
    rule = mapping(partition_key_name="id", attribute_mappings=[attribute("id", "P${id}")])
    found = parsed(selection(), rule).for_table(source())
    assert found.item(TEXT_ROW)["id"] == {"S": "P1"}
    assert dict(found.key_types) == {"id": "S"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "MISSING_KEY"),
        ("", "EMPTY_KEY"),
        ("x" * 2049, "KEY_TOO_LONG"),
        ("ä" * 1025, "KEY_TOO_LONG"),
        ("\ud800", "NOT_TEXT"),
    ],
)
def test_a_row_without_a_key_is_rejected(value, reason):
    table = source(id=K.TEXT)
    error = rejected([selection()], table, {"id": value})
    assert error.reason == reason
    assert "of table 'shop.person' for 'person'" in error.detail
    with pytest.raises(RowRejected):
        parsed(selection()).for_table(table).key({"id": value})


def test_a_sort_key_may_have_half_the_bytes():
    rules = [selection(), mapping(partition_key_name="id", sort_key_name="first")]
    row = {**TEXT_ROW, "first": "x" * 1024}
    assert parsed(*rules).for_table(source()).key(row)["first"] == {"S": "x" * 1024}
    assert rejected(rules, source(), {**row, "first": "x" * 1025}).reason == "KEY_TOO_LONG"


def test_a_row_of_more_than_400_kilobytes_is_rejected():
    table = source(id=K.INTEGER, first=K.TEXT, last=K.TEXT)
    largest = 400 * 1024 - len("idfirstlast") - 40 - len("_binlog_job") - 255
    found = parsed(selection()).for_table(table)
    assert found.item({"id": 1, "first": "x" * largest, "last": None})
    assert (
        rejected([selection()], table, {"id": 1, "first": "x" * largest, "last": "y" * 40}).reason == "ITEM_TOO_LARGE"
    )


def test_a_decimal_with_more_digits_than_dynamodb_has_is_rejected_unless_it_is_mapped_to_text():
    table, row = source(id=K.INTEGER, price=K.DECIMAL), {"id": 1, "price": Decimal("1" * 39 + ".50")}
    assert rejected([selection()], table, row).reason == "NUMBER_TOO_PRECISE"
    rule = mapping(attribute_mappings=[attribute("price", "${price}")])
    assert parsed(selection(), rule).for_table(table).item(row)["price"] == {"S": "1" * 39 + ".50"}


def test_a_key_with_all_columns_of_the_primary_key_means_one_item_for_each_row():
    whole = mapping(partition_key_name="id", sort_key_name="first")
    part = mapping(partition_key_name="first")
    assert parsed(selection(), whole).for_table(source()).one_item_a_row
    assert not parsed(selection(), part).for_table(source()).one_item_a_row
    assert not parsed(selection(), whole).for_table(source(primary_key=())).one_item_a_row


@given(tables_and_rows(), st.booleans())
def test_any_row_becomes_an_item_that_reads_back_or_is_rejected(table_and_row, document):
    table, row = table_and_row
    rules = [selection(), mapping(document=document)]
    found = parsed(*rules).for_table(table)
    try:
        item = found.item(row)
    except RowRejected as error:
        assert error.reason in {"MISSING_KEY", "EMPTY_KEY", "NUMBER_OUT_OF_RANGE", "KEY_TOO_LONG"}
        return
    assert found.key(row) == {name: item[name] for name in found.key_types}
    assert {name: next(iter(value)) for name, value in found.key(row).items()} == dict(found.key_types)
    read = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    columns = read["_doc"] if document else read
    for name, value in row.items():
        if value is None:
            assert name not in columns
        elif isinstance(value, float):
            assert float(columns[name]) == value
        else:
            assert columns[name] == value


def test_decimals_that_are_equal_are_one_key():
    found = parsed(selection()).for_table(source(id=K.DECIMAL))
    assert found.key({"id": Decimal("1.50")}) == found.key({"id": Decimal("1.5")})
