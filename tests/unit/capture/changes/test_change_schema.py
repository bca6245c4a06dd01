from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.capture.changes.read import Images
from streamjoin.capture.changes.rows import RowMaker
from streamjoin.capture.changes.schema import columns_in_table, needed_columns, needs_of, widened
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.records.values import Rejected
from streamjoin.schema.ddl import parse_schema, to_ddl
from tests.changes.samples import typed_item
from tests.item_values import ITEMS, NUMBERS


def layout_of(columns: str | pa.Schema, **options: Any) -> ChangeLayout:
    schema = parse_schema(columns) if isinstance(columns, str) and columns else columns or pa.schema([])
    return ChangeLayout("current", schema, "evolve", **options)


def grown(columns: str | pa.Schema, *items: dict[str, Any], **options: Any) -> str:
    """Return the columns after a batch, as text."""
    layout = layout_of(columns, **options)
    found = needed_columns(needs_of(typed_item(item) for item in items), layout)
    return to_ddl(widened(layout.columns, found))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], "bigint"),
        ([1, Decimal("1.5")], "decimal(38,18)"),
        ([2**63], "decimal(38,0)"),
        ([Decimal(10**30), Decimal("0.5")], "decimal(38,7)"),
        ([Decimal("1E-130")], "string"),
        (["x", None], "string"),
        ([True], "boolean"),
        ([b"x"], "binary"),
        ([[1]], "string"),
        ([{"b": 1}], "string"),
        ([{1, 2}], "string"),
        ([1, "x"], "string"),
    ],
)
def test_a_new_attribute_gets_the_type_that_holds_its_values(values: list[Any], expected: str) -> None:
    assert grown("", *({"a": value} for value in values)) == f"a {expected}"


def test_an_attribute_with_nulls_only_makes_no_column_yet() -> None:
    assert grown("", {"a": None}) == ""


@pytest.mark.parametrize(
    ("there", "value", "expected"),
    [
        ("int", 5, "int"),
        ("int", 2**31 - 1, "int"),
        ("int", 2**31, "bigint"),
        ("smallint", -(2**15) - 1, "bigint"),
        ("bigint", 2**63, "decimal(38,0)"),
        ("bigint", Decimal("1.5"), "decimal(38,18)"),
        ("bigint", Decimal(10) ** -25, "bigint"),
        ("decimal(10,2)", 12345678, "decimal(10,2)"),
        ("decimal(10,2)", 123456789, "decimal(38,18)"),
        ("decimal(10,2)", Decimal("1.234"), "decimal(38,18)"),
        ("decimal(38,18)", Decimal(10**25), "decimal(38,18)"),
        ("decimal(38,0)", Decimal("0.5"), "decimal(38,0)"),
        ("bigint", "x", "bigint"),
        ("string", 5, "string"),
        ("string", b"x", "string"),
        ("boolean", 5, "boolean"),
        ("double", Decimal("0.1"), "double"),
        ("timestamp", "2026-01-31", "timestamp"),
    ],
)
def test_a_type_widens_if_it_can_and_stays_if_it_cant(there: str, value: Any, expected: str) -> None:
    assert grown(f"a {there}", {"a": value}) == f"a {expected}"


def test_a_text_among_numbers_doesnt_keep_a_column_of_numbers_from_growing() -> None:
    assert grown("a int", {"a": "x"}, {"a": 2**40}) == "a bigint"


def test_of_attributes_that_differ_in_case_one_becomes_a_column() -> None:
    assert grown("", {"name": "x", "Name": "y"}) == "Name string"
    assert grown("name string", {"Name": "y"}) == "name string"
    assert grown("", {"name": "x", "b": 1}, rename={"b": "NAME"}) == "b bigint"


@pytest.mark.parametrize(
    "attribute",
    ["order-id", "1st", "größe", "", "_Order", "_hoodie_x", "_RECORD", "dt", "_attributes", "x" * 256, "PK", "Id"],
)
def test_an_attribute_whose_name_no_column_can_have_makes_none(attribute: str) -> None:
    options: dict[str, Any] = {"drop": frozenset({"PK"}), "record_key": ("id",)}

    assert grown("", {attribute: "x", "a": "x"}, partition_by=(PartitionColumn("dt", "a"),), **options) == "a string"


def test_an_attribute_may_be_called_as_a_changelogs_column_if_there_is_none() -> None:
    assert grown("", {"operation": "x"}) == "operation string"


def test_a_table_tells_what_has_evolved() -> None:
    layout = layout_of("n int, s string", rename={"n": "number", "x": "extra"}, record_key=("id",))
    table = parse_schema(
        "number bigint, s string, id string, extra boolean, y decimal(38,18), _attributes string, _item_key string, "
        "_order string, _hoodie_is_deleted boolean"
    )

    evolved = columns_in_table(layout, table)

    assert to_ddl(evolved) == "n bigint, s string, x boolean, y decimal(38,18)"
    assert columns_in_table(layout, pa.schema([])) == layout.columns


@given(
    st.lists(st.lists(st.dictionaries(st.sampled_from("ab"), NUMBERS.map(lambda n: {"N": n})), max_size=4), max_size=4)
)
def test_numbers_of_every_batch_are_exact_in_the_types_that_have_grown_or_rejected(batches: list[list[Any]]) -> None:
    columns = parse_schema("a int")
    for batch in batches:
        layout = layout_of(columns)
        before = RowMaker(layout)
        columns = widened(columns, needed_columns(needs_of(batch), layout))
        after = RowMaker(layout_of(columns))
        for item in batch:
            old, new = (maker("INSERT", 0, Images({}, item, None)) for maker in (before, after))
            # What fitted still does: no batch takes a value's place away.
            assert isinstance(old, Rejected) or not isinstance(new, Rejected)
            if isinstance(new, Rejected):
                continue
            found = dict(zip(columns.names, new, strict=False))
            assert {name: Decimal(value["N"]) for name, value in item.items() if name in found} == {
                name: Decimal(found[name]) for name in item if name in found
            }


@given(st.lists(ITEMS, max_size=5))
def test_every_first_batch_fits_the_columns_that_are_made_for_it_but_for_binary_among_texts(items: list[Any]) -> None:
    layout = layout_of("")
    needs = needs_of(items)
    maker = RowMaker(layout_of(widened(layout.columns, needed_columns(needs, layout))))
    mixed = {name for name, need in needs.items() if "B" in need.kinds and len(need.kinds) > 1}

    for item in items:
        row = maker("INSERT", 0, Images({}, item, None))
        assert not isinstance(row, Rejected) or any("B" in item.get(name, {}) for name in mixed)
