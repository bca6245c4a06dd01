"""Real tables, real dead letters, and a position that is set by hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.set_position import set_position
from streamjoin.entry import parse_config
from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.history.set_position import StartAfter, StartAt
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.letters.table import DeadLetters
from streamjoin.lock import TableLock
from streamjoin.query import query
from streamjoin.spark.schema import RECORD_STRUCT
from streamjoin.verify import ViolationKind, verify
from tests.faults.kinesis import FakeKinesis
from tests.faults.kinesis_clock import FakeClock
from tests.history import JobHistory, Metadata

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)
DDL = "uuid string, v int, _ordering_us bigint, _sequence_number string"


def config_of(folder: Path, table_type: str) -> EnrichConfig:
    return parse_config(
        {
            "job": "enrich",
            "name": "orders",
            "source": {"kinesis": {"stream_name": "orders"}},
            "payload": {"schema": "uuid string, v int"},
            "sink": {
                "hudi": {
                    "base_path": str(folder / "t"),
                    "table_name": "t",
                    "record_key": ["uuid"],
                    "table_type": table_type,
                }
            },
            "dead_letters": {"base_path": str(folder / "dead")},
        }
    )


def write_letters(spark: SparkSession, folder: Path, job: JobHistory) -> None:
    rows = [
        ("orders", shard_id, number, 0, "k", ARRIVED + timedelta(seconds=int(number)), bytearray(b"x"), reason, "")
        for _, shard_id, number, reason in job.letters.values()
    ]
    texts = [T.StructField(name, T.StringType()) for name in ("reason", "detail")]
    schema = T.StructType([*RECORD_STRUCT.fields, *texts])
    DeadLetters(str(folder / "dead"), "dead").write(spark.createDataFrame(rows, schema), batch_id="x")


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_a_position_that_is_set_is_read_back_and_everything_else_is_carried_on(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    config = config_of(tmp_path, table_type)
    target = HudiTable(str(tmp_path / "t"), "t", ("uuid",), "_ordering_us", table_type=table_type)
    kinesis = FakeKinesis(FakeClock(), shards=2)
    first, second = list(kinesis.shards)
    client = StreamClient(Stream("orders"), kinesis, kinesis.clock)

    def commit(metadata: Metadata) -> None:
        rows = [("a", 1, 1, "1")] if "start" not in metadata["batch_id"] else []
        upsert(spark.createDataFrame(rows, DDL), target, commit_metadata=metadata)
        Ledger(target.base_path).follow()

    def set_to(wanted: StartAt | StartAfter) -> tuple[str, ...]:
        return set_position(config, wanted, session=lambda: spark, client=client)

    job = JobHistory(commit)
    job.start(first, second)
    # A table that has no row yet has its columns all the same.
    (change,) = set_to(StartAfter({first: "2"}))
    assert change.endswith("from its beginning to after 2: the records up to 2 are skipped")
    found = checkpoint.read(target.base_path)
    assert found is not None
    job.position = found.position
    job.batch({first: 3, second: 4}, {"NOT_UTF8": 1})
    write_letters(spark, tmp_path, job)
    before = checkpoint.read(target.base_path)
    set_to(StartAt("TRIM_HORIZON"))
    after = checkpoint.read(target.base_path)
    assert before is not None
    assert after is not None
    assert {place.kind.value for place in after.position.shards.values()} == {"TRIM_HORIZON"}
    assert (after.references, after.ranges, after.counts["read"]) == (before.references, (), 0)
    *_, entry = Ledger(target.base_path).entries()
    assert entry.batch_id == f"set-{before.instant}"
    audit = json.loads(entry.extra["audit"])
    assert audit["what"] == "--trim-horizon"
    assert audit["from"][second] == {"kind": "AFTER", "sequence_number": "4", "caught_up_ms": 1}
    assert audit["to"][second] == {"kind": "TRIM_HORIZON"}
    assert query(target.base_path, "select uuid, v, _sequence_number from t").to_pylist() == [
        {"uuid": "a", "v": 1, "_sequence_number": "1"}
    ]
    assert set_to(StartAt("TRIM_HORIZON")) == ()

    report = verify(target.base_path, config.dead_letters.base_path)
    assert report.holds, report.violations
    assert (report.commits, report.records, report.dead_letters) == (4, 7, 1)
    assert any("(--trim-horizon)" in note and f"'{second}'" in note for note in report.notes)


def test_dead_letters_are_counted_in_their_table(spark: SparkSession, tmp_path: Path) -> None:
    target = HudiTable(str(tmp_path / "t"), "t", ("uuid",), "_ordering_us")

    def commit(metadata: Metadata) -> None:
        upsert(spark.createDataFrame([("a", 1, 1, "1")], DDL), target, commit_metadata=metadata)

    job = JobHistory(commit)
    job.start("s")
    job.batch({"s": 12}, {"NOT_UTF8": 2, "WRONG_TYPE": 1})
    write_letters(spark, tmp_path, job)
    report = verify(target.base_path, str(tmp_path / "dead"))
    assert report.holds, report.violations
    assert report.dead_letters == 3
    assert not (tmp_path / "t" / ".hoodie" / ".streamjoin" / "ledger").exists()
    job.letters["more"] = ("more", "s", "11", "WRONG_TYPE")
    write_letters(spark, tmp_path, job)
    (violation,) = verify(target.base_path, str(tmp_path / "dead")).violations
    assert violation.kind is ViolationKind.DEAD_LETTERS
    assert "1 dead letters more with reason WRONG_TYPE" in violation.text


def test_a_table_that_a_job_writes_is_not_set(spark: SparkSession, tmp_path: Path) -> None:
    config = config_of(tmp_path, "COPY_ON_WRITE")
    target = HudiTable(str(tmp_path / "t"), "t", ("uuid",), "_ordering_us")
    job = JobHistory(lambda metadata: upsert(spark.createDataFrame([], DDL), target, commit_metadata=metadata))
    job.start("s")
    with TableLock(target.base_path, job="orders"), pytest.raises(SinkError, match="orders"):
        set_position(config, StartAt("LATEST"), client=StreamClient(Stream("orders"), FakeKinesis(FakeClock())))


def test_a_row_that_moved_though_it_was_promised_that_none_does_is_found(spark: SparkSession, tmp_path: Path) -> None:
    target = HudiTable(str(tmp_path / "t"), "t", ("uuid",), "_ordering_us", ("v",), is_fixed=True)

    def commit(metadata: Metadata) -> None:
        rows = [("a", int(metadata["batch_id"] != "start"), 1, "1"), ("b", 1, 1, "2")]
        upsert(spark.createDataFrame(rows, DDL), target, commit_metadata=metadata)

    job = JobHistory(commit)
    job.start("s")
    paths = (target.base_path, str(tmp_path / "dead"))
    missing = str(tmp_path / "not there yet")
    assert verify(*paths, [target.base_path, missing]).holds
    job.batch({"s": 12})
    assert verify(*paths).holds
    (violation,) = verify(*paths, [target.base_path]).violations
    assert violation.kind is ViolationKind.ROWS_TWICE
    assert "has 3 rows of 2 record keys" in violation.text
