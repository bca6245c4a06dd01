"""Values that Parquet's older forms have no place for: nulls in arrays, and dates before today's calendar."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.hudi import table as hudi_table
from streamjoin.hudi import write as hudi_write
from streamjoin.hudi.write import HudiTable, bulk_insert, upsert
from streamjoin.query import read_table

OLD_LISTS = "parquet.avro.write-old-list-structure"
NESTED = "a array<string>, s struct<x:array<struct<y:array<int>>>>, m map<string,array<string>>, n struct<d:date>"
DDL = f"id string, o bigint, p string, t timestamp, d date, amount decimal(10,2), {NESTED}"
ODD = {
    "a": ["a", None],
    "s": {"x": [{"y": [1, None]}, None]},
    "m": {"k": [None]},
    "n": {"d": "0001-01-01"},
    "d": "1500-02-28",
    "t": "0001-01-01T00:00:00Z",
}
PLAIN = {"a": ["a"], "s": {"x": [{"y": [1]}]}, "m": {"k": ["a"]}, "n": {"d": "2026-01-31"}}
REBASE = "spark.sql.parquet.datetimeRebaseModeInRead"


def rows(spark: SparkSession, *each: dict[str, Any]) -> DataFrame:
    texts = spark.createDataFrame([(json.dumps({"amount": 1.25, **row}),) for row in each], "text string")
    return texts.select(F.from_json("text", DDL).alias("row")).select("row.*")


@contextmanager
def state_before(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write as the package did until rows were written as Spark's, with lists that have no place for nulls."""
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    with monkeypatch.context() as patched:
        for name in ("_SPARK_ROWS", "_AVRO_ROWS"):
            patched.setattr(hudi_table, name, {})
        patched.setattr(hudi_write, "set_parquet", lambda session: hadoop.set(OLD_LISTS, "true"))
        yield


def odd(key: str, order: int, partition: str) -> dict[str, Any]:
    return {"id": key, "o": order, "p": partition, **ODD}


def check(target: HudiTable, sessions: list[SparkSession], expected: dict[str, str]) -> None:
    found = {row["id"]: row for row in read_table(target.base_path).to_pylist()}
    assert {key: row["p"] for key, row in found.items()} == expected
    for row in found.values():
        assert (row["a"], row["s"], row["m"]) == (ODD["a"], ODD["s"], [("k", [None])])
        assert (row["d"], row["n"]["d"]) == (date(1500, 2, 28), date(1, 1, 1))
        assert row["t"] == datetime(1, 1, 1, tzinfo=UTC)
    for session in sessions:
        table = session.read.format("hudi").load(target.base_path)
        texts = table.select("id", "p", "a", "s", "m", *(F.col(name).cast("string") for name in ("d", "t", "n")))
        read = {row[0]: row for row in texts.collect()}
        assert {key: row[1] for key, row in read.items()} == expected
        for row in read.values():
            assert (row["a"], row["m"]) == (ODD["a"], ODD["m"])
            assert row["s"].asDict(recursive=True) == ODD["s"]
            assert (row["d"], row["t"], row["n"]) == ("1500-02-28", "0001-01-01 00:00:00", "{0001-01-01}")


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_a_table_of_the_state_before_takes_nulls_in_arrays_and_old_dates(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table_type: str
) -> None:
    options = {"hoodie.bucket.index.num.buckets": "1", "hoodie.compact.inline.max.delta.commits": "2"}
    target = HudiTable(str(tmp_path / "t"), "t", ("id",), "o", table_type=table_type, options=options)
    before = rows(spark, {"id": "1", "o": 1, "p": "x", "d": "2026-01-31", "t": "2026-01-31T00:00:00Z", **PLAIN})
    with state_before(spark, monkeypatch):
        upsert(before, target, commit_metadata={})
    defaults = spark.newSession()
    defaults.conf.set(REBASE, "EXCEPTION")
    for order, key in ((2, "1"), (3, "2")):
        upsert(rows(spark, odd(key, order, "x")), target, commit_metadata={})
    # Both types: the file of the state before has been written again, by a merge or by compaction.
    check(target, [spark, defaults], {"1": "x", "2": "x"})


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_rows_with_arrays_move_to_other_partitions_also_after_a_bulk_insert_and_a_compaction(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    options = {"hoodie.compact.inline.max.delta.commits": "1"}
    target = HudiTable(str(tmp_path / "t"), "t", ("id",), "o", ("p",), table_type, options=options)
    bulk_insert(rows(spark, odd("1", 1, "x"), odd("2", 1, "x")), target, commit_metadata={}, parallelism=1)
    upsert(rows(spark, odd("1", 2, "y")), target, commit_metadata={})
    upsert(rows(spark, odd("1", 3, "x"), odd("2", 2, "y")), replace(target), commit_metadata={})
    check(target, [spark], {"1": "x", "2": "y"})
