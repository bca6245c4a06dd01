"""Dead letters of a capture job fed in again: under its lock, once each, and however often the redrive dies."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.job import assemble
from streamjoin.capture.pipeline import process_batch
from streamjoin.capture.redrive import run_redrive
from streamjoin.entry import parse_job
from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.journal import Journal
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.letters.intents import Intents
from streamjoin.letters.listing import LetterFilter, count_by_reason
from streamjoin.lock import TableLock
from streamjoin.query import query
from streamjoin.shards.position import TRIM_HORIZON, Position, PositionKind, ShardPosition, ShardRange
from streamjoin.streaming.batch import Batch
from streamjoin.verify import verify_journal
from tests.changes.samples import pipe_record
from tests.oracle import Record
from tests.small_tables import ONE_BUCKET
from tests.spark.harness import ARRIVED, CrashError, crash_at, frame

SHARD = "shard-0"
NOTHING: dict[str, Any] = {"read": 0, "kept": 0, "superseded": 0, "rejected": 0, "rejected_by_reason": {}}


class Captured:
    """A job over records in memory, whose configuration may be mended."""

    def __init__(self, folder: Path, spark: SparkSession) -> None:
        self._folder, self._spark = folder, spark
        self._read = 0
        begin = Position("s", {SHARD: TRIM_HORIZON})
        self.journal = Journal(journal_path(self.config()))
        self.journal.append({"batch_id": "start", **checkpoint.to_metadata(begin, (), {}, NOTHING)})

    def config(self, *tables: str) -> CaptureConfig:
        found = parse_job(
            {
                "job": "capture",
                "name": "c",
                "source": {"kinesis": {"stream_name": "s"}},
                "tables": [
                    {
                        "table_name": table,
                        "schema": "id string, units int",
                        "sink": {
                            "hudi": {
                                "base_path": str(self._folder / table),
                                "table_name": table,
                                "options": ONE_BUCKET,
                            }
                        },
                    }
                    for table in ("orders", *tables)
                ],
                "dead_letters": {"base_path": str(self._folder / "dead")},
            }
        )
        assert isinstance(found, CaptureConfig)
        return found

    def batch(self, config: CaptureConfig, *payloads: bytes) -> None:
        after, self._read = self._read, self._read + len(payloads)
        records = [Record(SHARD, after + 1 + number, payload) for number, payload in enumerate(payloads)]
        read = ShardRange(
            *(SHARD, str(after + 1), str(self._read), len(payloads), 0),
            drained=False,
            millis_behind_latest=0,
            read_at_ms=0,
            after=str(after) if after else None,
        )
        place = ShardPosition(PositionKind.AFTER, sequence_number=str(self._read))
        job = assemble(config)
        process_batch(
            job, Batch(f"batch-{self._read}", frame(self._spark, records), Position("s", {SHARD: place}), (read,))
        )

    def letters(self) -> dict[str, int]:
        return count_by_reason(str(self._folder / "dead"))

    def rows(self, table: str) -> dict[str, int]:
        return {
            row["id"]: row["units"] for row in query(str(self._folder / table), "SELECT id, units FROM t").to_pylist()
        }

    def violations(self) -> list[object]:
        return list(verify_journal(journal_path(self.config()), str(self._folder / "dead")).violations)


def change(table: str, key: str, units: object, number: int) -> bytes:
    item = {"id": key, "units": units}
    return pipe_record(table, "MODIFY", {"id": key}, item, created_s=1_738_281_600 + number, sequence_number=number)


def removal(table: str, key: str, number: int) -> bytes:
    return pipe_record(table, "REMOVE", {"id": key}, created_s=1_738_281_600 + number, sequence_number=number)


@pytest.fixture
def captured(spark: SparkSession, tmp_path: Path) -> Captured:
    return Captured(tmp_path, spark)


def test_letters_that_fit_by_now_become_rows_unless_a_newer_change_is_there_and_the_others_stay(
    captured: Captured,
) -> None:
    mended = captured.config("receipts")
    old, other = change("receipts", "r1", 1, 1), change("receipts", "r2", 2, 2)
    captured.batch(captured.config(), change("orders", "o1", 1, 3), change("orders", "o2", "many", 4), old, other, b"{")
    captured.batch(mended, change("receipts", "r1", 9, 9))
    assert captured.letters() == {"UNLISTED_TABLE": 2, "WRONG_TYPE": 1, "MALFORMED_JSON": 1}
    with TableLock(journal_path(mended), job="c"), pytest.raises(SinkError, match="'c'"):
        run_redrive(mended)
    report = run_redrive(mended, LetterFilter.of(["UNLISTED_TABLE", "WRONG_TYPE"]))
    assert (report.redriven, report.stayed, report.waiting) == ({"UNLISTED_TABLE": 2}, {"WRONG_TYPE": 1}, 0)
    assert captured.letters() == {"WRONG_TYPE": 1, "MALFORMED_JSON": 1}
    assert (captured.rows("orders"), captured.rows("receipts")) == ({"o1": 1}, {"r1": 9, "r2": 2})
    newest = captured.journal.newest()
    assert newest is not None
    assert (newest.position.shards[SHARD].sequence_number, newest.counts["redriven"]) == ("6", 2)
    assert run_redrive(mended).redriven == {}
    assert captured.violations() == []


def test_a_letter_of_an_item_that_was_removed_long_since_brings_no_row_back(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [30]
    begin_us = int(ARRIVED.timestamp() * 1_000_000)
    monkeypatch.setattr(Tombstones, "_now_us", lambda self: begin_us + days[0] * 24 * 3_600_000_000)
    mended = captured.config("receipts")
    captured.batch(captured.config(), change("receipts", "gone", 1, 1), change("receipts", "there", 2, 2))
    captured.batch(mended, change("receipts", "gone", 3, 3), removal("receipts", "gone", 4))
    # Long after tombstone_hours the job is started again, and goes on.
    days[0] = 60
    captured.batch(mended, change("receipts", "new", 7, 6))
    report = run_redrive(mended)
    assert report.redriven == {"UNLISTED_TABLE": 2}
    assert captured.rows("receipts") == {"new": 7, "there": 2}
    # No letter needs it any more.
    captured.batch(mended, change("receipts", "new", 8, 7))
    tombstones = Tombstones(mended.tables[1].sink.hudi.base_path, 24, whole=True)
    tombstones.open()
    assert tombstones.is_empty


def test_a_redrive_that_died_is_finished_by_the_next_whatever_it_had_done(captured: Captured) -> None:
    mended = captured.config("receipts")
    captured.batch(captured.config(), change("receipts", "r", 1, 1))
    # Before and after the journal, which is capture's own; each step of `Redrive`: tests/spark/enrich/test_redrive.py.
    for step in ("processed", "redriven"):
        with pytest.raises(CrashError):
            run_redrive(mended, on_step=crash_at(step))
        assert captured.violations() == [], step
        assert captured.rows("receipts") == {"r": 1}, step
    run_redrive(mended)
    assert captured.letters() == {}
    assert captured.rows("receipts") == {"r": 1}
    assert Intents(journal_path(mended)).pending() == {}
    assert captured.violations() == []


def test_letters_stay_that_are_of_a_table_to_be_ignored_or_of_a_batch_that_is_not_in_the_journal(
    captured: Captured,
) -> None:
    unlisted, mended = captured.config(), captured.config("receipts")
    captured.batch(unlisted, change("receipts", "r1", 1, 1))
    # No row was made of it.
    report = run_redrive(unlisted.model_copy(update={"unlisted_tables": "ignore"}))
    assert (report.redriven, report.stayed) == ({}, {"UNLISTED_TABLE": 1})
    assert captured.violations() == []
    # It is left to the job.
    late = frame(captured._spark, [Record(SHARD, 7, change("receipts", "r2", 1, 7))])
    assemble(unlisted).dead_letters.write(
        late.selectExpr("*", "'UNLISTED_TABLE' AS reason", "'' AS detail"), batch_id="not-in-the-journal"
    )
    assert captured.letters() == {"UNLISTED_TABLE": 2}
    report = run_redrive(mended)
    assert (report.tried, report.redriven, report.waiting) == (1, {"UNLISTED_TABLE": 1}, 1)
    assert captured.letters() == {"UNLISTED_TABLE": 1}
    assert captured.rows("receipts") == {"r1": 1}
