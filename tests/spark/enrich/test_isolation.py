"""Records by which a batch fails: dead letters, all others rows, in one commit."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException, PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.enrich.config.enrich import OutputSettings
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.pipeline import process_batch
from streamjoin.enrich.redrive import redrive
from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.hudi.table import HudiTable
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.table import letter_id
from streamjoin.query import query
from streamjoin.records.decode import decode
from streamjoin.records.events import RECORD_COLUMN, Events
from streamjoin.streaming.isolation import MOST_FAILING, FailedRecords, SetAside, Undecoded, not_computed
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.unwritable import Written, find_unwritable
from tests.faults.hudi import REFUSED, refuse
from tests.oracle import Record
from tests.spark.harness import batch_of, make_job

SCHEMA = "id string, ts timestamp, tz string, country string, note string, at string"
DERIVE = {"local_ts": "from_utc_timestamp(ts, tz)", "decoded": "url_decode(country)"}


def records_of(*events: dict[str, Any]) -> list[Record]:
    whole = {"ts": "2026-01-31T10:00:00Z", "at": "1/1/10"}
    return [Record("s-0", number, json.dumps({**whole, **each}).encode()) for number, each in enumerate(events, 1)]


def job_of(folder: Path, **parts: Any) -> EnrichJob:
    return make_job(folder, **{"schema": SCHEMA, "output": OutputSettings(derive=DERIVE), **parts})


def process(job: EnrichJob, spark: SparkSession, records: Sequence[Record]) -> BatchReport:
    job.open()
    report = process_batch(job, batch_of(spark, records[-1].sequence, records))
    counts = report.counts
    assert counts.read == len(records) == counts.kept + counts.superseded + counts.rejected
    committed = checkpoint.read(job.table.base_path)
    assert committed is not None
    assert committed.counts == counts.to_dict()
    return report


def letters_of(job: EnrichJob) -> dict[str, tuple[str, str]]:
    found = query(job.dead_letters.base_path, "select sequence_number, reason, detail from t").to_pylist()
    return {row["sequence_number"]: (row["reason"], row["detail"]) for row in found}


def rows_of(job: EnrichJob, columns: str = "id") -> list[tuple[Any, ...]]:
    # Columns of this test.
    found = query(job.table.base_path, f"select {columns} from t order by id").to_pylist()  # noqa: S608
    return [tuple(row.values()) for row in found]


def test_an_event_for_which_an_expression_raises_is_a_dead_letter_and_the_older_one_of_its_key_a_row(
    spark: SparkSession, tmp_path: Path
) -> None:
    job = job_of(tmp_path)
    records = records_of(
        {"id": "1", "tz": "Europe/Berlin"},
        {"id": "2", "tz": "Mars/Phobos"},
        {"id": "3", "tz": "Asia/Kolkata", "country": "In%20dia"},
        {"id": "4", "tz": "UTC", "note": "older"},
        {"id": "4", "tz": "Mars/Deimos", "note": "newer", "at": "1/2/10"},
        {"id": "5", "country": "MARKEDxVALUE%zz"},
        {"id": "6", "tz": "Mars/Phobos", "country": "%zz"},
        *({"id": f"n{n}", "tz": "Mars/Phobos"} for n in range(MOST_FAILING)),
    )
    counts = process(job, spark, records).counts
    assert (counts.kept, counts.superseded) == (3, 0)
    assert counts.rejected_by_reason == {"EXPRESSION_FAILED": 4 + MOST_FAILING}
    assert rows_of(job, "id, note, decoded, hour(local_ts)") == [
        ("1", None, None, 11),
        ("3", None, "In dia", 15),
        ("4", "older", None, 10),
    ]
    said = "output.derive.{}: the expression raises an error for this event; of the first such event of the batch: {}"
    zone = ("EXPRESSION_FAILED", said.format("local_ts", "java.time.zone.ZoneRulesException"))
    letters = letters_of(job)
    url = "org.apache.spark.SparkIllegalArgumentException: [CANNOT_DECODE_URL]"
    assert letters["6"] == ("EXPRESSION_FAILED", said.format("decoded", url))
    assert [letters[number] for number in ("2", "5", "7")] == [zone, zone, zone]


def test_a_row_that_hudi_refuses_is_a_dead_letter_and_the_older_one_of_its_key_a_row(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Each column that is written is one more to look for the reason in.
    output = OutputSettings(derive={"decoded": "url_decode(note)"}, drop=["at"])
    job = job_of(tmp_path, schema="id string, note string, at string", output=output)
    refuse(monkeypatch, "note")
    records = records_of(
        {"id": "2", "note": "good", "at": "1/1/10"},
        {"id": "2", "note": f"{REFUSED} MARKEDxVALUE", "at": "1/2/10"},
        {"id": "3"},
        {"id": "4", "note": "%zz"},
    )
    with caplog.at_level(logging.WARNING):
        counts = process(job, spark, records).counts
    assert (counts.kept, counts.superseded) == (2, 0)
    assert counts.rejected_by_reason == {"UNWRITABLE": 1, "EXPRESSION_FAILED": 1}
    refused = ("UNWRITABLE", "Hudi can't write it: column 'note': java.lang.RuntimeException")
    assert letters_of(job)["2"] == refused
    assert rows_of(job, "id, note") == [("2", "good"), ("3", None)]
    assert len(list(Ledger(job.table.base_path).entries())) == 1
    assert "without 1 records" in caplog.text
    assert "s/s-0/2/0" in caplog.text
    assert "MARKED" not in caplog.text
    assert not (tmp_path / "t" / ".hoodie" / ".streamjoin" / "scratch").exists()
    # The redrive meets them again: the one that is good by now becomes a row, the others stay.
    job = replace(job, output=OutputSettings(drop=["at"]))
    report = redrive(job, spark, BatchLimits(100, 10**9))
    assert (report.redriven, report.stayed) == ({"EXPRESSION_FAILED": 1}, {"UNWRITABLE": 1})
    assert set(letters_of(job)) == {"2"}
    assert rows_of(job, "id, note") == [("2", "good"), ("3", None), ("4", "%zz")]


def test_a_record_that_can_not_be_computed_is_found_wherever_it_fails(spark: SparkSession, tmp_path: Path) -> None:
    # Of an ordering: a session may raise where ours gives null. Of expressions that overflow the stack, and that ask
    # for more memory than there is: they end neither Java nor the job.
    derive = {
        "short": "regexp_replace(note, '(x|y)*z', '')",
        "long": "length(repeat(note, 2100000000 * int(note = 'm')))",
    }
    job = job_of(tmp_path, output=OutputSettings(derive=derive))
    records = records_of(
        {"id": "3", "note": "xyz"}, {"id": "3", "at": "MARKEDxVALUE"}, {"id": "4", "note": "xy" * 200_000},
        {"id": "5", "note": "m"},
    )  # fmt: skip
    spark.conf.set("spark.sql.ansi.enabled", True)
    try:
        counts = process(job, spark, records).counts
    finally:
        spark.conf.set("spark.sql.ansi.enabled", False)
    assert (counts.kept, counts.superseded, counts.rejected_by_reason) == (1, 0, {"NOT_COMPUTABLE": 3})
    assert rows_of(job, "id, short") == [("3", "")]
    letters = letters_of(job)
    assert letters["2"][1].startswith("no row can be computed of it: ")
    assert "MARKED" not in letters["2"][1]
    assert letters["3"][1] == "no row can be computed of it: java.lang.StackOverflowError"
    assert letters["4"][1] == "no row can be computed of it: java.lang.OutOfMemoryError"
    # Of the decoding itself, in a Python worker.
    payloads = [f"e{n}".encode() for n in range(4)]
    frame = batch_of(spark, 1, [Record("s-0", at, data) for at, data in enumerate(payloads, 1)]).records
    undecoded = Undecoded(frame, lambda part: Events.of(part.mapInArrow(worker(b"e2"), part.schema)), letter_id())
    decoded = undecoded.decode(frame)
    with pytest.raises(PythonException) as raised:
        decoded.frame.collect()
    failed = not_computed(raised.value, "b", decoded, letter_id(RECORD_COLUMN), lambda part: None, undecoded)
    assert isinstance(failed, FailedRecords)
    assert set(failed.records) == {"s/s-0/3/0"}
    assert {each.detail for each in failed.records.values()} == {"no row can be computed of it: OverflowError"}
    aside = SetAside(records=failed.records).decoded(frame, lambda part: decode(part, SCHEMA), letter_id)
    reasons = [row["reason"] for row in aside.rejected.orderBy("sequence_number").collect()]
    assert reasons == ["NOT_COMPUTABLE" if at == 2 else "MALFORMED_JSON" for at in range(4)]


def worker(*bad: bytes) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def decode_all(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if set(bad) & set(batch.column("data").to_pylist()):
                raise OverflowError("MARKEDxVALUE")
            yield batch

    return decode_all


def test_what_is_not_the_rows_is_raised_as_it_is_and_what_no_row_can_be_written_by_is_not_tried_again(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, target = spark.createDataFrame([("a", 1)], "id string, o bigint"), HudiTable(str(tmp_path), "t", ("id",), "o")
    tried = list[str]()

    def find(cause: Exception, errors: Sequence[Exception | None]) -> SinkError:
        failed, waiting = SinkError("the upsert failed", retryable=True), list(errors)
        failed.__cause__ = cause

        def write(part: DataFrame, table: HudiTable) -> None:
            tried.append(table.base_path)
            if (error := waiting.pop(0)) is not None:
                raise SinkError("no") from error

        with pytest.raises(SinkError) as raised:
            find_unwritable(failed, Written("b", target, rows, F.col("id"), lambda part: part, write))
        return raised.value

    data = PySparkException(message="x")
    assert find(OSError("s3"), []).retryable
    assert not tried
    assert find(data, [None]).retryable
    assert find(data, [data, None, OSError("s3")]).retryable
    assert not find(data, [data, data]).retryable
    assert all(path.startswith(f"{tmp_path}/.hoodie/.streamjoin/scratch/") for path in tried)
