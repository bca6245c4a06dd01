"""A reference that executors hold joins exactly as one that is broadcast."""

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.enrich.join import enrich
from streamjoin.errors import SchemaError
from streamjoin.records.events import Events
from streamjoin.reference.followed.index import as_table
from streamjoin.reference.probe import KeyedRows, Layer, ShippedLayer, key_text
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark

Row = tuple[Any, ...]


def keyed(spark: SparkSession, schema: str, rows: Sequence[Row], *, keys: int = 1) -> KeyedRows:
    columns = parse_schema(schema)
    texts = [key_text(row[:keys]) or "" for row in rows]
    return KeyedRows(to_spark(columns), (ShippedLayer.of(spark, Layer.of(texts, as_table(rows, columns)), "rows"),))


def both(spark: SparkSession, events: Any, schema: str, rows: Sequence[Row], on: dict[str, str], **how: Any) -> Events:
    """Join in both ways, compare, and return one of them."""
    by_broadcast = enrich(events, spark.createDataFrame(rows, schema), on=on, columns=["v"], **how)
    by_probe = enrich(events, keyed(spark, schema, rows, keys=len(on)), on=on, columns=["v"], **how)
    assert_df_equality(by_probe.frame, by_broadcast.frame, ignore_row_order=True, ignore_nullable=True)
    return by_probe


# Type in the event, its values; type in the reference, its keys.
KEYS: list[tuple[str, list[Any], str, list[Any]]] = [
    ("string", ["a", "b", "", None, "A"], "string", ["a", "", "c"]),
    ("string", ["7", "007", " 7", None], "bigint", [7, 8]),
    ("int", [7, 8, None], "string", ["7", "08"]),
    ("int", [7, 2**31 - 1, None], "bigint", [7, 2**31 - 1]),
    ("decimal(10,2)", [Decimal("1.50"), Decimal("2.00"), None], "decimal(38,18)", [Decimal("1.5"), Decimal("3")]),
    ("bigint", [1, 2], "decimal(12,3)", [Decimal("1.000"), Decimal("2.001")]),
    ("double", [0.1, 2.0, None], "double", [0.1, 2.0]),
    ("boolean", [True, False, None], "boolean", [True]),
    ("binary", [bytearray(b"\x00\xff"), bytearray(b""), None], "binary", [bytearray(b"\x00\xff")]),
]


def test_matches_are_the_same_for_every_type_of_key(spark: SparkSession) -> None:
    by_broadcast, by_probe = list[DataFrame](), list[DataFrame]()
    for event_type, values, key_type, keys in KEYS:
        events = spark.createDataFrame(list(enumerate(values)), f"n int, k {event_type}")
        schema, rows = f"k2 {key_type}, v int", [(key, number) for number, key in enumerate(keys)]
        sides = (by_broadcast, spark.createDataFrame(rows, schema)), (by_probe, keyed(spark, schema, rows))
        for joins, side in sides:
            joined = enrich(events, side, on={"k": "k2"}, columns=["v"]).frame
            joins.append(joined.select(F.lit(f"{event_type} = {key_type}"), "n", "v", "_unmatched"))
    # One job for all of them.
    expected, found = (sorted(reduce(DataFrame.union, joins).collect()) for joins in (by_broadcast, by_probe))
    assert found == expected
    assert {row[0] for row in found if row["v"] is not None} == {f"{each[0]} = {each[2]}" for each in KEYS}


def test_composite_keys_match_whole(spark: SparkSession) -> None:
    events = spark.createDataFrame([("x", 1), ("x", 2), ("y", 1), (None, 1)], "a string, b int")
    joined = both(spark, events, "p string, q int, v string", [("x", 1, "x1"), ("y", 2, "y2")], {"a": "p", "b": "q"})
    assert [row["v"] for row in joined.frame.orderBy("a", "b").collect()] == [None, "x1", None, None]


def test_an_inner_join_rejects_the_unmatched(spark: SparkSession) -> None:
    events = spark.createDataFrame([("x",), ("y",)], "a string")
    joined = both(spark, events, "p string, v int", [("x", 1)], {"a": "p"}, how="inner", name="country")
    assert joined.frame.where("_reason = 'UNMATCHED_REFERENCE'").count() == 1


def test_nested_columns_come_whole(spark: SparkSession) -> None:
    value = {"a": [1, 2], "b": [("k", "w")]}
    schema = "p string, v struct<a: array<int>, b: map<string,string>>"
    events = spark.createDataFrame([("x",), ("y",)], "a string")
    joined = enrich(events, keyed(spark, schema, [("x", value)]), on={"a": "p"}, columns=["v"])
    rows = [row["v"] for row in joined.frame.orderBy("a").collect()]
    assert (rows[0].a, rows[0].b, rows[1]) == ([1, 2], {"k": "w"}, None)


def test_a_newer_layer_decides_and_may_say_that_there_is_no_row(spark: SparkSession) -> None:
    columns = parse_schema("p string, v int")
    base = Layer.of(["x", "y", "z"], as_table([("x", 1), ("y", 2), ("z", 3)], columns))
    changes = Layer.of(["y", "z", "new"], as_table([("y", 20), (None, None), ("new", 4)], columns), [True, False, True])
    rows = KeyedRows(
        to_spark(columns), (ShippedLayer.of(spark, changes, "changes"), ShippedLayer.of(spark, base, "base"))
    )
    events = spark.createDataFrame([(key,) for key in ("x", "y", "z", "new", "other")], "a string")
    joined = enrich(events, rows, on={"a": "p"}, columns=["v"]).frame
    assert {row["a"]: row["v"] for row in joined.collect()} == {"x": 1, "y": 20, "z": None, "new": 4, "other": None}


def test_no_rows_match_nothing(spark: SparkSession) -> None:
    events = spark.createDataFrame([("x",)], "a string")
    joined = enrich(events, keyed(spark, "p string, v int", []), on={"a": "p"}, columns=["v"]).frame
    assert [row["v"] for row in joined.collect()] == [None]


def test_keys_that_cant_be_compared_are_refused(spark: SparkSession) -> None:
    events = spark.createDataFrame([("x",)], "a string")
    with pytest.raises(SchemaError, match="the event's string can't be compared with the reference's double"):
        enrich(events, keyed(spark, "p double, v int", []), on={"a": "p"}, columns=["v"])
