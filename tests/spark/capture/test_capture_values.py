"""Items of any values: what a captured table keeps of them, also when it is written again."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pyspark.sql import SparkSession

from streamjoin.capture.pipeline import process_batch
from streamjoin.query import query
from tests.changes.samples import kinesis_record
from tests.spark.capture.test_capture import Stream, entry, job_of

AT = 1_704_067_200_000_000


def test_nulls_in_arrays_and_old_times_are_kept_and_a_table_that_has_them_widens(
    spark: SparkSession, tmp_path: Path
) -> None:
    tables = [
        entry(tmp_path, "arr", schema="id string, tags array<string>"),
        entry(tmp_path, "wid", schema="id string, at timestamp", undeclared="evolve"),
    ]
    old = datetime(1, 1, 1, tzinfo=UTC)
    first = [
        kinesis_record("arr", "INSERT", {"id": "1"}, {"id": "1", "tags": ["a", None]}, created=AT),
        kinesis_record("wid", "INSERT", {"id": "1"}, {"id": "1", "at": "0001-01-01T00:00:00Z", "n": 1}, created=AT),
    ]
    second = [kinesis_record("wid", "INSERT", {"id": "2"}, {"id": "2", "n": Decimal("1.5")}, created=AT + 1)]
    stream = Stream(spark)
    for payloads in (first, second):
        assert process_batch(job_of(tmp_path, *tables), stream.batch(payloads)).counts.rejected == 0
    assert query(str(tmp_path / "arr"), "select tags from t").to_pylist() == [{"tags": ["a", None]}]
    found = query(str(tmp_path / "wid"), 'select id, "at", n from t order by id').to_pylist()
    assert [tuple(row.values()) for row in found] == [("1", old, 1), ("2", None, Decimal("1.5"))]


def test_a_capture_with_small_whole_numbers_starts_again(spark: SparkSession, tmp_path: Path) -> None:
    table = entry(tmp_path, "sml", schema="id string, n smallint, tags array<tinyint>")
    stream = Stream(spark)
    for key in ("1", "2"):
        item = {"id": key, "n": 1, "tags": [1, None]}
        change = kinesis_record("sml", "INSERT", {"id": key}, item, created=AT)
        assert process_batch(job_of(tmp_path, table), stream.batch([change])).counts.rejected == 0
    found = query(str(tmp_path / "sml"), "select n, tags from t order by id").to_pylist()
    assert found == [{"n": 1, "tags": [1, None]}] * 2
