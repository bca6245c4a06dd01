"""Changes by which a capture's batch fails: dead letters, while all other changes of all tables are rows."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.capture.pipeline import process_batch
from streamjoin.query import query
from tests.faults.hudi import REFUSED, refuse
from tests.spark.capture.test_capture import Stream, entry, insert, job_of


def test_a_row_that_hudi_refuses_stops_no_table_and_the_older_change_of_its_item_is_the_row(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ("now", "fine")
    settings = {"schema": "id string, note string"}
    job = job_of(tmp_path, *(entry(tmp_path, name, **settings) for name in tables))
    paths = refuse(monkeypatch, "note")
    batch = Stream(spark).batch(
        [
            *(insert(name, "a", 1, note="older") for name in tables),
            insert("now", "a", 2, note=REFUSED),
            *(insert(name, "b", 3, note="good") for name in tables),
        ]
    )
    counts = process_batch(job, batch).counts
    assert (counts.read, counts.kept, counts.superseded, counts.rejected) == (5, 4, 0, 1)
    assert counts.rejected_by_reason == {"UNWRITABLE": 1}
    newest = job.journal.newest()
    assert newest is not None
    assert newest.position == batch.position
    for name in tables:
        found = query(str(tmp_path / name), "select id, note from t order by id").to_pylist()
        assert found == [{"id": "a", "note": "older"}, {"id": "b", "note": "good"}], name
    letters = query(str(tmp_path / "dead"), "select sequence_number, detail from t").to_pylist()
    said = "Hudi can't write it: column 'note': java.lang.RuntimeException"
    assert {row["sequence_number"]: row["detail"] for row in letters} == {"3": said}
    # What was committed by the first attempt isn't written again.
    assert paths.count(str(tmp_path / "fine")) == 1
