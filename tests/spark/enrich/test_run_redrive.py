"""A redrive as a command has it: from a configuration, under the table's lock."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.enrich.assembly import assemble, resolve_schema
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.redrive import run_redrive
from streamjoin.entry import parse_config
from streamjoin.errors import SinkError
from streamjoin.letters.listing import LetterFilter, count_by_reason
from streamjoin.lock import TableLock
from streamjoin.query import query
from tests.oracle import Record
from tests.spark.harness import batch_of


def config_of(folder: Path, note: str) -> EnrichConfig:
    return parse_config(
        {
            "job": "enrich",
            "name": "orders",
            "source": {"kinesis": {"stream_name": "s"}},
            "payload": {"schema": f"id string, note {note}"},
            "output": {"select": ["id"]},
            "sink": {"hudi": {"base_path": str(folder / "t"), "table_name": "t", "record_key": ["id"]}},
            "dead_letters": {"base_path": str(folder / "dead")},
        }
    )


def test_the_letters_of_a_configuration_are_redriven_unless_its_job_runs(spark: SparkSession, tmp_path: Path) -> None:
    narrow, mended = config_of(tmp_path, "int"), config_of(tmp_path, "string")
    records = [Record("shard-0", 1, b'{"id": "a", "note": "x"}'), Record("shard-0", 2, b'{"id": "b", "note": 1}')]
    job = assemble(narrow, resolve_schema(narrow), spark)
    enrich.process_batch(job, batch_of(spark, 1, [*records, Record("shard-0", 3, b"{")]))
    with TableLock(job.table.base_path, job="orders"), pytest.raises(SinkError, match="orders"):
        run_redrive(mended)
    assert count_by_reason(str(tmp_path / "dead")) == {"MALFORMED_JSON": 1, "WRONG_TYPE": 1}
    report = run_redrive(mended, LetterFilter.of(["WRONG_TYPE"]))
    assert (report.redriven, report.stayed) == ({"WRONG_TYPE": 1}, {})
    assert count_by_reason(str(tmp_path / "dead")) == {"MALFORMED_JSON": 1}
    # Written also if the output's columns are chosen.
    found = query(job.table.base_path, "select id, _sequence_number from t order by id").to_pylist()
    assert found == [{"id": "a", "_sequence_number": "1"}, {"id": "b", "_sequence_number": "2"}]
