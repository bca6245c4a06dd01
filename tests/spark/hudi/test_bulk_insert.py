"""The first commit of a table, made without an index, and what upserts find of it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.write import HudiTable, bulk_insert, has_commit, table_schema, upsert
from streamjoin.query import read_table

DDL = "_item_key string, v int, dt string, _order string, _hoodie_is_deleted boolean"
TABLES = [(kind, by) for kind in ("COPY_ON_WRITE", "MERGE_ON_READ") for by in ((), ("dt",))]
ROWS = 300


def table(folder: Path, table_type: str, partition_by: tuple[str, ...]) -> HudiTable:
    return HudiTable(str(folder / "t"), "t", ("_item_key",), "_order", partition_by, table_type)


def rows(spark: SparkSession) -> DataFrame:
    """Row n has the order n; partitions have any characters."""
    number = F.col("id").cast("int")
    partition = F.element_at(F.array(F.lit("x/y"), F.lit("a b"), F.lit("20190523")), number % 3 + 1)
    return spark.range(ROWS, numPartitions=3).select(
        F.concat(F.lit("k"), number).alias("_item_key"),
        number.alias("v"),
        partition.alias("dt"),
        F.lpad(number.cast("string"), 17, "0").alias("_order"),
        F.lit(False).alias("_hoodie_is_deleted"),
    )


def found(target: HudiTable) -> dict[str, tuple[Any, ...]]:
    stored = read_table(target.base_path, ["_item_key", "v", "dt"]).to_pylist()
    assert len({row["_item_key"] for row in stored}) == len(stored)
    return {row["_item_key"]: (row["v"], row["dt"]) for row in stored}


@pytest.mark.parametrize(("table_type", "partition_by"), TABLES)
def test_upserts_find_each_row_that_was_inserted_in_bulk(
    spark: SparkSession, tmp_path: Path, table_type: str, partition_by: tuple[str, ...]
) -> None:
    target = table(tmp_path, table_type, partition_by)
    assert table_schema(spark, target) is None
    bulk_insert(rows(spark), target, commit_metadata={"batch_id": "all"}, parallelism=2)
    expected = {row["_item_key"]: (row["v"], row["dt"]) for row in rows(spark).collect()}
    assert found(target) == expected
    if not partition_by and not target.tells_files:
        buckets = Counter(path.name[:8] for path in Path(target.base_path).rglob("*.parquet"))
        assert buckets == {f"0000000{bucket}": 1 for bucket in range(4)}
    if target.tells_files:
        stored = read_table(target.base_path, ["_hoodie_file_name", "v"]).to_pylist()
        by_file = {row["_hoodie_file_name"]: {r["v"] for r in stored if r == row | {"v": r["v"]}} for row in stored}
        spans = sorted((min(values), max(values)) for values in by_file.values())
        assert len(spans) == 2
        assert spans[0][1] < spans[1][0], "rows of one time are in one file"
    timeline = Timeline.read(*open_path(target.base_path))
    said = [timeline.metadata(instant) or {} for instant in timeline.commits]
    assert [metadata["batch_id"] for metadata in said] == ["all"]
    columns = table_schema(spark, target)
    assert columns is not None
    assert {f.name: f.dataType.simpleString() for f in columns} == {
        "_item_key": "string",
        "v": "int",
        "dt": "string",
        "_order": "string",
    }
    # Each tenth is deleted, too late if it has 5 at its end; each seventh is changed and moves; some are older.
    number = F.col("_item_key").substr(2, 9).cast("int")
    is_late, is_deleted = number % 10 == 5, number % 5 == 0
    order = F.when(is_late, F.col("_order").substr(2, 16)).otherwise(F.concat(F.col("_order"), F.lit("9")))
    changes = (
        rows(spark)
        .where(is_deleted | (number % 7 == 0))
        .select(
            "_item_key",
            F.when(~is_deleted, -number).alias("v"),
            F.when(~is_deleted, F.lit("moved")).alias("dt"),
            F.when(is_late, F.concat(F.lit("0"), order)).otherwise(order).alias("_order"),
            is_deleted.alias("_hoodie_is_deleted"),
        )
    )
    older = changes.where("_item_key = 'k5'").select(
        F.lit("k1").alias("_item_key"), F.lit(0).alias("v"), F.lit("a b").alias("dt"), F.lit("0").alias("_order"),
        F.lit(False).alias("_hoodie_is_deleted"),
    )  # fmt: skip
    late = changes.withColumn("_order", F.when(is_late, F.lpad(F.lit("0"), 17, "0")).otherwise(F.col("_order")))
    upsert(late.unionByName(older), target, commit_metadata={"batch_id": "changes"})
    for key, (value, _) in list(expected.items()):
        if value % 10 == 0:
            del expected[key]
        elif value % 7 == 0 and value % 5:
            expected[key] = (-value, "moved")
    assert found(target) == expected


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_a_bulk_insert_that_died_is_repeated_and_one_that_was_committed_is_not(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    target = table(tmp_path, table_type, ())
    for _ in range(2):
        bulk_insert(rows(spark), target, commit_metadata={"batch_id": "all"}, parallelism=2)
        assert len(found(target)) == ROWS
        # As it is when the process dies a moment earlier.
        (completed,) = Path(target.base_path, ".hoodie").glob("*commit")
        kept = completed.rename(tmp_path / completed.name)
        assert not has_commit(target.base_path)
    kept.rename(completed)
    with pytest.raises(SinkError, match="a bulk insert is for a table without any commit") as raised:
        bulk_insert(rows(spark), target, commit_metadata={"batch_id": "all"}, parallelism=2)
    assert not raised.value.retryable
