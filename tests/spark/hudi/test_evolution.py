"""Tables that get columns and wider types while they have rows."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from streamjoin.aws.storage import open_path
from streamjoin.errors import SchemaError, SinkError
from streamjoin.hudi.evolution import widen
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.write import HudiTable, table_schema, upsert
from streamjoin.query import read_table
from tests.spark.hudi.test_bulk_insert import TABLES, table

NARROW = "n int, m bigint, d decimal(10,2)"
WIDE = "n bigint, m decimal(38,0), d decimal(38,4)"
ENDING = "dt string, _order string, _hoodie_is_deleted boolean"
# Hudi's own check between the writing of all data and the commit: fails, and leaves everything as it is.
DIES = {
    "hoodie.precommit.validators": "org.apache.hudi.client.validator.SqlQuerySingleResultPreCommitValidator",
    "hoodie.precommit.validators.single.value.sql.queries": "select count(*) from <TABLE_NAME>#-1",
}
LARGE = (2**40, Decimal(10**37), Decimal("1.2345"))


def write(spark: SparkSession, target: HudiTable, columns: str, *rows: tuple[Any, ...]) -> None:
    ddl = f"_item_key string, {columns}, {ENDING}" if columns else f"_item_key string, {ENDING}"
    upsert(spark.createDataFrame(list(rows), ddl), target, commit_metadata={"batch_id": "x"})


def found(spark: SparkSession, target: HudiTable, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Return the rows, which hudi-rs and Spark see alike."""
    names = ("_item_key", *columns)
    rows = [tuple(row[name] for name in names) for row in read_table(target.base_path, list(names)).to_pylist()]
    stored = spark.read.format("hudi").load(target.base_path)
    assert sorted(tuple(row) for row in stored.select(*names).collect()) == sorted(rows)
    return {row[0]: row[1:] for row in rows}


def types(spark: SparkSession, target: HudiTable) -> dict[str, str]:
    return {field.name: field.dataType.simpleString() for field in table_schema(spark, target) or ()}


def widened(spark: SparkSession, target: HudiTable, ddl: str, **options: str) -> None:
    assert table_schema(spark, target) is not None
    new = T._parse_datatype_string(ddl)
    assert isinstance(new, T.StructType)
    widen(spark, replace(target, options=options), new, commit_metadata={"batch_id": "b-1", "backfill": "all"})


@pytest.mark.parametrize(("table_type", "partition_by"), [TABLES[0], TABLES[-1]])
def test_columns_are_added_and_widened_and_every_reader_sees_all_rows(
    spark: SparkSession, tmp_path: Path, table_type: str, partition_by: tuple[str, ...]
) -> None:
    target = table(tmp_path, table_type, partition_by)
    small = (7, 2**62, Decimal("12345678.25"))
    write(spark, target, NARROW, *[(f"k{n}", *small, "x/y", "1", False) for n in range(4)])
    write(spark, target, f"{NARROW}, added string", ("k3", *small, "new", "z", "2", False))
    # A frame of before the column was added.
    write(spark, target, "", ("k2", "z", "2", False))
    nulls = (None, None, None)
    expected = {**dict.fromkeys(("k0", "k1"), (*small, None)), "k2": (*nulls, None), "k3": (*small, "new")}
    assert found(spark, target, "n", "m", "d", "added") == expected
    with pytest.raises(SinkError, match="the insert overwrite table failed"):
        widened(spark, target, WIDE, **DIES)
    assert found(spark, target, "n", "m", "d", "added") == expected
    for _ in range(2):
        widened(spark, target, WIDE)
    assert types(spark, target) == {
        **{"_item_key": "string", "n": "bigint", "m": "decimal(38,0)", "d": "decimal(38,4)", "dt": "string"},
        **{"_order": "string", "added": "string"},
    }
    timeline = Timeline.read(*open_path(target.base_path))
    said = [timeline.metadata(instant) or {} for instant in timeline.commits]
    assert [each.get("batch_id") for each in said] == ["x", "x", "x", "widen-b-1"]
    assert "backfill" not in said[-1]
    # Rows of before are found by key, order and partition, and take values of the wider types.
    new = ("k0", *LARGE, "w", "x/y", "3", False), ("k9", *LARGE, "w", "q", "1", False)
    gone, late = ("k1", *nulls, "w", None, "3", True), ("k3", *LARGE, "late", "x/y", "1", False)
    write(spark, target, f"{WIDE}, added string", *new, gone, late)
    del expected["k1"]
    expected |= dict.fromkeys(("k0", "k9"), (*LARGE, "w"))
    places = {"k0": "x/y", "k2": "z", "k3": "z", "k9": "q"}
    assert found(spark, target, "n", "m", "d", "added", "dt") == {
        key: (*values, places[key]) for key, values in expected.items()
    }


def test_a_value_without_a_place_in_the_wider_type_stops_it_before_anything_is_written(
    spark: SparkSession, tmp_path: Path
) -> None:
    target = table(tmp_path, "COPY_ON_WRITE", ())
    write(spark, target, "n decimal(38,0)", ("a", Decimal(10**37), "x", "1", False), ("b", None, "x", "1", False))
    with pytest.raises(
        SchemaError, match=r"column 'n' can't go from decimal\(38,0\) to decimal\(38,4\): 1 of its values"
    ):
        widened(spark, target, "n decimal(38,4)")
    assert found(spark, target, "n") == {"a": (Decimal(10**37),), "b": (None,)}
    widened(spark, target, "n decimal(38,0), other string")
    assert len(Timeline.read(*open_path(target.base_path)).commits) == 1


def test_a_table_without_rows_is_widened_too_and_one_that_is_not_there_is_left_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    target = table(tmp_path, "MERGE_ON_READ", ())
    widen(spark, target, T.StructType([T.StructField("n", T.LongType())]), commit_metadata={})
    assert not Path(target.base_path).exists()
    write(spark, target, NARROW)
    widened(spark, target, WIDE)
    assert types(spark, target)["n"] == "bigint"
    write(spark, target, WIDE, ("a", *LARGE, "x", "1", False))
    assert found(spark, target, "n", "m", "d") == {"a": LARGE}
