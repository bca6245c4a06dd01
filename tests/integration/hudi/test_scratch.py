"""Scratch tables on S3: written as the table itself would be, seen by no reader, removed in any case."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession

from streamjoin.hudi.scratch import remove_scratch, scratch_writes
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query


def test_a_scratch_table_leaves_nothing_behind_also_if_its_process_was_killed(
    spark: SparkSession, s3: Any, bucket: str
) -> None:
    options = {"hoodie.bucket.index.num.buckets": "1"}
    target = HudiTable(f"s3://{bucket}/lake/t", "t", ("id",), "o", options=options)
    written = list[str]()

    def write(rows: DataFrame, table: HudiTable) -> None:
        upsert(rows, table, commit_metadata={})
        written.append(table.base_path)

    def keys() -> list[str]:
        found = s3.list_objects_v2(Bucket=bucket, Prefix="lake/t/")
        return [each["Key"] for each in found.get("Contents", []) if "scratch" in each["Key"]]

    rows = spark.createDataFrame([("a", 1)], "id string, o bigint")
    with scratch_writes(target, write) as attempt:
        assert attempt(rows) is None
    assert written == [f"s3://{bucket}/lake/t/.hoodie/.streamjoin/scratch/1"]
    assert keys() == []
    # The first commit of a table that was asked about before it was there.
    upsert(rows, target, commit_metadata={"batch_id": "1"})
    s3.put_object(Bucket=bucket, Key="lake/t/.hoodie/.streamjoin/scratch/7/x.parquet", Body=b"x")
    assert query(target.base_path, "select id from t").to_pylist() == [{"id": "a"}]
    remove_scratch(target.base_path)
    assert keys() == []
