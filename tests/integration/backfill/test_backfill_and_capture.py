"""Backfill and capture of one table, one after the other and beside each other: the rows end as the items are."""

from collections.abc import Callable
from dataclasses import dataclass
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
from tests.small_tables import ONE_BUCKET

# Of each step one item that is changed, one that is removed, one that is added when it has been done.
UNTOUCHED, CHANGED, REMOVED, ADDED = RECEIPTS[:6], RECEIPTS[20:28], RECEIPTS[28:36], RECEIPTS[36:44]
NEW_PAYMENT = [{**item, "payment": "changed"} for item in CHANGED]


def change(dynamodb: Any, table_name: str, chosen: slice = slice(None)) -> None:
    """Change, remove and add items."""
    put_items(dynamodb, table_name, [*NEW_PAYMENT[chosen], *ADDED[chosen]])
    for item in REMOVED[chosen]:
        dynamodb.delete_item(TableName=table_name, Key={name: {"S": item[name]} for name in KEYS})


@dataclass
class Both:
    """A table that a backfill has filled while its items changed, and that capture has followed.

    Args:
        base: Where the table is.
        source: The DynamoDB table.
    """

    base: str
    source: str


@pytest.fixture(scope="module")
def follow(
    spark: SparkSession, make_table: Callable[..., str], dynamodb: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Both]:
    """Fill and follow a table; `first`: capture has begun before the backfill."""

    def run_both(*, first: bool) -> Both:
        source = make_table(KEYS, [*UNTOUCHED, *CHANGED, *REMOVED])
        base, seen = str(tmp_path_factory.mktemp("both")), set[str]()
        captured = capture_of(base, source)
        if first:
            catch_up(captured)

        def on_step(done: str) -> None:
            if done not in seen:
                seen.add(done)
                change(dynamodb, source, slice(STEPS.index(done), STEPS.index(done) + 1))
                # Not at each step: several times in a row changes come before it goes on.
                if first and done == "committed":
                    catch_up(captured)

        # A commit a segment, if the table has rows already.
        run(
            backfill_of(base, scan_of(source, segments=2), source, limits={"max_records_per_batch": 1}), on_step=on_step
        )
        assert set(STEPS) - seen <= {"done"}
        if "done" not in seen:
            on_step("done")
        catch_up(captured)
        return Both(base, source)

    return run_both


@pytest.fixture(scope="module")
def capture_first(follow: Callable[..., Both]) -> Both:
    return follow(first=True)


@pytest.fixture(scope="module")
def backfill_first(follow: Callable[..., Both]) -> Both:
    return follow(first=False)


@pytest.mark.parametrize("order", ["capture_first", "backfill_first"])
def test_whatever_changes_while_a_backfill_runs_ends_right(request: pytest.FixtureRequest, order: str) -> None:
    both: Both = request.getfixturevalue(order)
    columns = ("receiptid", "payment", "total")
    wanted = expected([*UNTOUCHED, *NEW_PAYMENT, *ADDED])
    assert rows_at(f"{both.base}/receipts", columns) == [{name: row[name] for name in columns} for row in wanted]


def test_a_row_that_capture_wrote_later_stays_in_its_partition(capture_first: Both) -> None:
    found = {row["receiptid"]: row["dt"] for row in rows_at(f"{capture_first.base}/receipts")}
    own = {row["receiptid"]: row["dt"] for row in expected([*UNTOUCHED, *NEW_PAYMENT, *ADDED], dt=None)}
    assert found == own


def test_a_backfill_older_than_the_memory_of_removed_items_is_refused(capture_first: Both) -> None:
    config = backfill_of(
        capture_first.base, scan_of(capture_first.source), capture_first.source, table={"tombstone_hours": 0.01}
    )
    before = rows_at(f"{capture_first.base}/receipts")
    with pytest.raises(SinkError, match=r"removed items are remembered for 0.01 hours: some might come back"):
        run(config)
    assert rows_at(f"{capture_first.base}/receipts") == before


def test_a_table_of_other_partitions_is_refused_before_a_row_is_written(
    spark: SparkSession, backfill_first: Both
) -> None:
    sink = {"base_path": f"{backfill_first.base}/receipts", "table_name": "receipts", "options": ONE_BUCKET}
    entry = CaptureTableSettings.model_validate({"table_name": backfill_first.source, "sink": {"hudi": sink}})
    with pytest.raises(
        SchemaError, match=r"partition_by: found nothing, but the table .* made with 'dt'.*fixed_partition"
    ):
        CapturedTable(entry, job="other").open(spark)
