import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.frames import frame_of, tasks_for
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

SCHEMA = parse_schema("s string, b binary, l bigint, i int, d double, m decimal(38,10), t timestamp, y date, o boolean")
FULL = {
    "s": "é", "b": b"\x00\xff", "l": 2**63 - 1, "i": -1, "d": 0.1,
    "m": Decimal("1234567890123456789012345678.0123456789"),
    "t": datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC), "y": date(1, 1, 1), "o": True,
}  # fmt: skip
EMPTY = {"s": "", "b": b"", "l": 0, "i": 0, "d": 0.0, "m": Decimal(0), "t": datetime(1970, 1, 1, tzinfo=UTC),
         "y": date(9999, 12, 31), "o": False}  # fmt: skip
NULL = dict.fromkeys(SCHEMA.names)


@pytest.mark.parametrize("rows", [[FULL, EMPTY, NULL], [NULL], []])
def test_every_flat_type_reaches_spark_exactly_nulls_too(spark: SparkSession, rows: list[dict[str, object]]) -> None:
    frame = frame_of(spark, pa.Table.from_pylist(rows, schema=SCHEMA))
    assert frame.schema == to_spark(SCHEMA)
    found = [row.asDict() for row in frame.withColumn("t", F.unix_micros("t")).collect()]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [
        {**row, "t": None if row["t"] is None else (row["t"] - epoch) // datetime.resolution}  # type: ignore[operator]
        for row in rows
    ]
    assert found == expected


def test_a_small_frame_is_one_task_and_a_large_one_no_more_than_four_a_core(spark: SparkSession) -> None:
    assert (tasks_for(spark, 0), tasks_for(spark, 4_000), tasks_for(spark, 25_000)) == (1, 1, 3)
    assert tasks_for(spark, 10_000_000) == 4 * spark.sparkContext.defaultParallelism


def test_no_task_looks_for_python_modules_in_the_jar_of_spark(spark: SparkSession) -> None:
    def looked_in(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        assert sum(batch.num_rows for batch in batches) == 1
        places = sorted({*sys.path, *sys.path_importer_cache})
        yield pa.RecordBatch.from_pydict({"place": [place for place in places if place.endswith(".jar")]})

    one, out = spark.range(1), to_spark(parse_schema("place string"))
    assert map_batches(one, looked_in, out).collect() == []
