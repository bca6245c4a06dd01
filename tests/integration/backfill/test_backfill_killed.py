"""A backfill from the emulator's DynamoDB to a Hudi table, killed at each step and started again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.backfill.pipeline import STEPS, run
from streamjoin.capture.backfill_note import BackfillNote
from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from tests.integration.backfill.backfill_jobs import (
    COLUMNS,
    KEYS,
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


@pytest.fixture(scope="module")
def receipts(make_table: Callable[..., str]) -> str:
    return make_table(KEYS, RECEIPTS)


# Each start goes on where the last one was killed; after a kill at `committed` there is nothing left to record, and
# rows that were written again would be seen in a changelog.
CHAINS = {
    "current": tuple(step for step in STEPS if step != "committed"),
    # What is before the writing has no layout.
    "changelog": ("dead_letters_written", "committed", "done"),
}
assert set(STEPS) == {step for steps in CHAINS.values() for step in steps}


@pytest.mark.parametrize(("layout", "steps"), CHAINS.items())
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
