"""Rows that move to other partitions, in whatever order, against plain Python: one row a key, the newest."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from streamjoin.hudi.record_index.entries import entry_columns, stored_entries
from streamjoin.hudi.record_index.index import RecordIndex
from streamjoin.hudi.record_index.segment import Segment
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import read_table
from streamjoin.spark.frames import collected

DDL = "id string, line int, v int, dt string, day date, o bigint, _hoodie_is_deleted boolean"
Key = tuple[str, int]


def batch_of(chosen: random.Random, number: int, removed: dict[Key, int]) -> dict[Key, tuple[Any, ...]]:
    batch = {}
    for k in chosen.sample(range(40), 15):
        # Two columns: the parts of no two keys may run together.
        key, order = ("1" * (k % 4 + 1), 1 if k < 20 else k), chosen.randrange(1000)
        is_deleted = chosen.random() < 0.25
        if order <= removed.get(key, -1):
            continue  # what the pipeline's tombstones leave out
        dt = chosen.choice(["x", "y", "z=1/ü"]) if not is_deleted else chosen.choice(["x", None, ""])
        day = date(2026, 1, chosen.choice((30, 31)))
        batch[key] = (*key, None if is_deleted else number, dt, day, order, is_deleted)
    return batch


def test_rows_that_move_stay_one_row_whatever_becomes_of_the_index(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"hoodie.compact.inline.max.delta.commits": "4"}
    path = str(tmp_path / "t")
    table = HudiTable(path, "t", ("id", "line"), "o", ("dt", "day"), "MERGE_ON_READ", options=options)
    chosen, index = random.Random(5), RecordIndex(table)
    rows: dict[Key, tuple[Any, ...]] = {}
    removed: dict[Key, int] = {}
    for number in range(7):
        batch = batch_of(chosen, number, removed)
        for key, row in batch.items():
            if key in rows and row[5] < rows[key][5]:
                continue
            if row[6]:
                removed[key] = row[5]
                rows.pop(key, None)
            else:
                rows[key] = row
        if number == 3:
            # A process that died before its commit had written of other rows.
            index.write(index_entries(spark, table))
        if number == 5:
            for segment in Path(path, ".hoodie", ".streamjoin", "record_index").glob("*.arrow"):
                segment.unlink()
        frame = spark.createDataFrame(list(batch.values()), DDL)
        # Every other batch is of a process that starts: by the files alone.
        upsert(frame, table, commit_metadata={"batch_id": "x"}, index=index if number % 2 else None)
        found = read_table(path).to_pylist()
        assert sorted((r["id"], r["line"], r["v"], r["dt"], r["day"], r["o"]) for r in found) == sorted(
            row[:6] for row in rows.values()
        )
    stored = spark.read.format("hudi").load(path)
    assert sorted((r["id"], r["line"], r["v"], r["o"]) for r in stored.collect()) == sorted(
        (*row[:3], row[5]) for row in rows.values()
    )
    # Made from the table's rows, in one slice and in several, an index says what the batches said.
    expected = Segment.of(entries_of(stored, table)).entries.to_pylist()
    for slice_rows in (1_000, 3):
        monkeypatch.setattr("streamjoin.hudi.record_index.segment._SLICE_ROWS", slice_rows)
        slices = list(stored_entries(spark, table))
        assert (len(slices) > 1) == (slice_rows == 3)
        assert [entry for each in slices for entry in each.to_pylist()] == expected


def index_entries(spark: SparkSession, table: HudiTable) -> pa.Table:
    return entries_of(spark.createDataFrame([("1", 1, 0, "never", None, 10**6, False)], DDL), table)


def entries_of(frame: DataFrame, table: HudiTable) -> pa.Table:
    return collected(frame.select(*(column.alias(name) for name, column in entry_columns(table).items())))
