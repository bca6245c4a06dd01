import pytest

from streamjoin.backfill.report import BackfillReport, Progress, ScanTotals, Written
from streamjoin.backfill.scan import Watch
from streamjoin.backfill.writing import StagedPart, next_parts, parts_of
from streamjoin.dynamodb.read.item_files import ItemFolder, Segment, StagedFile
from streamjoin.errors import SinkError
from streamjoin.kinesis.plan import BatchLimits
from tests.faults.kinesis_clock import FakeClock


def test_progress_has_rate_and_estimate_of_this_start():
    finished = [Segment(0, scanned=4_000, selected=40, read_units=50.0)]
    begun = [Segment(0, scanned=3_000), Segment(2, scanned=1_000, read_units=25.5)]
    totals = ScanTotals.of(finished, begun, segments=4)
    progress = Progress("receipts", totals, seconds=10.0, items_before=2_000, expected_items=8_000)
    assert progress.line() == (
        "job=receipts backfill=scanning items=5000 of=8000 items_per_second=300 selected=40 read_units=75.5 "
        "segments=1/4 left_seconds=10"
    )


@pytest.mark.parametrize(("expected_items", "scanned"), [(0, 10), (5, 10), (100, 0)])
def test_without_a_rate_or_a_known_size_there_is_no_estimate(expected_items, scanned):
    progress = Progress("receipts", ScanTotals(scanned=scanned), 5.0, 0, expected_items)
    assert "left_seconds=unknown" in progress.line()


def test_the_summary_has_the_cost_of_a_million_items():
    report = BackfillReport(
        "receipts",
        "b1",
        ScanTotals(scanned=2_000_000, selected=1_000_000, incomparable=5, read_units=250_000.0),
        Written(commits=1, rows=999_990, superseded=4, rejected=6),
        seconds=100.0,
    )
    assert report.read_units_per_million == 125_000
    assert report.usd_per_million == pytest.approx(0.015625)
    assert "rows=999990" in report.line()
    assert "rows_per_second=10000" in report.line()
    assert "read_units_per_million_items=125000 usd_per_million_items=0.0156" in report.line()


def test_an_empty_table_costs_nothing_and_takes_no_time():
    report = BackfillReport("receipts", "b1", ScanTotals(), Written(), 0.0)
    assert "rows_per_second=0" in report.line()


def test_a_look_is_taken_at_the_interval_and_not_before():
    clock, looks = FakeClock(), []
    watch = Watch(lambda: looks.append(clock.monotonic()), clock=clock.monotonic, interval_seconds=5.0)
    for _ in range(12):
        assert watch.tick() <= 5.0
        clock.sleep(1.0)
    assert looks == [5.0, 10.0]


def test_a_look_that_fails_does_not_stop_the_backfill():
    clock = FakeClock()

    def fail():
        raise SinkError("no access")

    watch = Watch(fail, clock=clock.monotonic, interval_seconds=1.0)
    clock.sleep(2.0)
    assert watch.tick() == 1.0


def parts(*items):
    return [StagedPart(f"f{place}", count, count * 100) for place, count in enumerate(items)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (BatchLimits(100, 10**9), 2),
        (BatchLimits(99, 10**9), 1),
        (BatchLimits(10, 10**9), 1),
        (BatchLimits(10**9, 10_000), 2),
        (BatchLimits(10**9, 10**9), 3),
    ],
)
def test_a_commit_has_as_many_files_as_fit_and_one_at_least(limits, expected):
    assert len(next_parts(parts(50, 50, 50), limits)) == expected


def test_files_have_an_order_that_does_not_depend_on_when_their_segments_were_read():
    folder = ItemFolder("/lake")
    segments = [Segment(n, files=(StagedFile(f"{n}a", 1, 2), StagedFile(f"{n}b", 3, 4))) for n in (2, 0, 1)]
    found = [part.path for part in parts_of(folder, segments)]
    assert found == [f"/lake/segment-{n}/{n}{letter}" for n in (0, 1, 2) for letter in "ab"]
