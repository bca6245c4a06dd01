"""A copy-on-write table without partitions: our index tells Hudi the file of each row, known or new."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.hudi import telling
from streamjoin.hudi.conflict import as_made
from streamjoin.hudi.record_index.index import RecordIndex
from streamjoin.hudi.record_index.open_files import OPENED
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import read_table

# Columns may be called as the index calls its own.
DDL = "id string, line int, ord bigint, high bigint, low string, list array<string>, _hoodie_is_deleted boolean"
BATCHES = 9


def files_of(table: HudiTable) -> set[str]:
    return set(read_table(table.base_path, ["_hoodie_file_name"])["_hoodie_file_name"].to_pylist())


def commits_of(table: HudiTable) -> list[dict[str, Any]]:
    timeline = Timeline.read(*open_path(table.base_path))
    return [dict(timeline.metadata(instant) or {}) for instant in timeline.commits]


def test_whatever_arrives_each_key_keeps_its_newest_row_and_full_files_are_let_be(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_ROWS_PER_FILE", 40)
    options = {"hoodie.parquet.max.file.size": "3000"}
    table = HudiTable(str(tmp_path / "t"), "t", ("id", "line"), "ord", options=options)
    assert as_made(table) == table
    draw, truth, index = random.Random(7), dict[tuple[str, int], tuple[Any, ...]](), RecordIndex(table)
    for number in range(BATCHES):
        if number == 3:
            index = RecordIndex(table)
        if number == 5:
            index = RecordIndex(table)
            shutil.rmtree(tmp_path / "t/.hoodie/.streamjoin/record_index")
        rows = []
        for key in draw.sample(range(200), draw.choice([5, 90])):
            place, order, value = (f"k{key % 50}", key // 50), draw.randrange(9), f"{number}-{key}"
            is_deleted = draw.random() < 0.2
            rows.append((*place, order, key, value, [value, None], is_deleted))
            if place in truth and truth[place][0] > order:
                continue
            truth[place] = (order, key, value, None if number == 6 else [value, None], number if number > 3 else None)
            if is_deleted or number == 6:
                truth[place] = (*truth[place][:4], None)
            if is_deleted:
                del truth[place]
        frame = spark.createDataFrame(rows, DDL)
        if number > 3:
            frame = frame.withColumn("added", F.lit(number))
        if number == 6:
            frame = frame.drop("added", "list")
        upsert(frame, table, commit_metadata={"batch_id": str(number)}, parallelism=2, index=index)
        stored = read_table(table.base_path, ["id", "line", "ord", "high", "low", "list"]).to_pylist()
        assert len(stored) == len(truth)
        found = {(row["id"], row["line"]): (row["ord"], row["high"], row["low"], row["list"]) for row in stored}
        assert found == {key: row[:4] for key, row in truth.items()}
    added = read_table(table.base_path, ["id", "line", "added"]).to_pylist()
    assert {(row["id"], row["line"]): row["added"] for row in added} == {key: row[4] for key, row in truth.items()}
    assert as_made(table) == table
    said = commits_of(table)
    assert [metadata["batch_id"] for metadata in said if OPENED not in metadata] == [str(n) for n in range(BATCHES)]
    assert sum(OPENED in metadata for metadata in said) >= 2
    before = files_of(table)
    rows = [(f"n{n}", 0, 1, 0, "", [], False) for n in range(5)]
    upsert(spark.createDataFrame(rows, DDL), table, commit_metadata={"batch_id": "new"}, index=index)
    assert len(before - files_of(table)) <= 1 < len(before)
    assert len(files_of(table) - before) == 1


def test_a_batch_that_failed_after_its_file_was_opened_is_written_whole_by_the_next_try(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = HudiTable(str(tmp_path / "t"), "t", ("id",), "ord", options={"hoodie.parquet.max.file.size": "1"})

    def rows(*keys: str) -> DataFrame:
        return spark.createDataFrame([(key, 1) for key in keys], "id string, ord bigint")

    upsert(rows("a"), table, commit_metadata={"batch_id": "1"})
    with monkeypatch.context() as patch:
        patch.setattr(telling.Telling, "placed", _dies)
        with pytest.raises(SinkError, match="the upsert failed"):
            upsert(rows("a", "b"), table, commit_metadata={"batch_id": "2"})
    assert [OPENED in metadata for metadata in commits_of(table)] == [False, True]
    assert read_table(table.base_path, ["id"]).to_pylist() == [{"id": "a"}]
    upsert(rows("a", "b"), table, commit_metadata={"batch_id": "2"})
    assert sorted(read_table(table.base_path, ["id"])["id"].to_pylist()) == ["a", "b"]


def _dies(*_: Any) -> Any:
    message = "died here"
    raise OSError(message)
