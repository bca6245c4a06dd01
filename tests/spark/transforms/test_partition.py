from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.transforms.events import Events
from streamjoin.transforms.partition import PartitionColumn, with_partitions


@pytest.mark.parametrize(
    ("ddl", "value", "zone", "expected"),
    [
        ("createdat string", "2019-05-23T23:30:00Z", "UTC", "20190523"),
        ("createdat string", "2019-05-23T23:30:00Z", "Europe/Berlin", "20190524"),
        ("createdat bigint", 1558654200, "UTC", "20190523"),
        ("createdat bigint", 1558654200000, "UTC", "20190523"),
        ("createdat bigint", 1558654200000000, "UTC", "20190523"),
        ("createdat string", "2022-13-24T02:27:41Z", "UTC", None),
        ("createdat string", None, "UTC", None),
    ],
)
def test_a_partition_is_derived_from_a_time_or_the_event_is_rejected(
    spark: SparkSession, ddl: str, value: Any, zone: str, expected: str | None
) -> None:
    events = Events.of(spark.createDataFrame([(value,)], ddl))
    judged = with_partitions(events, [PartitionColumn("dt", "createdat", "yyyyMMdd", zone)])
    assert [r["dt"] for r in judged.kept.collect()] == ([] if expected is None else [expected])
    assert [r["reason"] for r in judged.rejected.collect()] == (["INVALID_PARTITION"] if expected is None else [])


def test_a_column_of_the_event_can_be_the_partition_itself(spark: SparkSession) -> None:
    events = Events.of(spark.createDataFrame([("DE",), ("",)], "country string"))
    judged = with_partitions(events, [PartitionColumn("country")])
    assert [r["country"] for r in judged.kept.collect()] == ["DE"]
    assert judged.rejected.count() == 1


def test_a_partition_may_replace_its_own_source(spark: SparkSession) -> None:
    events = Events.of(spark.createDataFrame([("2019-05-23T23:30:00Z",)], "at string"))
    judged = with_partitions(events, [PartitionColumn("at", "at", "yyyy")])
    assert [r["at"] for r in judged.kept.collect()] == ["2019"]
