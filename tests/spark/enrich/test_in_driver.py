"""A batch that the driver decodes and joins: the same events as by executors, in one pass without shuffle or Python."""

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from streamjoin.config.sink_stages import OrderingSettings
from streamjoin.enrich.batch import order_batch
from streamjoin.enrich.config.enrich import OutputSettings
from streamjoin.enrich.rows import table_rows
from streamjoin.history.counts import BatchCounts
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.reference.followed import shipping
from streamjoin.reference.followed.reference import Reference
from streamjoin.streaming.batch import follow_size
from streamjoin.streaming.isolation import SetAside
from tests.faults.reference import FakeDynamoDb
from tests.faults.reference import settings as reference_settings
from tests.oracle import Record
from tests.spark.harness import batch_of, deletion_of, make_job

SCHEMA = (
    "id string, country string, at timestamp, amount decimal(10,2), tags array<string>, "
    "more struct<m: map<string,int>>, x double"
)
EVENTS: list[dict[str, Any] | bytes] = [
    {"id": "1", "country": "India", "at": "2026-01-31T00:00:00.000001Z", "amount": 1.25, "tags": ["a", None]},
    {"id": "1", "country": "USA", "at": "1600-02-29T00:00:00Z", "more": {"m": {"k": 1}}},
    {"id": "2", "country": "Atlantis", "at": "2026-01-31T00:00:00Z", "more": {}, "tags": []},
    {"id": "2", "country": "Atlantis", "at": "2026-02-01T00:00:00Z", "amount": -1},
    {"id": "", "country": "India", "at": "2026-02-01T00:00:00Z"},
    {"id": "3", "country": None},
    {"id": 4, "country": "India", "at": "2026-02-01T00:00:00Z", "amount": 0},
    {"id": "5", "country": "India", "at": "2026-02-01T00:00:00Z", "amount": 9, "x": 0.0},
    {"id": "5", "country": "India", "at": "2026-01-01T00:00:00Z", "amount": 8, "x": -0.0},
    {"id": "5", "country": "India", "at": "2026-02-01T00:00:00Z", "amount": 7, "x": 0.0},
    {"id": "6", "country": "India", "at": "9999-12-31T23:59:59Z", "x": 1.5},
    b"{",
    b"",
    b"\xff",
]
RECORDS = [
    Record(f"shard-{n % 2}", 100 + n, each if isinstance(each, bytes) else json.dumps(each).encode())
    for n, each in enumerate(EVENTS)
]


def references(spark: SparkSession) -> list[Reference]:
    items = [{"code": {"S": v[:2].upper()}, "countryname": {"S": v}} for v in ("India", "USA")]
    codes = [{"code": {"S": "IN"}, "zone": {"N": "5.5"}}]
    by_name = reference_settings(name="country", on={"country": "countryname"}, columns={"code": "code"})
    by_code = reference_settings(name="zone", on={"code": "code"}, columns={"zone": "zone"}, how="inner")
    return [
        Reference(chosen, client=FakeDynamoDb(found), spark=spark)
        for chosen, found in ((by_name, items), (by_code, codes))
    ]


def plan_of(frame: DataFrame) -> str:
    return str(frame._jdf.queryExecution().executedPlan().toString())


DERIVED = OutputSettings(
    derive={"size": "size(tags)", "late": "date_add(at, 1)", "amount": "IF(amount = 8, raise_error('8'), amount)"}
)
BY_DAY = (PartitionColumn("day", "at", "yyyy-MM-dd"), PartitionColumn("country"))


@pytest.mark.parametrize(
    ("options", "deletes", "counted"),
    [
        ({"output": DERIVED}, True, (4, 1, 1)),
        ({"output": DERIVED}, False, (3, 0, 1)),
        ({"partition_by": BY_DAY}, False, (4, 0, 2)),
        ({"record_key": ("id", "x"), "ordering": None}, False, (2, 0, 2)),
    ],
)
def test_a_batch_is_the_same_whether_driver_or_executors_decode_and_join_it(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    deletes: bool,
    counted: tuple[int, int, int],
) -> None:
    # The first is shipped to executors, the second is broadcast there.
    monkeypatch.setattr(shipping, "FEW_ROWS", 2)
    deletion = deletion_of(tmp_path, "amount < 0") if deletes else None
    parts = {"schema": SCHEMA, "ordering": OrderingSettings(column="at"), "deletion": deletion}
    job = make_job(tmp_path, *references(spark), **{**parts, "output": options.pop("output", OutputSettings())})
    key = options.pop("record_key", job.table.record_key)
    job = replace(job, table=replace(job.table, record_key=key), **options)
    snapshots = job.current()
    batch = batch_of(spark, 1, RECORDS)
    follow_size(batch)
    jobs = spark.sparkContext._jsc.sc().dagScheduler()  # type: ignore[attr-defined]
    found: list[tuple[list[str], list[str], BatchCounts]] = []
    with ExitStack() as kept:
        for each in (batch, replace(batch, table=None)):
            before = jobs.numTotalJobs()
            ordered, counts = order_batch(job, each, snapshots, SetAside(), kept)
            if each.table is not None:
                # One more for each expression that failed names the error.
                assert jobs.numTotalJobs() - before == 1 or "EXPRESSION_FAILED" in counts.rejected_by_reason
                assert not [word for word in ("Exchange", "Python", "MapInArrow") if word in plan_of(ordered.frame)]
            rows = (json.dumps(json.loads(row), sort_keys=True) for row in ordered.frame.toJSON().collect())
            found.append((sorted(rows), table_rows(job, ordered).columns, counts))
    assert found[0] == found[1]
    counts = found[0][2]
    assert (counts.read, counts.kept, counts.removed, counts.superseded) == (len(EVENTS), *counted)
