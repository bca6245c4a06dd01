"""Dead letters of a batch that died before its commit, when its records are rows by the time they are read again."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.pipeline import process_batch
from streamjoin.history import checkpoint
from tests.oracle import Record
from tests.spark.harness import CrashError, batch_of, crash_at, dead_letters_of, make_job, rows_of

NARROW = "id string, country string, at string, amount int, combinedname string"
WIDE = NARROW.replace("amount int", "amount bigint")
LARGE = b'{"id": "b", "at": "1/1/10", "amount": 7000000000}'


def test_letters_stay_until_their_records_are_read_again_and_if_these_are_still_rejected(
    spark: SparkSession, tmp_path: Path
) -> None:
    job = make_job(tmp_path, schema=NARROW)
    process_batch(job, batch_of(spark, 1, [Record("shard-0", 1, b"{")]))
    unread = [Record("shard-0", 2, LARGE), Record("shard-0", 3, b"["), Record("child", 9, LARGE)]
    with pytest.raises(CrashError):
        process_batch(job, batch_of(spark, 2, unread), on_step=crash_at("dead_letters_written"))

    mended = make_job(tmp_path, schema=WIDE)
    start(mended, spark)
    all_of_them = {("shard-0", 1), ("shard-0", 2), ("shard-0", 3), ("child", 9)}
    assert set(dead_letters_of(job, ["shard-0", "child"])) == all_of_them
    # Smaller batches than before, of which one dies too.
    with pytest.raises(CrashError):
        process_batch(mended, batch_of(spark, 3, unread[:2]), on_step=crash_at("dead_letters_written"))
    mended = make_job(tmp_path, schema=WIDE)
    start(mended, spark)
    process_batch(mended, batch_of(spark, 3, unread[:2]))
    # A shard that no commit knew.
    process_batch(mended, batch_of(spark, 4, unread[2:]))
    assert set(dead_letters_of(job, ["shard-0", "child"])) == {("shard-0", 1), ("shard-0", 3)}
    assert {key: row["amount"] for key, row in rows_of(mended).items()} == {"b": 7_000_000_000}


def start(job: EnrichJob, spark: SparkSession) -> None:
    """Do what a start does."""
    found = checkpoint.read(job.table.base_path)
    assert found is not None
    job.unread_letters.find(spark, found.position)
