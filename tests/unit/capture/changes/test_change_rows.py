from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.capture.changes.read import Images
from streamjoin.capture.changes.rows import RowMaker
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.errors import RejectReason, SchemaError
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.records.values import Rejected
from streamjoin.schema.ddl import parse_schema, to_ddl
from tests.changes.samples import typed_item
from tests.item_values import ITEMS

CREATED_US = 1558654200_000000  # 2019-05-23T23:30:00Z
KEYS = {"PK": "a"}
ITEM = {"PK": "a", "quantity": 3, "createdAt": "2019-05-23T23:30:00Z", "note": None, "tags": {"x", "y"}}


def made(
    layout: ChangeLayout,
    operation: str = "INSERT",
    new: Mapping[str, Any] | None = None,
    old: Mapping[str, Any] | None = None,
) -> dict[str, Any] | Rejected:
    images = Images(*(None if each is None else typed_item(each) for each in (KEYS, new, old)))
    maker = RowMaker(layout)
    row = maker(operation, CREATED_US, images)
    if isinstance(row, Rejected):
        return row
    assert len(row) == len(maker.schema)
    return dict(zip(maker.schema.names, row, strict=True))


def current(ddl: str = "quantity bigint", **options: Any) -> ChangeLayout:
    return ChangeLayout("current", parse_schema(ddl), **options)


def changelog(ddl: str = "quantity bigint", **options: Any) -> ChangeLayout:
    return ChangeLayout("changelog", parse_schema(ddl), **options)


def by(source: str | None, format: str | None = None, name: str = "dt") -> dict[str, Any]:
    return {"partition_by": (PartitionColumn(name, source, format),)}


def test_undeclared_attributes_are_one_json_object_and_dropped_ones_are_nowhere() -> None:
    row = made(current(drop=frozenset({"PK"}), rename={"quantity": "amount"}), new=ITEM)

    assert row == {
        "amount": 3,
        "_attributes": '{"createdAt":"2019-05-23T23:30:00Z","note":null,"tags":{"SS":["x","y"]}}',
        "_hoodie_is_deleted": False,
    }


def test_no_undeclared_attribute_is_a_null() -> None:
    assert made(current("PK string"), new=KEYS) == {"PK": "a", "_attributes": None, "_hoodie_is_deleted": False}


def test_what_is_to_be_dropped_leaves_no_column() -> None:
    assert made(current(undeclared="drop"), new=ITEM) == {"quantity": 3, "_hoodie_is_deleted": False}


def test_undeclared_attributes_that_are_to_be_dropped_are_in_no_image_either() -> None:
    row = made(changelog(undeclared="drop"), "MODIFY", new=ITEM, old={**ITEM, "quantity": 2})
    assert (row["new_image"], row["old_image"], row["keys"]) == ('{"quantity":3}', '{"quantity":2}', '{"PK":"a"}')


def test_attributes_that_differ_in_case_never_make_two_columns() -> None:
    row = made(current(undeclared="evolve"), new={**ITEM, "Quantity": 4, "order-id": 5})

    assert isinstance(row, dict)
    assert row["quantity"] == 3
    assert '"Quantity":4' in row["_attributes"]
    assert '"order-id":5' in row["_attributes"]


def test_a_removed_item_is_a_row_to_be_deleted_whatever_it_was() -> None:
    layout = current("quantity int", record_key=("orderid",), **by("createdAt", "yyyy"))
    row = made(layout, "REMOVE", old={"PK": "a", "quantity": "no number"})

    assert row == {
        **{"quantity": None, "orderid": None, "_attributes": None},
        **{"_hoodie_is_deleted": True, "_instant_of_dt": None},
    }


def test_a_removed_item_goes_where_its_old_image_says() -> None:
    row = made(current(**by("createdAt", "yyyy")), "REMOVE", old=ITEM)
    in_place = made(current("quantity bigint", **by(None, name="quantity")), "REMOVE", old=ITEM)

    assert isinstance(row, dict)
    assert row["_instant_of_dt"] == CREATED_US
    assert isinstance(in_place, dict)
    assert in_place["quantity"] == 3


def test_a_current_row_needs_the_item_as_it_is_afterwards() -> None:
    row = made(current(), "MODIFY", old=ITEM)

    assert isinstance(row, Rejected)
    assert row.reason is RejectReason.NOT_A_CHANGE
    assert "NEW_AND_OLD_IMAGES" in row.detail


def test_a_changelog_row_has_the_images_and_the_declared_columns_of_the_newest_one() -> None:
    layout = changelog(drop=frozenset({"note", "tags", "createdAt"}))
    new, old = made(layout, "MODIFY", {**ITEM, "quantity": 4}, ITEM), made(layout, "REMOVE", None, ITEM)

    images = {"keys": '{"PK":"a"}', "old_image": '{"PK":"a","quantity":3}', "removed_by": None}
    assert new == {**images, "quantity": 4, "new_image": '{"PK":"a","quantity":4}'}
    assert old == {**images, "quantity": 3, "new_image": None}


def test_a_changelog_row_without_images_has_what_the_key_tells() -> None:
    assert made(changelog("PK string, quantity bigint"), "REMOVE") == {
        **{"PK": "a", "quantity": None},
        **{"keys": '{"PK":"a"}', "new_image": None, "old_image": None, "removed_by": None},
    }


def test_a_value_that_is_not_exactly_of_its_type_is_rejected_and_named_but_not_told() -> None:
    row = made(current("quantity int, price decimal(3,1)"), new={**ITEM, "price": Decimal("12.55")})

    assert isinstance(row, Rejected)
    assert row.reason is RejectReason.WRONG_TYPE
    assert "price" in row.detail
    assert "12.55" not in row.detail


@pytest.mark.parametrize("item", [{"PK": "a"}, {"PK": "a", "id": None}, {"PK": "a", "id": ""}])
@pytest.mark.parametrize("ddl", ["quantity bigint", "id string"])
def test_a_row_without_its_record_key_is_rejected_unless_it_is_removed(ddl: str, item: dict[str, Any]) -> None:
    for layout in (current(ddl, record_key=("id",)), changelog(ddl, record_key=("id",))):
        row = made(layout, "MODIFY", item, item)

        assert row == Rejected(RejectReason.MISSING_RECORD_KEY, "column 'id' of the record key is null or empty")
        assert isinstance(made(layout, "REMOVE", None, item), dict)


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (Decimal("1.5"), "1.5"), (b"\x00\xff", "AP8="), ({"a": 1}, '{"a":1}')]
)
def test_an_undeclared_column_of_the_record_key_is_its_attributes_text(value: Any, text: str) -> None:
    row = made(current(record_key=("order_id",), rename={"id": "order_id"}), new={"PK": "a", "id": value})

    assert isinstance(row, dict)
    assert row["order_id"] == text
    assert row["_attributes"] == '{"PK":"a"}'


@pytest.mark.parametrize(
    ("value", "expected_us"),
    [
        ("2019-05-23T23:30:00Z", CREATED_US),
        ("2019-05-24T01:30:00+02:00", CREATED_US),
        ("2019-05-23 23:30:00.000000", CREATED_US),
        ("2019-05-23", 1558569600_000000),
        (1558654200, CREATED_US),
        (1558654200000, CREATED_US),
        (1558654200000000, CREATED_US),
        (Decimal("1558654200.25"), CREATED_US + 250_000),
        (-1, -1_000_000),
        ("2022-13-24T02:27:41Z", None),
        ("1558654200", None),
        ("23:30", None),
        ("", None),
        (10**30, None),
        (True, None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_a_partition_is_derived_from_any_attribute_or_the_change_is_rejected(
    value: Any, expected_us: int | None
) -> None:
    for layout in (
        current(**by("at", "yyyyMMdd")),
        current(**by("at", "yyyyMMdd"), undeclared="drop", drop=frozenset({"at"})),
        changelog(**by("occurred_at", "yyyyMMdd"), rename={"at": "occurred_at"}),
    ):
        row = made(layout, new={"PK": "a", "at": value})
        if expected_us is None:
            assert isinstance(row, Rejected)
            assert row.reason is RejectReason.INVALID_PARTITION
        else:
            assert isinstance(row, dict)
            assert row["_instant_of_dt"] == expected_us


@pytest.mark.parametrize(
    ("value", "text"), [("DE", "DE"), (Decimal("1.50"), "1.50"), (False, "false"), ("", None), (b"x", None)]
)
def test_a_partition_without_a_format_is_the_values_own_text(value: Any, text: str | None) -> None:
    row = made(current(**by("country", name="c")), new={"PK": "a", "country": value})

    assert (row if isinstance(row, Rejected) else row["c"]) == (
        text
        if text is not None
        else Rejected(
            RejectReason.INVALID_PARTITION, "partition column 'c': no value can be made of what it is derived from"
        )
    )


def test_a_change_is_dated_by_its_own_time() -> None:
    row = made(changelog(**by("changed_at", "yyyyMMdd")), "REMOVE")

    assert isinstance(row, dict)
    assert row["_instant_of_dt"] == CREATED_US


@pytest.mark.parametrize(
    ("value", "is_kept"), [("x" * 252, True), ("x" * 253, False), ("/" * 84, True), ("/" * 85, False)]
)
def test_a_partition_whose_folder_no_disk_can_have_is_rejected_also_of_a_removed_item(
    value: str, is_kept: bool
) -> None:
    for operation, images in (("INSERT", ({"PK": "a", "c": value}, None)), ("REMOVE", (None, {"PK": "a", "c": value}))):
        row = made(changelog(**by("c")), operation, *images)
        assert isinstance(row, dict) is is_kept


def test_a_fixed_partition_takes_the_place_of_the_others() -> None:
    layout = current(fixed_partition={"dt": "00000000"}, **by("createdAt", "yyyyMMdd"))
    row = made(layout, new=KEYS)

    assert isinstance(row, dict)
    assert row["dt"] == "00000000"
    assert "_instant_of_dt" not in row
    assert layout.partition_names == ("dt",)


def test_a_column_can_be_the_partition_itself_or_be_replaced_by_it() -> None:
    itself = current("country string", undeclared="drop", **by(None, name="country"))
    replaced = current("at bigint", undeclared="drop", **by("at", "yyyy", name="at"))

    assert made(itself, new={"PK": "a", "country": "DE"}) == {"country": "DE", "_hoodie_is_deleted": False}
    assert isinstance(made(itself, new={"PK": "a"}), Rejected)
    assert to_ddl(replaced.row_schema) == "at string, _item_key string, _order string, _hoodie_is_deleted boolean"


def test_the_rows_of_each_layout_have_their_columns_in_order() -> None:
    options: dict[str, Any] = {"record_key": ("quantity", "id"), "drop": frozenset({"note"}), **by("at", "yyyy")}
    ddl = "quantity bigint, note string"

    assert current(ddl, **options).row_schema.names == [
        *("quantity", "id", "_attributes", "dt", "_item_key", "_order", "_hoodie_is_deleted"),
    ]
    assert changelog(ddl, **options).row_schema.names == [
        *("operation", "changed_at", "keys", "new_image", "old_image", "removed_by"),
        *("quantity", "id", "dt", "_item_key", "_change_id", "_order"),
    ]


def test_a_type_that_no_attribute_can_have_is_refused_before_a_batch() -> None:
    with pytest.raises(SchemaError, match="quantity"):
        RowMaker(ChangeLayout("current", pa.schema([pa.field("quantity", pa.timestamp("us"))])))


@given(st.sampled_from(["INSERT", "MODIFY", "REMOVE"]), ITEMS | st.none(), ITEMS | st.none())
def test_whatever_an_item_is_its_change_becomes_a_row_or_a_reject(operation: str, new: Any, old: Any) -> None:
    ddl = (
        "a string, b decimal(20,4), S bigint, N boolean, BS binary, M map<string,string>, L array<string>, SS timestamp"
    )
    for layout in (
        current(ddl, record_key=("NS", "a"), **by("B", "yyyy")),
        current("b double", undeclared="drop", **by("a")),
        changelog(ddl, **by("changed_at", "yyyy")),
        changelog("M struct<a:string>", record_key=("a",)),
    ):
        maker = RowMaker(layout)
        row = maker(operation, CREATED_US, Images({"PK": {"S": "a"}}, new, old))
        if isinstance(row, list):
            for value, field in zip(row, maker.schema, strict=True):
                pa.array([value], field.type)


def test_declared_types_are_exact() -> None:
    ddl = "quantity decimal(38,0), at timestamp, tags array<string>, PK string"
    row = made(current(ddl, undeclared="drop"), new={**ITEM, "quantity": 10**37, "at": "2019-05-23T23:30:00Z"})

    assert row == {
        **{"quantity": Decimal(10**37), "at": datetime(2019, 5, 23, 23, 30, tzinfo=UTC), "tags": ["x", "y"], "PK": "a"},
        "_hoodie_is_deleted": False,
    }
