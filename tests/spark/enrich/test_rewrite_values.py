"""Rewriting reads rows back as they were written, whatever values they have."""

from datetime import UTC, date, datetime
from pathlib import Path

from pyspark.sql import SparkSession

from streamjoin.query import query
from tests.oracle import EVENT_SCHEMA
from tests.spark.enrich.rewriting import World, event


def test_rows_with_old_dates_and_nulls_in_arrays_are_written_and_written_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, schema=f"{EVENT_SCHEMA}, seen timestamp, d date, tags array<string>")
    world.put("IN", "India", "IN-India")
    zero = {"seen": "0001-01-01T00:00:00Z", "d": "1500-01-01", "tags": ["a", None]}
    fine = {"seen": "2026-01-01T00:00:00Z", "d": "2026-01-01", "tags": ["a"]}
    world.send(event("zero", "India") | zero, event("ok", "India") | fine)
    world.put("IN", "India", "IN-Bharat")
    assert world.settle() == 2
    found = query(world.job.table.base_path, "select id, combinedname, seen, d, tags from t order by id").to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("ok", "IN-Bharat", datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), ["a"]),
        ("zero", "IN-Bharat", datetime(1, 1, 1, tzinfo=UTC), date(1500, 1, 1), ["a", None]),
    ]
