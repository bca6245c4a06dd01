"""Items that DynamoDB removed for their Time to Live: named in a changelog, kept in `current` if that is asked for."""

import itertools
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.capture.pipeline import process_batch
from streamjoin.query import query
from tests.changes.samples import kinesis_record, pipe_record
from tests.spark.capture.test_capture import Stream, entry, job_of


def expiry(record: bytes) -> bytes:
    """Return a removal as DynamoDB's Time to Live makes it."""
    identity = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    return json.dumps({**json.loads(record), "userIdentity": identity}).encode()


def test_what_expired_is_named_in_the_changelog_and_stays_in_current_if_that_is_asked_for(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The changelog was begun by a version that didn't say who removed an item."""
    # Either type has one of them; what Hudi makes of columns and deletions: tests/spark/hudi.
    entries = [
        entry(tmp_path, "kept", expired="keep", hudi={"table_type": "MERGE_ON_READ"}),
        entry(tmp_path, "gone"),
        entry(tmp_path, "log", "changelog", hudi={"table_type": "MERGE_ON_READ"}),
    ]
    places = itertools.count(1)

    def told(operation: str, key: str, new: int | None, envelope: str = "pipe") -> list[bytes]:
        images = (None if new is None else {"id": key, "quantity": new}, None)
        place = next(places)
        if envelope == "pipe":
            where = {"created_s": 1_700_000_000, "sequence_number": place}
            return [pipe_record(name, operation, {"id": key}, *images, **where) for name in ("kept", "gone", "log")]
        created = 1_700_000_000_000_000 + place
        names = ("kept", "gone", "log")
        return [kinesis_record(name, operation, {"id": key}, *images, created=created) for name in names]

    stream, before = Stream(spark), job_of(tmp_path, *entries)
    first = stream.batch([*told("INSERT", "a", 1), *told("INSERT", "b", 1), *told("INSERT", "c", 1)])
    columns = ChangeLayout.row_schema.fget
    assert columns is not None
    with pytest.MonkeyPatch.context() as patch:
        of_then = property(lambda layout: pa.schema([each for each in columns(layout) if each.name != "removed_by"]))
        patch.setattr(ChangeLayout, "row_schema", of_then)
        process_batch(before, first)
    assert "removed_by" not in query(str(tmp_path / "log"), "select * from t").column_names

    job = job_of(tmp_path, *entries)
    # The update of one batch stays though the item expired in it.
    updated = told("MODIFY", "a", 2)
    expired = [expiry(each) for each in [*told("REMOVE", "a", None), *told("REMOVE", "b", None, "kinesis")]]
    counts = process_batch(job, stream.batch([*updated, *expired, *told("REMOVE", "c", None)])).counts
    assert (counts.tables["kept"].removed, counts.tables["gone"].removed) == (1, 3)
    assert counts.read == counts.kept + counts.superseded
    stays = query(str(tmp_path / "kept"), "select id, quantity from t order by id").to_pylist()
    assert stays == [{"id": "a", "quantity": 2}, {"id": "b", "quantity": 1}]
    # Written again later, and removed by a user.
    process_batch(job, stream.batch([*told("INSERT", "b", 3, "kinesis"), *told("REMOVE", "a", None)]))

    for name in ("kept", "gone"):
        left = query(str(tmp_path / name), "select id, quantity from t order by id").to_pylist()
        assert left == [{"id": "b", "quantity": 3}]
    sql = "select keys, operation, removed_by from t where operation = 'REMOVE' or removed_by is not null"
    assert sorted(tuple(row.values()) for row in query(str(tmp_path / "log"), sql).to_pylist()) == [
        ('{"id":"a"}', "REMOVE", "ttl"), ('{"id":"a"}', "REMOVE", "user"),
        ('{"id":"b"}', "REMOVE", "ttl"), ('{"id":"c"}', "REMOVE", "user"),
    ]  # fmt: skip
    assert query(str(tmp_path / "log"), "select count(*) n from t").to_pylist() == [{"n": 9}]
