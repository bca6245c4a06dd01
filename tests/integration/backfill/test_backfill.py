"""A backfill from the emulator's DynamoDB, and from an export, to Hudi tables, read back by hudi-rs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.backfill.pipeline import run
from streamjoin.backfill.report import BackfillReport
from streamjoin.backfill.status import status
from streamjoin.capture.backfill_note import BackfillNote, Noted
from streamjoin.dynamodb.read.item_files import ItemFolder
from streamjoin.errors import ConfigError, SourceError
from streamjoin.letters.listing import count_by_reason, list_letters
from streamjoin.overview.state import State
from tests.faults.hudi import refuse
from tests.integration.backfill.backfill_jobs import (
    BEFORE,
    KEYS,
    OLD,
    RECEIPTS,
    Kill,
    KilledError,
    backfill_of,
    expected,
    rows_at,
    scan_of,
)
from tests.logged import logged
from tests.services.glue_catalog import glue_catalog
from tests.small_tables import ONE_BUCKET
from tests.table_exports import write_export


@pytest.fixture(scope="module")
def receipts(make_table: Callable[..., str]) -> str:
    return make_table(KEYS, RECEIPTS)


@dataclass
class Filtered:
    """A backfill on S3 of the items before the watermark, which took the place of an unfinished one of all items.

    Args:
        base: Where its table is.
        unfinished: The note of the first one.
        noted: That of the second.
        report: What the second one came to.
        entered: The table in the catalog.
        partitions: Those of it there.
    """

    base: str
    unfinished: Noted
    noted: Noted
    report: BackfillReport
    entered: dict[str, Any]
    partitions: list[dict[str, Any]]


@pytest.fixture(scope="module")
def filtered(spark: SparkSession, receipts: str, s3: Any, fresh_name: Callable[[str], str]) -> Filtered:
    bucket = fresh_name("bucket")
    s3.create_bucket(Bucket=bucket)
    base = f"s3://{bucket}/lake"
    note = BackfillNote(f"{base}/receipts")
    with pytest.raises(KilledError):
        run(backfill_of(base, scan_of(receipts), receipts), on_step=Kill("scanned"))
    unfinished = note.read()
    with glue_catalog():
        in_catalog = {"hudi": {"database": "lake", "catalog": "glue"}}
        report = run(backfill_of(base, scan_of(receipts), receipts, where=BEFORE, table=in_catalog))
        named = {"DatabaseName": "lake", "Name": "receipts"}
        entered = aws_client("glue").get_table(**named)["Table"]
        partitions = aws_client("glue").get_partitions(DatabaseName="lake", TableName="receipts")["Partitions"]
    noted = note.read()
    assert unfinished is not None
    assert noted is not None
    return Filtered(base, unfinished, noted, report, entered, partitions)


def test_items_before_the_watermark_are_the_rows_of_the_fixed_partition(filtered: Filtered) -> None:
    assert rows_at(f"{filtered.base}/receipts") == expected(OLD)
    read, written = filtered.report.read, filtered.report.written
    assert (read.scanned, read.selected, written.rows, written.commits) == (len(RECEIPTS), len(OLD), len(OLD), 1)
    assert filtered.report.is_complete
    assert (read.read_units > 0, filtered.report.usd_per_million > 0) == (True, True)


def test_its_table_is_in_the_catalog_with_the_fixed_partition(filtered: Filtered) -> None:
    (key,), (partition,) = filtered.entered["PartitionKeys"], filtered.partitions
    assert (key["Name"], key["Type"], partition["Values"]) == ("dt", "string", ["00000000"])
    place = f"{filtered.base}/receipts"
    found = [each["StorageDescriptor"] for each in (filtered.entered, partition)]
    assert [each["Location"] for each in found] == [place, f"{place}/dt=00000000"]
    assert found[0]["Columns"] == found[1]["Columns"]
    types = {each["Name"]: each["Type"] for each in found[0]["Columns"]}
    assert types.items() >= {"updated_at": "bigint", "total": "decimal(38,2)", "payment": "string"}.items()


def test_a_backfill_that_is_done_says_so_and_leaves_no_staged_files(filtered: Filtered) -> None:
    assert (filtered.noted.state, filtered.noted.segments) == ("done", 3)
    note = BackfillNote(f"{filtered.base}/receipts")
    for each in (filtered.unfinished, filtered.noted):
        assert ItemFolder(note.folder(each.id)).finished(range(3)) == {}


def test_with_another_filter_an_unfinished_backfill_is_begun_anew_but_its_moment_is_kept(filtered: Filtered) -> None:
    assert filtered.noted.id != filtered.unfinished.id
    assert filtered.noted.oldest_us == filtered.unfinished.noted_us
    assert rows_at(f"{filtered.base}/receipts") == expected(OLD)


def test_what_it_was_in_numbers_is_kept_beside_its_table_and_shown(filtered: Filtered, receipts: str) -> None:
    overview = status(backfill_of(filtered.base, scan_of(receipts), receipts, where=BEFORE))()
    assert (overview.state.state, overview.details["backfill"]) == (State.DONE, filtered.noted.id)
    scan, written = overview.batches
    assert (scan.kind, scan.read, scan.read_units) == ("scan", len(RECEIPTS), filtered.report.read.read_units)
    assert (written.read, written.kept, overview.details["rows written"]) == (len(OLD), len(OLD), len(OLD))
    assert written.files is not None
    assert written.files.count >= 1
    assert written.seconds["commit"] > 0


@dataclass
class Mixed:
    """Two backfills of the same items, one of which can't be a row; in the first, Hudi refused another one.

    Args:
        base: Where the table is.
        reports: Of each.
        rows: The table's after each.
        said: What the first one logged.
    """

    base: Path
    reports: list[BackfillReport]
    rows: list[list[dict[str, Any]]]
    said: list[str]


ITEMS = RECEIPTS[:4]
REFUSED = str(ITEMS[2]["receiptid"])


@pytest.fixture(scope="module")
def mixed(spark: SparkSession, make_table: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    table_name = make_table(KEYS, [*ITEMS, {"PK": "CUSTOMER#x", "SK": "1", "createdAt": "noon", "raw": b"\x00"}])
    base = tmp_path_factory.mktemp("mixed")
    paced = scan_of(table_name, segments=5, max_read_units_per_second=50)
    config = backfill_of(str(base), paced, table_name, table={"fixed_partition": {}})
    with pytest.MonkeyPatch.context() as patch, logged() as said:
        refuse(patch, "receiptid", REFUSED)
        reports = [run(config)]
    rows = [rows_at(f"{base}/receipts")]
    reports.append(run(config))
    return Mixed(base, reports, [*rows, rows_at(f"{base}/receipts")], said)


def test_what_the_columns_do_not_have_is_kept_exactly(mixed: Mixed) -> None:
    kept = rows_at(f"{mixed.base}/receipts", ("receiptid", "_attributes"))
    for row, item in zip(kept, sorted(ITEMS, key=lambda each: str(each["receiptid"])), strict=True):
        found = json.loads(row["_attributes"], parse_float=Decimal)
        assert found["tags"] == {"SS": sorted(item["tags"])}
        assert found.get("loyalty_points") == item.get("loyalty_points")
        assert not {"PK", "SK"} & found.keys()


def test_items_that_no_row_can_be_made_of_are_dead_letters_known_by_their_key(mixed: Mixed) -> None:
    assert [(each.written.rows, each.written.rejected) for each in mixed.reports] == [(3, 2), (4, 1)]
    assert count_by_reason(f"{mixed.base}/dead_letters") == {"INVALID_PARTITION": 1, "UNWRITABLE": 1}
    letters = list_letters(f"{mixed.base}/dead_letters", show_data=True).to_pylist()
    (letter,) = [each for each in letters if each["reason"] == "INVALID_PARTITION"]
    assert json.loads(letter["data"])["Item"]["raw"] == {"B": "AA=="}
    assert letter["shard_id"].startswith("segment-")
    assert letter["sequence_number"].isdecimal()
    assert mixed.rows[1] == expected(ITEMS, dt=None)


def test_an_item_that_hudi_refuses_is_a_dead_letter_and_all_others_are_rows(mixed: Mixed) -> None:
    assert mixed.rows[0] == expected([each for each in ITEMS if each["receiptid"] != REFUSED], dt=None)
    letters = list_letters(f"{mixed.base}/dead_letters", show_data=True).to_pylist()
    (letter,) = [each for each in letters if each["reason"] == "UNWRITABLE"]
    assert REFUSED in letter["data"]
    said = "\n".join(mixed.said)
    assert "without 1 records" in said
    assert REFUSED not in letter["detail"] + said


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


@dataclass
class Gone:
    """A backfill of an export whose table is gone; without the table's key in the configuration it was refused."""

    base: Path
    refused: str


@pytest.fixture(scope="module")
def gone(spark: SparkSession, stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Gone:
    base = tmp_path_factory.mktemp("gone")
    more: list[dict[str, Any]] = [{"size": {"N": "3"}}, {"size": {"N": "2.5"}, "color": {"S": "blue"}}, {}]
    items = [{"orderid": {"S": f"o{n}"}, "receiptid": {"S": f"{n}"}, **each} for n, each in enumerate(more)]
    write_export(base / "export", [items], table_name="gone-orders")
    source = {"dynamodb_export": {"path": f"file:{base}/export"}}
    table = {"schema": "receiptid string", "undeclared": "evolve", "rename": {}, "drop": [], "fixed_partition": {}}
    sink = {"base_path": f"{base}/receipts", "table_name": "receipts", "options": ONE_BUCKET}
    with pytest.raises(SourceError) as refused:
        run(backfill_of(str(base), source, "gone-orders", table={**table, "sink": {"hudi": sink}}))
    named = {**table, "sink": {"hudi": {**sink, "record_key": ["orderid"]}}}
    run(backfill_of(str(base), source, "gone-orders", table=named))
    return Gone(base, str(refused.value))


def test_an_export_of_a_table_that_is_gone_needs_its_key_in_the_configuration(gone: Gone) -> None:
    assert "record_key has to name the key" in gone.refused
    keys = [row["_item_key"] for row in rows_at(f"{gone.base}/receipts", ("receiptid", "_item_key"))]
    assert keys == ["o0", "o1", "o2"]


def test_attributes_become_columns_if_the_schema_evolves(gone: Gone) -> None:
    assert rows_at(f"{gone.base}/receipts", ("receiptid", "size", "color")) == [
        {"receiptid": "0", "size": Decimal(3), "color": None},
        {"receiptid": "1", "size": Decimal("2.5"), "color": "blue"},
        {"receiptid": "2", "size": None, "color": None},
    ]
