"""Upserts and deletions of items, whose order is text, in every order in which they can arrive."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.storage import open_path
from streamjoin.hudi import late_deletes
from streamjoin.hudi.late_deletes import NEWEST_ORDER
from streamjoin.hudi.stored import stored_rows
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import read_table
from tests.small_tables import ONE_BUCKET

DDL = "_item_key string, v int, dt string, _order string, _hoodie_is_deleted boolean"
TABLES = [(kind, by) for kind in ("COPY_ON_WRITE", "MERGE_ON_READ") for by in ((), ("dt",))]
CHANGES, BATCHES = 3, 3

Row = tuple[str, int | None, str | None, str, bool]


def table(folder: Path, table_type: str, partition_by: tuple[str, ...], **options: str) -> HudiTable:
    settings = {name.replace("_", "."): value for name, value in options.items()}
    return HudiTable(str(folder / "t"), "t", ("_item_key",), "_order", partition_by, table_type, options=settings)


def order(number: int) -> str:
    return f"{number:017d}.{number:064d}.000000"


def write(spark: SparkSession, target: HudiTable, *rows: Row) -> None:
    upsert(spark.createDataFrame(list(rows), DDL), target, commit_metadata={"batch_id": "x"})


def found(spark: SparkSession | None, target: HudiTable) -> dict[str, tuple[Any, ...]]:
    """Return the rows that hudi-rs sees, or Spark."""
    stored = spark.read.format("hudi").load(target.base_path).collect() if spark else None
    rows = [row.asDict() for row in stored] if stored is not None else read_table(target.base_path).to_pylist()
    assert len({row["_item_key"] for row in rows}) == len(rows)
    return {row["_item_key"]: (row["v"], row["dt"]) for row in rows}


def histories() -> Iterator[tuple[str, list[Row | None]]]:
    """Every item that three changes can happen to, arriving in three batches in any order, or twice, or not at all."""
    for removes in itertools.product((False, True), repeat=CHANGES):
        for arrivals in itertools.product(range(CHANGES + 1), repeat=BATCHES):
            key = "".join(map(str, (*map(int, removes), "-", *arrivals)))
            # A removed item names no partition, or one where it may not be; the second change moves the item.
            lost = "x" if arrivals[0] % 2 else None
            changes: list[Row | None] = [None] + [
                (key, None if removes[n - 1] else n, lost if removes[n - 1] else "yx"[n % 2], order(n), removes[n - 1])
                for n in range(1, CHANGES + 1)
            ]
            yield key, [changes[n] for n in arrivals]


@pytest.mark.parametrize(("table_type", "partition_by"), TABLES)
def test_whatever_arrives_when_each_item_ends_as_its_newest_change_left_it(
    spark: SparkSession, tmp_path: Path, table_type: str, partition_by: tuple[str, ...]
) -> None:
    # With small files Hudi would write new rows of a partitioned table into base files, and the log would stay empty.
    options = {"hoodie_compact_inline_max_delta_commits": "2", "hoodie_parquet_small_file_limit": "0"}
    target = table(tmp_path, table_type, partition_by, **options)
    items = dict(histories())
    newest: dict[str, Row] = {}
    for number in range(BATCHES):
        batch = []
        for key, arrivals in items.items():
            row, before = arrivals[number], newest.get(key)
            # What the pipeline does by tombstones: nothing brings a removed item back that is older.
            if row is None or (before is not None and before[4] and row[3] < before[3]):
                continue
            batch.append(row)
            newest[key] = row if before is None or row[3] >= before[3] else before
        write(spark, target, *batch)
        expected = {key: (row[1], row[2]) for key, row in newest.items() if not row[4]}
        assert found(None, target) == expected
    assert found(spark, target) == expected
    if table_type == "MERGE_ON_READ":
        assert len(list(Path(target.base_path, ".hoodie").glob("*.commit"))) == 1, "it was compacted once on the way"


def test_the_table_is_read_for_late_deletions_only_if_there_may_be_some(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = table(tmp_path, "MERGE_ON_READ", (), **ONE_BUCKET)
    reads: list[str] = []
    monkeypatch.setattr(late_deletes, "stored_rows", lambda _, path: reads.append(path) or stored_rows(spark, path))
    write(spark, target, ("a", 1, "x", order(10), False), ("b", 1, "x", order(10), False))
    write(spark, target, ("a", None, None, order(11), True), ("c", 2, "x", order(12), False))
    write(spark, target, ("b", None, None, order(12), True), ("d", 2, "x", order(3), False))
    assert reads == []
    write(spark, target, ("c", None, None, order(11), True), ("d", None, None, order(4), True))
    assert reads == [target.base_path]
    assert found(None, target) == {"c": (2, "x")}
    timeline = Timeline.read(*open_path(target.base_path))
    said = [(timeline.metadata(instant) or {})[NEWEST_ORDER] for instant in timeline.commits]
    assert said == [order(10), order(12), order(12), order(12)]


def test_a_table_whose_commits_say_nothing_of_their_order_is_read_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = table(tmp_path, "MERGE_ON_READ", (), **ONE_BUCKET)
    # Numbers are not compared as text.
    ddl = DDL.replace("_order string", "_order bigint")
    plain = spark.createDataFrame(
        [("a", 1, "x", 10), ("b", 1, "x", 9)], "_item_key string, v int, dt string, _order bigint"
    )
    upsert(plain, target, commit_metadata={"batch_id": "x"})
    reads: list[str] = []
    monkeypatch.setattr(late_deletes, "stored_rows", lambda _, path: reads.append(path) or stored_rows(spark, path))
    for number in (8, 9):
        rows = [("a", None, None, number, True), ("b", None, None, number, True)]
        upsert(spark.createDataFrame(rows, ddl), target, commit_metadata={"batch_id": "x"})
        assert found(None, target) == ({"a": (1, "x"), "b": (1, "x")} if number == 8 else {"a": (1, "x")})
    assert len(reads) == 2
    upsert(spark.createDataFrame([("a", None, None, 10, True)], ddl), target, commit_metadata={"batch_id": "x"})
    assert len(reads) == 2
    assert found(None, target) == {}


def test_what_lies_in_the_folder_of_a_table_before_its_first_commit_stays(spark: SparkSession, tmp_path: Path) -> None:
    settings = {"hoodie.clean.max.commits": "1", "hoodie.clean.commits.retained": "1"}
    settings |= {"hoodie.keep.min.commits": "2", "hoodie.keep.max.commits": "3", "hoodie.commits.archival.batch": "1"}
    begun = replace(table(tmp_path, "COPY_ON_WRITE", ("dt",)), options=settings)
    ours = Path(begun.base_path, ".hoodie", ".streamjoin", "tombstones", "x.parquet")
    ours.parent.mkdir(parents=True)
    ours.write_text("ours")
    # A process died here when it created the table.
    Path(begun.base_path, ".hoodie", ".aux").mkdir()
    Path(begun.base_path, ".hoodie", "hoodie.properties").touch()
    with pytest.raises(Exception, match="the upsert failed"):
        write(spark, begun, ("a", 0, "x", order(1), False))
    for number in range(4):
        write(spark, begun, ("a", number, "x", order(number + 1), False))
    assert found(spark, begun) == found(None, begun) == {"a": (3, "x")}
    assert ours.read_text() == "ours"
    assert len(list(Path(begun.base_path, ".hoodie").glob("*.commit"))) < 4, "older ones were archived"
    assert Path(begun.base_path, ".hoodie", ".streamjoin", "tombstones").is_dir()
    other = replace(begun, base_path=str(tmp_path / "other"))
    write(spark, other, ("a", 0, "x", order(1), False))
    given, own = (Path(each.base_path, ".hoodie", "hoodie.properties").read_text() for each in (begun, other))
    assert [line for line in given.splitlines() if line[:1] != "#"] == [
        line for line in own.splitlines() if line[:1] != "#"
    ]
