"""Times of columns in Spark: the forms that Python's reader takes, and no years beyond 1 to 9999."""

from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from streamjoin.hudi.partition import PartitionColumn, with_partitions
from streamjoin.records.events import Events
from streamjoin.records.times import to_instant
from tests.times import NO_TIMES, TIMES


def test_spark_reads_the_same_times_as_python(spark: SparkSession) -> None:
    texts: list[tuple[str, int | None]] = [*TIMES, *((text, None) for text in NO_TIMES)]
    frame = spark.createDataFrame([(at, text) for at, (text, _) in enumerate(texts)], "n int, v string")
    instant = to_instant(F.col("v"), frame.schema["v"].dataType)
    found = {row["n"]: row["us"] for row in frame.select("n", F.unix_micros(instant).alias("us")).collect()}
    differing = {text: (found[at], us) for at, (text, us) in enumerate(texts) if found[at] != us}
    assert differing == {}


@pytest.mark.parametrize(
    ("ddl", "zone", "values", "expected"),
    [
        ("v string", "Asia/Tokyo", ["9999-12-31T14:59:59Z", "9999-12-31T15:00:00Z"], ["9999"]),
        ("v string", "America/New_York", ["0001-01-01T06:00:00Z", "0001-01-01T00:00:00Z"], ["0001"]),
        ("v bigint", "UTC", [1, 10**14 - 1, 2**63 - 1, -(2**63), -62135596800, -62135596801], ["1970", "5138", "0001"]),
        ("v date", None, [date(9999, 12, 31), date(1, 1, 1)], ["9999-12-31", "0001-01-01"]),
    ],
)  # fmt: skip
def test_no_partition_is_of_a_year_beyond_1_to_9999(
    spark: SparkSession, ddl: str, zone: str | None, values: list[Any], expected: list[str]
) -> None:
    frame = spark.createDataFrame([(value,) for value in values], ddl)
    column = PartitionColumn("dt", "v", None if zone is None else "yyyy", zone or "UTC")
    if ddl == "v date":
        # What no reader of payloads gives, but an expression may.
        frame = frame.union(spark.sql("select make_date(10000, 1, 1) v"))
    judged = with_partitions(Events.of(frame), [column])
    assert sorted(row["dt"] for row in judged.kept.collect()) == sorted(expected)
    assert judged.rejected.count() == frame.count() - len(expected)
