"""A batch that was prepared before the one in front of it was committed ends as if it had waited."""

import json
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import prepared as prepared_module
from streamjoin.enrich.pipeline import process_batch
from streamjoin.enrich.prepared import Prepared, prepare
from streamjoin.history import checkpoint
from streamjoin.reference.followed.reference import Reference
from tests.faults.reference import FakeDynamoDb, country
from tests.faults.reference import settings as reference_settings
from tests.oracle import Record
from tests.spark.harness import batch_of, deletion_of, make_job, rows_of


def event(number: int, key: str, at: str, amount: int = 1) -> Record:
    return Record("s-0", number, json.dumps({"id": key, "country": "India", "at": at, "amount": amount}).encode())


def india(spark: SparkSession) -> Reference:
    chosen = reference_settings(name="country", on={"country": "countryname"}, columns={"combinedname": "combinedname"})
    return Reference(chosen, client=FakeDynamoDb([country("IN", "India", combinedname={"S": "IN-India"})]), spark=spark)


def test_what_a_deletion_of_the_batch_before_makes_late_is_late(spark: SparkSession, tmp_path: Path) -> None:
    job = make_job(tmp_path, india(spark), deletion=deletion_of(tmp_path, "amount < 0"))
    first = batch_of(spark, 1, [event(1, "a", "1/1/12"), event(2, "a", "2/2/12", -1)])
    second = batch_of(spark, 2, [event(3, "a", "1/2/12"), event(4, "b", "1/2/12")])
    ready: list[Prepared | None] = []
    process_batch(job, first, begin_next=lambda: ready.append(prepare(job, second)))
    (found,) = ready
    assert found is not None
    assert found.ordered is None
    counts = process_batch(job, second, prepared=found).counts
    assert (counts.read, counts.kept, counts.superseded) == (2, 1, 1)
    assert {key: row["combinedname"] for key, row in rows_of(job).items()} == {"b": "IN-India"}


def test_a_prepared_batch_is_written_as_it_is_unless_a_version_has_become_too_old(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path, india(spark))
    batch = batch_of(spark, 1, [event(1, "a", "1/1/12"), event(2, "a", "1/2/12"), Record("s-0", 3, b"{")])
    ready = prepare(job, batch)
    assert ready is not None
    assert ready.is_fresh()
    assert not ready.is_fresh(lambda: time.time() + job.references[0].max_staleness_seconds + 1)
    joins = list[str]()
    join = prepared_module.join_in_driver
    monkeypatch.setattr("streamjoin.enrich.batch.join_in_driver", lambda *given: joins.append("again") or join(*given))
    monkeypatch.setattr(Prepared, "is_fresh", lambda prepared: not prepared.kept.is_old)
    for is_old in (False, True):
        ready.kept.is_old = is_old  # type: ignore[attr-defined]
        counts = process_batch(job, batch, prepared=ready).counts
        assert (counts.read, counts.kept, counts.superseded, counts.rejected) == (3, 1, 1, 1)
        assert joins == ["again"] * is_old
    committed = checkpoint.read(job.table.base_path)
    assert committed is not None
    # What reading the version that was not used consumed is in the commit of the one that was.
    assert committed.references["country"]["read_units"] == ready.snapshots["country"].consumed_read_units > 0
    assert {key: row["at"] for key, row in rows_of(job).items()} == {"a": "1/2/12"}


def test_a_job_that_rewrites_rows_prepares_nothing(spark: SparkSession, tmp_path: Path) -> None:
    job = make_job(tmp_path, india(spark), rewriting=object())
    assert prepare(job, batch_of(spark, 1, [event(1, "a", "1/1/12")])) is None
