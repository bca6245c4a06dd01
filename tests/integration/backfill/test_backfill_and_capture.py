"""Backfill and capture of one table, one after the other and beside each other: the rows end as the items are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.backfill.pipeline import STEPS, run
from streamjoin.capture.config.tables import CaptureTableSettings
from streamjoin.capture.table import CapturedTable
from streamjoin.errors import SchemaError, SinkError
from streamjoin.local.tables import put_items
from tests.integration.backfill.backfill_jobs import (
    KEYS,
    RECEIPTS,
    backfill_of,
    capture_of,
    catch_up,
    expected,
    rows_at,
    scan_of,
)

# Of each step one item that is changed, one that is removed, one that is added when it has been done.
UNTOUCHED, CHANGED, REMOVED, ADDED = RECEIPTS[:20], RECEIPTS[20:28], RECEIPTS[28:36], RECEIPTS[36:44]
NEW_PAYMENT = [{**item, "payment": "changed"} for item in CHANGED]


def change(dynamodb: Any, table_name: str, chosen: slice = slice(None)) -> None:
    """Change, remove and add items."""
    put_items(dynamodb, table_name, [*NEW_PAYMENT[chosen], *ADDED[chosen]])
    for item in REMOVED[chosen]:
        dynamodb.delete_item(TableName=table_name, Key={name: {"S": item[name]} for name in KEYS})


@pytest.fixture
def filled(make_table: Callable[..., str]) -> str:
    return make_table(KEYS, [*UNTOUCHED, *CHANGED, *REMOVED])


def check(base: str) -> None:
    assert rows_at(f"{base}/receipts", ("receiptid", "payment", "total")) == [
        {name: row[name] for name in ("receiptid", "payment", "total")}
        for row in expected([*UNTOUCHED, *NEW_PAYMENT, *ADDED])
    ]


@pytest.mark.parametrize("begins", ["before", "after"])
def test_whatever_changes_while_a_backfill_runs_ends_right(
    spark: SparkSession, filled: str, dynamodb: Any, tmp_path: Path, begins: str
) -> None:
    base = str(tmp_path)
    captured = capture_of(base, filled)
    if begins == "before":
        catch_up(captured)
    seen = set()

    def on_step(done: str) -> None:
        if done not in seen:
            seen.add(done)
            change(dynamodb, filled, slice(STEPS.index(done), STEPS.index(done) + 1))
            # Not at each step: two times in a row changes come before it goes on.
            if begins == "before" and STEPS.index(done) % 3 == 1:
                catch_up(captured)

    # A commit a segment, if the table has rows already.
    run(backfill_of(base, scan_of(filled), filled, limits={"max_records_per_batch": 1}), on_step=on_step)
    for step in set(STEPS) - seen:
        assert step == "done"
        on_step(step)
    catch_up(captured)
    check(base)


def test_a_row_that_capture_wrote_later_stays_in_its_partition(
    spark: SparkSession, filled: str, dynamodb: Any, tmp_path: Path
) -> None:
    base = str(tmp_path)
    change(dynamodb, filled)
    catch_up(capture_of(base, filled))
    run(backfill_of(base, scan_of(filled), filled))
    found = {row["receiptid"]: row["dt"] for row in rows_at(f"{base}/receipts")}
    own = {row["receiptid"]: row["dt"] for row in expected([*UNTOUCHED, *NEW_PAYMENT, *ADDED], dt=None)}
    assert found == own


def test_a_backfill_older_than_the_memory_of_removed_items_is_refused(
    spark: SparkSession, filled: str, tmp_path: Path
) -> None:
    base = str(tmp_path)
    catch_up(capture_of(base, filled, tombstone_hours=0.01))
    config = backfill_of(base, scan_of(filled), filled, table={"tombstone_hours": 0.01})
    with pytest.raises(SinkError, match=r"removed items are remembered for 0.01 hours: some might come back"):
        run(config)


def test_a_table_of_other_partitions_is_refused_before_a_row_is_written(
    spark: SparkSession, filled: str, tmp_path: Path
) -> None:
    base = str(tmp_path)
    run(backfill_of(base, scan_of(filled), filled))
    sink = {"base_path": f"{base}/receipts", "table_name": "receipts"}
    entry = CaptureTableSettings.model_validate({"table_name": filled, "sink": {"hudi": sink}})
    with pytest.raises(
        SchemaError, match=r"partition_by: found nothing, but the table .* made with 'dt'.*fixed_partition"
    ):
        CapturedTable(entry, job="other").open(spark)
