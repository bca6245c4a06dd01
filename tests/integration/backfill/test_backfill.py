"""A backfill from the emulator's DynamoDB, and from an export, to Hudi tables; killed at each step."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.backfill.pipeline import STEPS, run
from streamjoin.capture.backfill_note import BackfillNote
from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from streamjoin.errors import ConfigError, SourceError
from streamjoin.letters.listing import count_by_reason, list_letters
from tests.faults.hudi import refuse
from tests.integration.backfill.backfill_jobs import (
    BEFORE,
    COLUMNS,
    KEYS,
    OLD,
    RECEIPTS,
    Kill,
    KilledError,
    backfill_of,
    capture_of,
    catch_up,
    expected,
    rows_at,
    scan_of,
    spans,
)
from tests.table_exports import write_export


@pytest.fixture
def receipts(make_table: Callable[..., str]) -> str:
    return make_table(KEYS, RECEIPTS)


def test_items_before_the_watermark_are_the_rows_of_the_fixed_partition(
    spark: SparkSession, receipts: str, bucket: str
) -> None:
    base = f"s3://{bucket}/lake"
    report = run(backfill_of(base, scan_of(receipts), receipts, where=BEFORE))
    assert rows_at(f"{base}/receipts") == expected(OLD)
    read, written = report.read, report.written
    assert (read.scanned, read.selected, written.rows, written.commits) == (len(RECEIPTS), len(OLD), len(OLD), 1)
    assert (report.is_complete, read.read_units > 0, report.usd_per_million > 0) == (True, True, True)
    note = BackfillNote(f"{base}/receipts")
    noted = note.read()
    assert noted is not None
    assert (noted.state, noted.segments) == ("done", 3)
    assert ItemFolder(note.folder(noted.id)).finished(range(3)) == {}


def test_what_the_columns_do_not_have_is_kept_exactly(spark: SparkSession, receipts: str, tmp_path: Path) -> None:
    paced = scan_of(receipts, segments=5, max_read_units_per_second=50)
    run(backfill_of(str(tmp_path), paced, receipts, table={"fixed_partition": {}}))
    assert rows_at(f"{tmp_path}/receipts") == expected(RECEIPTS, dt=None)
    kept = rows_at(f"{tmp_path}/receipts", ("receiptid", "_attributes"))
    for row, item in zip(kept, sorted(RECEIPTS, key=lambda each: str(each["receiptid"])), strict=True):
        found = json.loads(row["_attributes"], parse_float=Decimal)
        assert found["tags"] == {"SS": sorted(item["tags"])}
        assert found.get("loyalty_points") == item.get("loyalty_points")
        assert not {"PK", "SK"} & found.keys()


def test_an_export_comes_to_the_same_rows_as_a_scan(
    spark: SparkSession, receipts: str, dynamodb: Any, tmp_path: Path
) -> None:
    items = dynamodb.scan(TableName=receipts)["Items"]
    files = [[_listed(item) for item in part] for part in (items[:20], [], items[20:])]
    arn = dynamodb.describe_table(TableName=receipts)["Table"]["TableArn"]
    write_export(tmp_path / "export", files, table_name=receipts, summary={"tableArn": arn})
    source = {"dynamodb_export": {"path": f"file:{tmp_path}/export"}}
    report = run(backfill_of(f"{tmp_path}/exported", source, receipts, where=BEFORE))
    assert rows_at(f"{tmp_path}/exported/receipts") == expected(OLD)
    assert (report.read.scanned, report.read.selected, report.read.read_units) == (len(RECEIPTS), len(OLD), 0)


def _listed(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the item with lists in place of boto3's sets."""
    return {name: {kind: _content(kind, each) for kind, each in value.items()} for name, value in item.items()}


def _content(kind: str, content: Any) -> Any:
    return _listed(content) if kind == "M" else sorted(content) if kind in ("SS", "NS", "BS") else content


def test_the_export_of_another_table_is_refused_before_spark_is_asked(tmp_path: Path) -> None:
    write_export(tmp_path / "export", [[]], table_name="invoices")
    source = {"dynamodb_export": {"path": f"file:{tmp_path}/export"}}
    with pytest.raises(ConfigError, match=r"found 'receipts'; the export at .* is of 'invoices'"):
        run(backfill_of(str(tmp_path), source, "receipts"))


def test_an_export_of_a_table_that_is_gone_needs_its_key_in_the_configuration(
    spark: SparkSession, stack: Any, tmp_path: Path
) -> None:
    files = [[{"orderid": {"S": f"o{number}"}, "receiptid": {"S": f"{number}"}} for number in range(3)]]
    write_export(tmp_path / "export", files, table_name="gone-orders")
    source = {"dynamodb_export": {"path": f"file:{tmp_path}/export"}}
    table = {"schema": "receiptid string", "rename": {}, "drop": [], "fixed_partition": {}}
    sink = {"base_path": f"{tmp_path}/receipts", "table_name": "receipts"}
    with pytest.raises(SourceError, match=r"record_key has to name the key"):
        run(backfill_of(str(tmp_path), source, "gone-orders", table={**table, "sink": {"hudi": sink}}))
    named = {**table, "sink": {"hudi": {**sink, "record_key": ["orderid"]}}}
    run(backfill_of(str(tmp_path), source, "gone-orders", table=named))
    keys = [row["_item_key"] for row in rows_at(f"{tmp_path}/receipts", ("receiptid", "_item_key"))]
    assert keys == ["o0", "o1", "o2"]


# Each start goes on where the last one was killed; after a kill at `committed` there is nothing left to record.
CHAINS = [tuple(step for step in STEPS if step != "recorded"), ("recorded",)]


@pytest.mark.parametrize(
    ("layout", "steps"),
    # What is before the writing has no layout.
    [*(("current", steps) for steps in CHAINS), ("changelog", ("dead_letters_written", "committed", "done"))],
)
def test_a_first_backfill_that_was_killed_at_any_step_ends_as_one_that_was_not(
    spark: SparkSession, receipts: str, tmp_path: Path, layout: str, steps: tuple[str, ...]
) -> None:
    config = backfill_of(str(tmp_path), scan_of(receipts), receipts, table={"layout": layout})
    columns = COLUMNS if layout == "current" else (*COLUMNS, "operation")
    operation = {} if layout == "current" else {"operation": "INSERT"}
    wanted = [{**row, **operation} for row in expected(RECEIPTS)]
    for step in steps:
        with pytest.raises(KilledError):
            run(config, on_step=Kill(step))
        if STEPS.index(step) >= STEPS.index("committed"):
            assert rows_at(f"{tmp_path}/receipts", columns) == wanted, step
    assert run(config).is_complete
    if layout == "changelog":
        # Another backfill, of another moment: what it noted is another change.
        wanted = [row for row in wanted for _ in range(2)]
    assert rows_at(f"{tmp_path}/receipts", columns) == wanted


def test_a_backfill_into_a_table_with_rows_goes_on_behind_its_last_commit(
    spark: SparkSession, make_table: Callable[..., str], tmp_path: Path, dynamodb: Any
) -> None:
    table_name = make_table(KEYS, RECEIPTS[:5])
    base = str(tmp_path)
    catch_up(capture_of(base, table_name))
    config = backfill_of(
        base, scan_of(table_name), table_name, table={"fixed_partition": {}}, limits={"max_records_per_batch": 1}
    )
    # Before, at and after the commit of the first file, and of the next, of whichever start.
    for step, time in (("dead_letters_written", 1), ("committed", 1), ("dead_letters_written", 1), ("recorded", 1)):
        with pytest.raises(KilledError):
            run(config, on_step=Kill(step, time))
    assert run(config).is_complete
    assert rows_at(f"{base}/receipts") == expected(RECEIPTS[:5], dt=None)
    # A file a commit; one that had happened was not done again.
    assert [first for first, _ in spans(f"{base}/receipts")] == sorted({f for f, _ in spans(f"{base}/receipts")})


def test_a_start_after_a_crash_reads_only_the_segments_that_were_not_read_to_their_end(
    spark: SparkSession, receipts: str, tmp_path: Path
) -> None:
    config = backfill_of(str(tmp_path), scan_of(receipts), receipts)
    with pytest.raises(KilledError):
        run(config, on_step=Kill("noted"))
    note = BackfillNote(f"{tmp_path}/receipts")
    noted = note.read()
    assert noted is not None
    # As if they had been read to their end, and were empty.
    for number in (0, 2):
        ItemFolder(note.folder(noted.id)).put_finished(Segment(number))
    report = run(config)
    assert 0 < report.read.scanned < len(RECEIPTS)
    assert len(rows_at(f"{tmp_path}/receipts")) == report.read.scanned
    assert note.read() == type(noted)(**{**vars(noted), "state": "done", "files": 1, "written_files": 1})


def test_with_another_filter_an_unfinished_backfill_is_begun_anew_but_its_moment_is_kept(
    spark: SparkSession, receipts: str, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        run(backfill_of(str(tmp_path), scan_of(receipts), receipts), on_step=Kill("scanned"))
    note = BackfillNote(f"{tmp_path}/receipts")
    before = note.read()
    run(backfill_of(str(tmp_path), scan_of(receipts), receipts, where=BEFORE))
    after = note.read()
    assert before is not None
    assert after is not None
    assert rows_at(f"{tmp_path}/receipts") == expected(OLD)
    assert (after.id != before.id, after.oldest_us) == (True, before.noted_us)


def test_items_that_no_row_can_be_made_of_are_dead_letters_known_by_their_key(
    spark: SparkSession, make_table: Callable[..., str], tmp_path: Path
) -> None:
    items = [*RECEIPTS[:3], {"PK": "CUSTOMER#x", "SK": "1", "createdAt": "noon", "raw": b"\x00"}]
    table_name = make_table(KEYS, items)
    config = backfill_of(str(tmp_path), scan_of(table_name), table_name, table={"fixed_partition": {}})
    for _ in range(2):
        report = run(config)
        assert (report.written.rows, report.written.rejected) == (3, 1)
    assert count_by_reason(f"{tmp_path}/dead_letters") == {"INVALID_PARTITION": 1}
    (letter,) = list_letters(f"{tmp_path}/dead_letters", show_data=True).to_pylist()
    assert json.loads(letter["data"])["Item"]["raw"] == {"B": "AA=="}
    assert letter["shard_id"].startswith("segment-")
    assert letter["sequence_number"].isdecimal()
    assert rows_at(f"{tmp_path}/receipts") == expected(RECEIPTS[:3], dt=None)


def test_an_item_that_hudi_refuses_is_a_dead_letter_and_all_others_are_rows(
    spark: SparkSession,
    make_table: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    table_name, refused = make_table(KEYS, RECEIPTS[:4]), RECEIPTS[2]["receiptid"]
    refuse(monkeypatch, "receiptid", refused)
    report = run(backfill_of(str(tmp_path), scan_of(table_name), table_name))
    assert (report.written.rows, report.written.rejected) == (3, 1)
    assert rows_at(f"{tmp_path}/receipts") == expected([*RECEIPTS[:2], RECEIPTS[3]])
    (letter,) = list_letters(f"{tmp_path}/dead_letters", show_data=True).to_pylist()
    assert (letter["reason"], refused in letter["data"]) == ("UNWRITABLE", True)
    assert "without 1 records" in caplog.text
    assert refused not in letter["detail"] + caplog.text


def test_attributes_become_columns_if_the_schema_evolves(
    spark: SparkSession, make_table: Callable[..., str], tmp_path: Path
) -> None:
    items = [
        {"PK": "a", "SK": "1", "receiptid": "1", "size": 3, "createdAt": "2019-05-01"},
        {"PK": "a", "SK": "2", "receiptid": "2", "size": Decimal("2.5"), "color": "blue", "createdAt": "2019-05-02"},
    ]
    table_name = make_table(KEYS, items)
    table = {"undeclared": "evolve", "schema": "receiptid string", "rename": {}}
    run(backfill_of(str(tmp_path), scan_of(table_name), table_name, table=table))
    found = rows_at(f"{tmp_path}/receipts", ("receiptid", "size", "color"))
    assert found == [
        {"receiptid": "1", "size": Decimal(3), "color": None},
        {"receiptid": "2", "size": Decimal("2.5"), "color": "blue"},
    ]
