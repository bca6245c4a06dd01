"""Items by which a backfill's reading crashes: dead letters, while all others are rows, whatever step they crash."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from streamjoin.backfill import table as backfilled
from streamjoin.backfill.pipeline import run
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.letters.listing import list_letters
from streamjoin.records.change_columns import CHANGE, ITEM_KEY
from streamjoin.records.events import Events
from tests.integration.backfill.backfill_jobs import backfill_of, rows_at
from tests.small_tables import ONE_BUCKET
from tests.table_exports import write_export


def item(number: int, **more: Any) -> dict[str, Any]:
    return {"orderid": {"S": f"o{number}"}, "receiptid": {"S": f"{number}"}, **more}


def exported(tmp_path: Path, *files: list[dict[str, Any]]) -> Any:
    """Return the backfill of an export whose table is gone, so that no service says what its items must have."""
    write_export(tmp_path / "export", list(files), table_name="gone-orders")
    sink = {
        "base_path": f"{tmp_path}/receipts",
        "table_name": "receipts",
        "record_key": ["orderid"],
        "options": ONE_BUCKET,
    }
    return backfill_of(
        str(tmp_path),
        {"dynamodb_export": {"path": f"file:{tmp_path}/export"}},
        "gone-orders",
        table={
            "schema": "receiptid string",
            "rename": {},
            "drop": [],
            "fixed_partition": {},
            "undeclared": "evolve",
            "sink": {"hudi": sink},
        },
    )


def letters_at(tmp_path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list_letters(f"{tmp_path}/dead_letters", show_data=True).to_pylist()
    return sorted(found, key=lambda letter: str(letter["data"]))


def test_items_that_crash_the_first_reading_are_dead_letters_with_their_segment(
    spark: SparkSession, stack: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    without_key = {"receiptid": {"S": "nobody's"}}
    no_key = item(4, orderid={"M": {"a": {"NULL": True}}})
    config = exported(tmp_path, [item(1), without_key, item(2, size={"N": "2.5"})], [no_key, item(3)])
    report = run(config)
    assert (report.written.rows, report.written.rejected) == (3, 2)
    assert [
        (row["receiptid"], row["size"] is None) for row in rows_at(f"{tmp_path}/receipts", ("receiptid", "size"))
    ] == [
        ("1", True),
        ("2", False),
        ("3", True),
    ]
    found = letters_at(tmp_path)
    assert [(letter["shard_id"], letter["reason"], letter["detail"]) for letter in found] == [
        ("segment-1", "NOT_COMPUTABLE", "no row can be computed of it: TypeError"),
        ("segment-0", "NOT_COMPUTABLE", "no row can be computed of it: KeyError"),
    ]
    assert [json.loads(letter["data"])["Item"] for letter in found] == [no_key, without_key]
    assert all(letter["sequence_number"].isdecimal() for letter in found)
    assert "nobody's" not in caplog.text


def test_an_item_that_crashes_the_search_for_columns_is_a_dead_letter_and_the_others_give_theirs(
    spark: SparkSession, stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_columns = backfilled.found_columns

    def crashing(changes: Events, layout: ChangeLayout) -> pa.Schema:
        broken = F.raise_error(F.lit("no type for 'MARKEDxVALUE'")).cast("binary")
        images = F.when(F.col(ITEM_KEY) == "o2", broken).otherwise(F.col(CHANGE))
        return found_columns(Events(changes.frame.withColumn(CHANGE, images)), layout)

    monkeypatch.setattr(backfilled, "found_columns", crashing)
    report = run(exported(tmp_path, [item(1, size={"N": "1"}), item(2, color={"S": "blue"})], [item(3)]))
    assert (report.written.rows, report.written.rejected) == (2, 1)
    columns = ("receiptid", "_item_key", "size")
    assert rows_at(f"{tmp_path}/receipts", columns) == [
        {"receiptid": "1", "_item_key": "o1", "size": 1},
        {"receiptid": "3", "_item_key": "o3", "size": None},
    ]
    (letter,) = letters_at(tmp_path)
    assert (letter["shard_id"], letter["reason"]) == ("segment-0", "NOT_COMPUTABLE")
    assert "MARKED" not in letter["detail"]
