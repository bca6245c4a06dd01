"""The index against a plain reading of all items: whatever happens to single items."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dynamodb.service import pack
from streamjoin.dynamodb.table import KeyAttribute, TableDescription
from streamjoin.reference.followed.index import ItemChange, JoinIndex
from streamjoin.reference.followed.layout import lay_out
from streamjoin.schema.ddl import parse_schema

TABLE = TableDescription("countries", (KeyAttribute("code", "S"),))
LAYOUT = lay_out({"country": "name"}, {"size": "size"})
TYPES = parse_schema("name string, size bigint")

MAP = "a map"


def item(code: str, name: str | None, size: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = {"code": {"S": code}, "size": {"N": size}}
    return found if name is None else {**found, "name": {"M": {}} if name == MAP else {"S": name}}


def rank(code: str) -> tuple[bytes]:
    return (code.encode(),)


def index_of(*items: dict[str, Any]) -> tuple[JoinIndex, dict[Any, bytes]]:
    packed = {rank(each["code"]["S"]): pack(each) for each in items}
    return JoinIndex(LAYOUT, TYPES, TABLE, packed), packed


def change(index: JoinIndex, items: dict[Any, bytes], after: dict[str, dict[str, Any] | None]) -> dict[str, Any]:
    changes = []
    for code, new in after.items():
        old = items.get(rank(code))
        changes.append(ItemChange(rank(code), old, None if new is None else pack(new)))
        if new is None:
            items.pop(rank(code), None)
        else:
            items[rank(code)] = pack(new)
    return index.apply(changes)


def as_rows(index: JoinIndex) -> dict[str, tuple[Any, ...]]:
    keys, table = index.rows()
    return dict(zip(keys, zip(*(table[name].to_pylist() for name in table.column_names), strict=True), strict=True))


CODES = st.sampled_from(["A", "B", "C", "D"])
# A number with a fraction, or a map as name, doesn't fit the type; an item without a name matches nothing.
ITEMS = st.tuples(st.none() | st.sampled_from(["x", "y", "z", MAP]), st.sampled_from(["1", "2", "2.5"]))


@given(
    st.dictionaries(CODES, ITEMS),
    st.lists(st.dictionaries(CODES, st.none() | ITEMS, min_size=1), max_size=6),
)
def test_after_any_changes_the_index_is_what_reading_all_items_gives(
    first: dict[str, tuple[str | None, str]], rounds: list[dict[str, tuple[str | None, str] | None]]
) -> None:
    index, items = index_of(*(item(code, *values) for code, values in first.items()))
    index.load()
    for each in rounds:
        before = as_rows(index)
        after = {code: None if values is None else item(code, *values) for code, values in each.items()}
        changed = change(index, items, {code: new for code, new in after.items() if new or rank(code) in items})
        fresh = JoinIndex(LAYOUT, TYPES, TABLE, items)
        fresh.load()
        assert as_rows(index) == as_rows(fresh)
        assert (index.duplicates, index.without_key, index.content_hash, len(index)) == (
            fresh.duplicates, fresh.without_key, fresh.content_hash, len(fresh),
        )  # fmt: skip
        assert (index.misfits.items, index.misfits.values) == (fresh.misfits.items, fresh.misfits.values)
        now = as_rows(index)
        expected = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
        assert set(changed) == expected
        assert all((c.before, c.after) == (before.get(k), now.get(k)) for k, c in changed.items())


def test_the_item_with_the_lowest_primary_key_is_the_row_and_the_next_one_follows_it() -> None:
    index, items = index_of(item("B", "x", "2"), item("A", "x", "1"), item("C", "x", "3"))
    assert index.load()[1].to_pylist() == [{"size": 1, "name": "x"}]
    assert index.duplicates == 1

    changed = change(index, items, {"A": None})

    assert changed["x"].after == (2, "x")
    assert change(index, items, {"B": None})["x"].after == (3, "x")
    assert index.duplicates == 0


def test_an_item_that_loses_changes_no_row() -> None:
    index, items = index_of(item("A", "x", "1"))
    index.load()
    before = index.content_hash

    assert change(index, items, {"B": item("B", "x", "9")}) == {}
    assert index.content_hash == before
    assert "name='x' has code='A' before code='B'" in index.warnings()[0]


def test_an_item_whose_value_stops_fitting_its_type_keeps_its_row_and_is_named() -> None:
    index, items = index_of(item("A", "x", "1"))
    index.load()

    changed = change(index, items, {"A": item("A", "x", "1.5")})

    assert changed["x"].after == (None, "x")
    assert (index.misfits.items, index.misfits.values) == (0, {"size": 1})
    assert "code='A': attribute 'size' of type N does not fit bigint: it has a fraction" in index.warnings()[0]
    assert change(index, items, {"A": item("A", "x", "2")})["x"].after == (2, "x")
    assert (index.misfits.values, index.warnings()) == ({}, ())


def test_an_item_whose_join_key_stops_fitting_its_type_loses_its_row_and_is_named() -> None:
    index, items = index_of(item("A", "x", "1"))
    index.load()

    assert change(index, items, {"A": item("A", MAP)})["x"].after is None
    assert (index.misfits.items, index.misfits.values) == (1, {"name": 1})
    change(index, items, {"A": item("A", "x", "2")})
    assert (index.misfits.items, index.misfits.values) == (0, {})


def test_composite_keys_are_told_apart_and_numbers_compare_by_value() -> None:
    layout = lay_out({"a": "p", "b": "q"}, {"size": "size"})
    types = parse_schema("p string, q decimal(10,2), size bigint")
    items = {
        (b"1",): pack({"code": {"S": "1"}, "p": {"S": "x"}, "q": {"N": "1.50"}, "size": {"N": "1"}}),
        (b"2",): pack({"code": {"S": "2"}, "p": {"S": "x,1"}, "q": {"N": "5"}, "size": {"N": "2"}}),
    }
    index = JoinIndex(layout, types, TABLE, items)
    keys, table = index.load()
    assert keys == ['["x","1.5"]', '["x,1","5"]']
    assert table["q"].to_pylist() == [Decimal("1.50"), Decimal("5.00")]


def test_one_attribute_compared_with_two_event_columns_is_a_key_of_two_parts() -> None:
    layout = lay_out({"a": "name", "b": "name"}, {"size": "size"})
    index = JoinIndex(layout, TYPES, TABLE, {rank("A"): pack(item("A", "x"))})
    assert index.load()[0] == ['["x","x"]']


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_without_rows_has_columns(rows: int) -> None:
    index, _ = index_of(*[item("A", None)][:rows])
    keys, table = index.load()
    assert (keys, table.column_names, table.num_rows, index.without_key) == ([], ["size", "name"], 0, rows)
