import random
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest

from streamjoin.dynamodb.table import KeyAttribute, TableDescription
from streamjoin.errors import ReferenceTableError, SchemaError
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, infer_types
from streamjoin.reference.followed.layout import check_types, lay_out
from streamjoin.reference.followed.rows import build_rows
from streamjoin.schema.ddl import parse_schema, to_ddl
from streamjoin.spark.schema import to_spark
from tests.faults.reference import country, packed

TABLE = TableDescription("countries", (KeyAttribute("code", "S"),))
ON, COLUMNS = {"country": "countryname"}, {"code": "country_code"}


def rows_of(items, *, on=ON, columns=COLUMNS, types=None, table=TABLE, fail_on_duplicate=False, fail_on_misfit=False):
    layout = lay_out(on, columns)
    return build_rows(
        packed(items, table),
        table,
        layout,
        types or infer_types(items, layout, NOTHING_KNOWN),
        fail_on_duplicate=fail_on_duplicate,
        fail_on_misfit=fail_on_misfit,
    )


def test_a_row_has_the_output_columns_and_the_join_key():
    rows = rows_of([country("IN", "India"), country("FR", "France")])

    assert rows.table.to_pylist() == [
        {"country_code": "IN", "countryname": "India"},
        {"country_code": "FR", "countryname": "France"},
    ]
    assert to_ddl(rows.table.schema) == "country_code string, countryname string"
    assert (rows.duplicates, rows.misfits, rows.without_key, rows.warnings) == (0, 0, 0, ())


@pytest.mark.parametrize(
    ("on", "columns", "join_columns", "names"),
    [
        ({"a": "key"}, {"x": "out"}, {"a": "key"}, ["out", "key"]),
        # one attribute under one name, compared and added
        ({"a": "key"}, {"key": "key"}, {"a": "key"}, ["key"]),
        # one attribute under two names
        ({"a": "key"}, {"key": "out"}, {"a": "key"}, ["out", "key"]),
        # the join attribute's name is taken by another attribute, or taken but for case
        ({"a": "key"}, {"x": "key"}, {"a": "key_key"}, ["key", "key_key"]),
        ({"a": "key"}, {"x": "KEY"}, {"a": "key_key"}, ["KEY", "key_key"]),
        ({"a": "key", "b": "KEY"}, {}, {"a": "key", "b": "KEY_key"}, ["key", "KEY_key"]),
        # two event columns, one attribute
        ({"a": "key", "b": "key"}, {}, {"a": "key", "b": "key"}, ["key"]),
    ],
)
def test_every_column_has_a_name_of_its_own(on, columns, join_columns, names):
    layout = lay_out(on, columns)

    assert layout.on == join_columns
    assert list(layout.columns) == names
    assert layout.outputs == tuple(columns.values())
    for event_column, attribute in on.items():
        assert layout.columns[layout.on[event_column]] == attribute


def test_of_two_items_with_one_join_key_the_lowest_primary_key_counts_in_any_order():
    items = [country(code, "India") for code in ("IX", "IN", "IO")] + [country("FR", "France")]
    for seed in range(6):
        shuffled = random.Random(seed).sample(items, len(items))

        rows = rows_of(shuffled)

        found = {row["countryname"]: row["country_code"] for row in rows.table.to_pylist()}
        assert found == {"India": "IN", "France": "FR"}
        assert rows.duplicates == 1
        assert len(rows.warnings) == 1
        assert "1 join keys have more than one item" in rows.warnings[0]
        assert "countryname='India' has code='IN' before code='I" in rows.warnings[0]


def test_the_lowest_primary_key_is_by_number_if_the_key_is_one():
    table = TableDescription("t", (KeyAttribute("code", "S"), KeyAttribute("year", "N")))
    items = [country("IN", "India", year={"N": year}) for year in ("10", "9")]

    rows = rows_of(items, columns={"year": "year"}, table=table)

    assert [row["year"] for row in rows.table.to_pylist()] == [9]


def test_duplicates_fail_if_they_are_not_allowed_and_both_items_are_named():
    items = [country("IX", "India"), country("IN", "India")]

    with pytest.raises(
        ReferenceTableError, match=r"countryname='India'.*code='IN' and code='IX'.*on_duplicate"
    ) as raised:
        rows_of(items, fail_on_duplicate=True)

    assert not raised.value.retryable


def test_items_without_a_join_key_have_no_row_and_are_no_duplicates():
    items = [{"code": {"S": "A"}}, {"code": {"S": "B"}, "countryname": {"NULL": True}}, {"code": {"S": "C"}}]

    rows = rows_of([*items, country("D", "")], fail_on_duplicate=True)

    assert rows.table.to_pylist() == [{"country_code": "D", "countryname": ""}]
    assert (rows.without_key, rows.duplicates) == (3, 0)


def test_a_composite_key_needs_all_of_its_parts():
    on = {"a": "x", "b": "y"}
    items = [
        {"code": {"S": "1"}, "x": {"S": "k"}, "y": {"N": "1"}},
        {"code": {"S": "2"}, "x": {"S": "k"}, "y": {"N": "2"}},
        {"code": {"S": "3"}, "x": {"S": "k"}},
    ]

    rows = rows_of(items, on=on)

    assert [row["country_code"] for row in rows.table.to_pylist()] == ["1", "2"]
    assert (rows.duplicates, rows.without_key) == (0, 1)


TYPES = "code string, countryname string, area decimal(5,2)"


def test_an_item_whose_join_key_doesnt_fit_is_counted_and_named_and_its_neighbours_are_rows():
    items = [country(f"C{n}", "?") | {"countryname": {"M": {}}} for n in range(4)] + [country("OK", "ok")]

    rows = rows_of(items, types=parse_schema(TYPES))

    assert rows.table.to_pylist() == [{"country_code": "OK", "countryname": "ok"}]
    assert (rows.misfits, rows.misfit_values) == (4, {"countryname": 4})
    (warning,) = rows.warnings
    assert "4 items do not fit the schema and match no event" in warning
    assert all(f"code='C{n}': attribute 'countryname' of type M does not fit string" in warning for n in range(3))
    assert "C3" not in warning


@pytest.mark.parametrize(
    ("type_", "bad", "good", "found"),
    [
        ("bigint", {"N": "9.99"}, {"N": "7"}, 7),
        ("decimal(5,2)", {"N": "1.234"}, {"N": "1.5"}, Decimal("1.50")),
        ("decimal(5,2)", {"S": "1.5"}, {"N": "1.5"}, Decimal("1.50")),
        ("boolean", {"S": "true"}, {"BOOL": True}, True),
        ("date", {"S": "soon"}, {"S": "2026-01-31"}, date(2026, 1, 31)),
        ("struct<x: int>", {"M": {"x": {"S": "?"}}}, {"M": {"x": {"N": "1"}}}, {"x": 1}),
        ("array<int>", {"L": [{"N": "1"}, {"N": "1.5"}]}, {"L": [{"N": "1"}]}, [1]),
    ],
)  # fmt: skip
def test_a_value_that_doesnt_fit_is_null_alone_counted_by_its_column_and_named(type_, bad, good, found):
    items = [country("A", "a", x=bad, y={"S": "beside"}), country("B", "b", x=good)]
    types = parse_schema(f"code string, countryname string, x {type_}, y string")

    rows = rows_of(items, columns={"x": "price", "y": "y"}, types=types)

    assert [(row["price"], row["y"]) for row in rows.table.to_pylist()] == [(None, "beside"), (found, None)]
    assert (rows.misfits, rows.misfit_values) == (0, {"price": 1})
    (warning,) = rows.warnings
    assert "values of 1 items do not fit their columns and are null: code='A': attribute 'x" in warning
    with pytest.raises(ReferenceTableError, match=r"'countries': code='A': attribute 'x.*on_misfit") as raised:
        rows_of(items, columns={"x": "price", "y": "y"}, types=types, fail_on_misfit=True)
    assert not raised.value.retryable


def test_an_item_whose_join_key_doesnt_fit_stops_the_job_too_if_that_is_asked_for():
    with pytest.raises(ReferenceTableError, match="code='A': attribute 'countryname' of type M does not fit string"):
        rows_of([country("A", "") | {"countryname": {"M": {}}}], types=parse_schema(TYPES), fail_on_misfit=True)


def test_no_items_give_no_rows_with_the_right_columns():
    rows = rows_of([])

    assert rows.table.num_rows == 0
    assert rows.table.column_names == ["country_code", "countryname"]


def test_the_hash_is_of_the_rows_not_of_their_order():
    items = [
        country(f"C{n}", f"n{n}", tags={"SS": ["b", "a"]}, m={"M": {"x": {"N": "1"}, "y": {"S": ""}}}) for n in range(9)
    ]
    again = [
        country(f"C{n}", f"n{n}", tags={"SS": ["a", "b"]}, m={"M": {"y": {"S": ""}, "x": {"N": "1"}}}) for n in range(9)
    ]
    columns = {"code": "code", "tags": "tags", "m": "m"}
    declared = parse_schema("code string, countryname string, tags array<string>, m map<string,string>")

    for types in (None, declared):
        first, second = (rows_of(each, columns=columns, types=types) for each in (items, again[::-1]))
        assert first.content_hash == second.content_hash


def test_the_hash_tells_any_change():
    def hash_of(*items, **options):
        return rows_of(list(items), **options).content_hash

    base = country("IN", "India")
    hashes = [
        hash_of(base),
        hash_of(country("IN", "india")),
        hash_of(country("", "India")),
        hash_of(base, country("FR", "France")),
        hash_of(base, columns={"code": "other_name"}),
        hash_of(country("1", "India"), types=parse_schema("code string, countryname string")),
        hash_of(country("1", "India"), columns={"code": "country_code", "none": "n"}),
    ]

    assert len(set(hashes)) == len(hashes)


def test_the_hash_is_the_same_on_every_machine():
    assert rows_of([country("IN", "India")]).content_hash == "e23fca3e4f92fa04e89b7f8919b06603"


def test_a_schema_without_a_needed_attribute_is_refused():
    with pytest.raises(
        SchemaError, match=r"reference 'country': the schema has no 'countryname'; it has 'code', 'CountryName'"
    ):
        check_types(
            lay_out(ON, COLUMNS),
            parse_schema("code string, CountryName string"),
            "country",
        )


def test_a_nested_join_attribute_is_refused():
    with pytest.raises(SchemaError, match="join attribute 'countryname' is array<string>"):
        check_types(lay_out(ON, COLUMNS), parse_schema("code string, countryname array<string>"), "country")


def test_a_commit_says_of_rows_and_types_what_it_said_before_types_were_arrows():
    items = [
        {"code": {"S": "IN"}, "area": {"N": "1.5"}, "n": {"N": "7"}, "tags": {"SS": ["b", "a"]}, "f": {"BOOL": True}},
        {"code": {"S": "FR"}, "area": {"N": "2"}, "tags": {"M": {"x": {"N": "1"}}}, "b": {"B": b"\x00\xff"}},
    ]
    layout = lay_out({"country": "code"}, {name: name for name in ("area", "n", "tags", "b", "f")})
    # A whole number was a bigint then, and is where an earlier version wrote the types into the commit.
    types = pa.schema(
        [each if each.name != "n" else each.with_type(pa.int64()) for each in infer_types(items, layout, NOTHING_KNOWN)]
    )

    rows = build_rows(packed(items, TABLE), TABLE, layout, types, fail_on_duplicate=True, fail_on_misfit=True)

    assert rows.content_hash == "235f4ee964328cc2d604f104bc4df8c3"
    assert to_spark(types).jsonValue()["fields"] == [
        {"name": "area", "type": "decimal(38,18)", "nullable": True, "metadata": {}},
        {"name": "n", "type": "long", "nullable": True, "metadata": {}},
        {"name": "tags", "type": "string", "nullable": True, "metadata": {"streamjoin.text": "json"}},
        {"name": "b", "type": "binary", "nullable": True, "metadata": {}},
        {"name": "f", "type": "boolean", "nullable": True, "metadata": {}},
        {"name": "code", "type": "string", "nullable": True, "metadata": {}},
    ]
