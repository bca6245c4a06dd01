"""The one way to commit: what it leaves beside the rows, and whom it refuses to build upon."""

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.ledger import Ledger
from streamjoin.hudi.write import HudiTable
from streamjoin.lock import TableLock
from streamjoin.query import query
from streamjoin.shards.position import Position
from streamjoin.streaming.writer import TableWriter


def rows(spark: SparkSession) -> DataFrame:
    number = F.col("id")
    columns = {"id": number.cast("string"), "p": (number % 3).cast("string"), "q": (number % 2).cast("string")}
    return spark.range(12).withColumns(columns).withColumn("_ordering_us", F.lit(1).cast("bigint"))


def metadata(batch_id: str) -> dict[str, str]:
    return {"batch_id": batch_id, **checkpoint.to_metadata(Position("s", {}), (), {}, BatchCounts().to_dict())}


def test_what_lies_beside_the_rows_is_no_partition_to_hudi(spark: SparkSession, tmp_path: Path) -> None:
    table = HudiTable(str(tmp_path / "t"), "t", ("id",), "_ordering_us", partition_by=("p", "q"))
    with TableLock(table.base_path, job="test") as lock:
        writer = TableWriter(table, lock)
        writer.open()
        for number in range(2):
            writer.commit(rows(spark), metadata(f"batch-{number}"))
            writer.record()
    assert [entry.batch_id for entry in Ledger(table.base_path).entries()] == ["batch-0", "batch-1"]
    stored = spark.read.format("hudi").load(table.base_path)
    conditions = {"p > '0'": 8, "q = '1'": 6, "p = '1' and q = '0'": 2, "p in ('1', '2') or q = '0'": 10}
    assert {condition: stored.where(condition).count() for condition in conditions} == conditions
    assert query(table.base_path, "select count(*) as n from t").to_pylist() == [{"n": 12}]


def test_a_commit_of_another_process_is_not_built_upon(spark: SparkSession, tmp_path: Path) -> None:
    table = HudiTable(str(tmp_path / "t"), "t", ("id",), "_ordering_us")
    writer = TableWriter(table)
    writer.open()
    writer.commit(rows(spark), metadata("mine"))
    writer.record()
    # Java of a process that was killed may still commit for a moment.
    TableWriter(table).commit(rows(spark), metadata("other"))
    with pytest.raises(SinkError, match=r"batch 'other'.* is not of this process") as refused:
        writer.commit(rows(spark), metadata("mine-too"))
    assert refused.value.retryable
    found = checkpoint.read(table.base_path)
    assert found is not None
    # The loop starts again from the table; then it knows of that commit.
    writer.open()
    writer.commit(rows(spark), metadata("mine-too"))
    writer.record()
    assert [entry.batch_id for entry in Ledger(table.base_path).entries()] == ["mine", "other", "mine-too"]
