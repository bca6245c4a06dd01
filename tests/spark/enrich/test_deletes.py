"""Events that delete their row: what the expression may be, and which row there is in the end."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

from streamjoin.config.sink_stages import OrderingSettings
from streamjoin.enrich import assembly
from streamjoin.enrich.config.enrich import EnrichConfig, OutputSettings
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.order import ORDERING_COLUMN
from streamjoin.enrich.pipeline import process_batch
from streamjoin.entry import judge, parse_job
from streamjoin.errors import ConfigError
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.hudi.write import HudiTable
from streamjoin.query import query
from streamjoin.streaming.metrics import BatchReport
from tests.oracle import Record
from tests.small_tables import ONE_BUCKET
from tests.spark.enrich.redriving import country_reference
from tests.spark.harness import batch_of, dead_letters_of, deletion_of, make_job

# What AWS DMS writes to Kinesis, as docs/configuration.md has it.
DMS = """
job: enrich
name: customers
source: {kinesis: {stream_name: dms}}
payload:
  schema: "data struct<id: bigint, name: string>, metadata struct<timestamp: string, operation: string>"
output:
  derive: {id: data.id, name: data.name, changed_at: metadata.timestamp}
  drop: [data, metadata]
sink:
  hudi:
    base_path: lake/customers
    table_name: customers
    record_key: [id]
    ordering: {column: changed_at}
    delete_when: "metadata.operation = 'delete'"
dead_letters: {base_path: lake/customers_dead_letters}
"""


def with_expression(expression: str) -> dict[str, Any]:
    return {
        "job": "enrich",
        "name": "orders",
        "source": {"kinesis": {"stream_name": "s"}},
        "payload": {"schema": "id string, op string, n int, at struct<op: string>, gone boolean"},
        "references": [
            {"name": "r", "dynamodb": {"table_name": "ref"}, "on": {"op": "k"}, "columns": ["joined"]},
        ],
        "output": {"derive": {"derived": "upper(op)"}},
        "sink": {
            "hudi": {"base_path": "lake/t", "table_name": "t", "record_key": ["id"], "delete_when": expression},
        },
        "dead_letters": {"base_path": "lake/d"},
    }


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("op = 'delete' or (n > 3 and at.op in ('D', 'R'))", None),
        ("gone", None),
        ("lower(op) like 'del%'", None),
        ("op = 'delete' and", "can't be used: [PARSE_SYNTAX_ERROR]"),
        # Spark would take the last word for a name of the result.
        ("op = 'delete' or n", "can't be used: [DATATYPE_MISMATCH"),
        ("gone deleted", "can't be used: [PARSE_SYNTAX_ERROR]"),
        ("gone -- whether it is", None),
        ("op = 'delete", "can't be used: [PARSE_SYNTAX_ERROR]"),
        ("operation = 'delete'", "can't be used: [UNRESOLVED_COLUMN"),
        ("at.operation = 'delete'", "can't be used: [FIELD_NOT_FOUND]"),
        ("joined = 'x'", "can't be used: [UNRESOLVED_COLUMN"),
        ("derived = 'X'", "can't be used: [UNRESOLVED_COLUMN"),
        ("max(n) = 3", "can't be used: [MISSING_GROUP_BY]"),
        ("op", "is of type string; allowed: an expression that is true or false"),
        ("n", "is of type int; allowed"),
    ],
)
def test_an_expression_that_cant_tell_deletions_is_refused_before_anything_is_read(
    expression: str, problem: str | None
) -> None:
    config = parse_job(with_expression(expression))
    if problem is None:
        judge(config)
        return
    with pytest.raises(ConfigError) as refused:
        judge(config)
    (line,) = refused.value.problems
    assert line.startswith(f"sink.hudi.delete_when: {expression!r} {problem}"), line


def send(spark: SparkSession, job: EnrichJob, number: int, *events: dict[str, Any]) -> BatchReport:
    records = [Record("shard-0", number * 10 + n, json.dumps(each).encode()) for n, each in enumerate(events)]
    return process_batch(job, batch_of(spark, number, records))


def moving_job(spark: SparkSession, folder: Path, table_type: str) -> EnrichJob:
    """Return a job as a new process has it, with an inner join and partitions that move."""
    table = HudiTable(str(folder / "t"), "t", ("id",), ORDERING_COLUMN, ("country",), table_type, options=ONE_BUCKET)
    made = make_job(
        folder,
        country_reference(spark, "inner"),
        schema="id string, country string, n int, op string",
        ordering=OrderingSettings(column="n"),
        # What a deleted row would have had is no loss.
        output=OutputSettings(drop=["op"], derive={"twice": "if(n = -2, raise_error(id), 2 * n)"}),
        deletion=deletion_of(folder, "op = 'delete' or if(op = 'bad', raise_error(op), false)"),
    )
    return replace(made, table=table, partition_by=(PartitionColumn("country"),))


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_a_deletion_needs_its_key_alone_wherever_the_row_lies_and_no_late_event_undoes_it(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    job = moving_job(spark, tmp_path, table_type)
    rows = [{"id": "a", "country": "India", "n": -3}, {"id": "b", "country": "USA", "n": 1}]
    send(spark, job, 1, *rows, {"id": "c", "country": "India", "n": 1})
    deletions = [
        {"id": "a", "n": -2, "op": "delete"},
        {"id": "b", "country": "India", "n": 2, "op": "delete"},
        {"id": "never there", "n": 5, "op": "delete"},
    ]
    bad = {"id": "f", "country": "USA", "n": 1, "op": "bad"}, {"id": "d", "country": "Atlantis", "n": 1}
    report = send(spark, job, 2, *deletions, {"id": "c", "country": "USA", "n": 2}, *bad)
    assert (report.counts.kept, report.counts.removed, report.counts.rejected) == (4, 3, 2)
    assert (" removed=3 " in report.line(), report.counts.unmatched) == (True, {"country": 0})

    job = moving_job(spark, tmp_path, table_type)
    # A newer event makes a row again, as on a tie the one later in its shard.
    again = [{"id": "b", "country": "India", "n": 2}, {"id": "never there", "country": "USA", "n": 6}]
    late = send(spark, job, 3, *rows, {"id": "c", "n": 1, "op": "delete"}, *again)
    assert (late.counts.kept, late.counts.superseded, late.counts.removed) == (3, 2, 1)

    found = query(job.table.base_path, "select id, country, n from t order by id").to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("b", "India", 2), ("c", "USA", 2), ("never there", "USA", 6),
    ]  # fmt: skip
    letters = sorted(reason for reason, _ in dead_letters_of(job, ["shard-0"]).values())
    assert letters == ["EXPRESSION_FAILED", "UNMATCHED_REFERENCE"]


def dms(operation: str, second: int, **data: Any) -> dict[str, Any]:
    """A record as AWS DMS writes it."""
    metadata = {
        "timestamp": f"2026-01-31T12:00:{second:02}.123456Z", "record-type": "data", "operation": operation,
        "partition-key-type": "primary-key", "schema-name": "sales", "table-name": "customers",
    }  # fmt: skip
    return {"data": data, "metadata": metadata}


def test_changes_that_dms_writes_to_a_stream_delete_rows(spark: SparkSession, tmp_path: Path) -> None:
    config = parse_job(yaml.safe_load(DMS.replace("lake/", f"{tmp_path}/")))
    assert isinstance(config, EnrichConfig)
    judge(config)
    job = assembly.assemble(config, assembly.resolve_schema(config), spark)
    job.open()
    send(spark, job, 1, *(dms("load", 1, id=n, name=f"n{n}") for n in (1, 2, 3)), dms("insert", 2, id=4, name="n4"))
    control = {"metadata": {"timestamp": "2026-01-31T12:00:03Z", "record-type": "control", "operation": "create-table"}}
    changes = [dms("update", 5, id=1, name="new"), dms("delete", 5, id=2), dms("delete", 6, id=3, name="n3"), control]
    report = send(spark, job, 2, *changes, dms("update", 4, id=3, name="late"), dms("insert", 7, id=2, name="again"))
    later = send(spark, job, 3, dms("update", 5, id=3, name="later still"))

    assert report.counts.rejected_by_reason == {"MISSING_RECORD_KEY": 1}
    assert (report.counts.removed, later.counts.superseded) == (1, 1)
    found = query(job.table.base_path, "select id, name from t order by id").to_pylist()
    assert [tuple(row.values()) for row in found] == [(1, "new"), (2, "again"), (4, "n4")]
