from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.hudi.partition import PartitionColumn, with_partitions
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.records.events import Events


@pytest.mark.parametrize(
    ("ddl", "zone", "expected"),
    [
        ("createdat string", "UTC", {"2019-05-23T23:30:00Z": "20190523", "2022-13-24T02:27:41Z": None, None: None}),
        ("createdat string", "Europe/Berlin", {"2019-05-23T23:30:00Z": "20190524"}),
        ("createdat bigint", "UTC", dict.fromkeys((1558654200, 1558654200000, 1558654200000000), "20190523")),
    ],
)
def test_a_partition_is_derived_from_a_time_or_the_event_is_rejected(
    spark: SparkSession, ddl: str, zone: str, expected: dict[Any, str | None]
) -> None:
    events = Events.of(spark.createDataFrame([(value,) for value in expected], ddl))
    judged = with_partitions(events, [PartitionColumn("dt", "createdat", "yyyyMMdd", zone)])
    kept = {value: day for value, day in expected.items() if day is not None}
    assert {row["createdat"]: row["dt"] for row in judged.kept.collect()} == kept
    reasons = [row["reason"] for row in judged.rejected.collect()]
    assert reasons == ["INVALID_PARTITION"] * (len(expected) - len(kept))


def test_a_derived_partition_is_computed_once_however_often_it_is_judged(spark: SparkSession) -> None:
    events = Events.of(spark.range(1).selectExpr("cast(id as string) as createdat"))
    judged = with_partitions(events, [PartitionColumn("dt", "createdat", "yyyyMMdd")])
    plan: Any = judged.frame._jdf.queryExecution().optimizedPlan()
    assert plan.toString().count("date_format(") == 1


def test_a_column_of_the_event_can_be_the_partition_itself(spark: SparkSession) -> None:
    events = Events.of(spark.createDataFrame([("DE",), ("",)], "country string"))
    judged = with_partitions(events, [PartitionColumn("country")])
    assert [r["country"] for r in judged.kept.collect()] == ["DE"]
    assert judged.rejected.count() == 1


def test_a_partition_may_replace_its_own_source(spark: SparkSession) -> None:
    events = Events.of(spark.createDataFrame([("2019-05-23T23:30:00Z",)], "at string"))
    judged = with_partitions(events, [PartitionColumn("at", "at", "yyyy")])
    assert [r["at"] for r in judged.kept.collect()] == ["2019"]


def test_a_deletion_without_a_partition_is_rejected_if_its_row_could_not_be_found(spark: SparkSession) -> None:
    rows = [("DE", False), ("DE", True), (None, True)]
    events = Events.of(spark.createDataFrame(rows, f"country string, {IS_DELETED} boolean"))
    columns = [PartitionColumn("country")]
    assert with_partitions(events, columns).rejected.count() == 0
    judged = with_partitions(events, columns, is_global=False)
    assert [r["reason"] for r in judged.rejected.collect()] == ["INVALID_PARTITION"]


def test_a_value_whose_folder_no_disk_can_have_is_rejected_and_not_left_to_stop_the_job(
    spark: SparkSession, tmp_path: Path
) -> None:
    kept, rejected = ["x" * 252, "ä" * 126, "/" * 84], ["x" * 253, "/" * 85]
    events = Events.of(spark.createDataFrame([(value,) for value in kept + rejected], "dt string"))
    judged = with_partitions(events, [PartitionColumn("dt")])
    assert [r["dt"] for r in judged.kept.collect()] == kept
    assert [r["reason"] for r in judged.rejected.collect()] == ["INVALID_PARTITION"] * len(rejected)
    rows = judged.kept.selectExpr("*", "'a' as id", "1L as _ordering_us")
    target = HudiTable(str(tmp_path / "t"), "t", ("id", "dt"), "_ordering_us", partition_by=("dt",))
    upsert(rows, target, commit_metadata={})
    assert query(str(tmp_path / "t"), "select count(*) as n from t").to_pylist() == [{"n": len(kept)}]
