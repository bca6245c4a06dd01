"""The one list of metrics, against what jobs tell and against docs/metrics.md."""

from datetime import UTC, datetime

import pytest

from streamjoin.backfill.report import ScanTotals
from streamjoin.backfill.telling import Telling
from streamjoin.history.figures import BatchFigures, Files, Freshness
from streamjoin.metrics.metric import ALL_JOBS, Measure, Unit
from streamjoin.metrics.names import METRICS
from streamjoin.streaming.figure_measures import measures_of
from tests.documents import ROOT, table_rows
from tests.unit.metrics.reports import CAPTURE, ENRICH

PAGE = (ROOT / "docs" / "metrics.md").read_text()
REPLICATED = BatchFigures(
    batch_id="binlog.000001:4",
    at=datetime(2026, 1, 31, tzinfo=UTC),
    read=9,
    kept=6,
    superseded=2,
    removed=1,
    ignored=1,
    rejected_by_reason={"EMPTY_KEY": 1},
    bytes=90,
    lag_ms={"binlog": 1_500},
    freshness=Freshness(1.0, 2.0, 3.0),
    seconds={"compute": 0.1, "commit": 0.2},
    meanwhile={"retries": 2},
)


def backfilled() -> list[Measure]:
    told: list[Measure] = []
    telling = Telling("receipts", tell=told.extend)
    telling.begin(ScanTotals(scanned=100, read_units=10.0))
    telling.scanned(ScanTotals(scanned=150, read_units=15.0))
    telling.scanned(ScanTotals(scanned=400, read_units=40.0))
    telling.retried()
    telling.done(
        BatchFigures(
            batch_id="backfill-1-0", at=datetime(2026, 1, 31, tzinfo=UTC), read=5, kept=5, files=Files(1, 9, 9)
        )
    )
    return told


TOLD = {
    "enrich": list(ENRICH.measures()),
    "capture": list(CAPTURE.measures()),
    "replicate": list(measures_of(REPLICATED)),
    "backfill": backfilled(),
}


def test_names_are_told_apart_and_say_their_unit() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.isidentifier()
        assert (metric.unit is Unit.SECONDS) is metric.name.endswith("_seconds")
        assert (metric.unit is Unit.BYTES) is ("bytes" in metric.name)
        assert not metric.name.endswith("_total")
        assert set(metric.jobs) <= set(ALL_JOBS)


@pytest.mark.parametrize("job", ALL_JOBS)
def test_a_job_tells_metrics_of_the_list_alone_with_all_their_labels(job: str) -> None:
    for measure in TOLD[job]:
        assert measure.metric in METRICS
        assert job in measure.metric.jobs, measure.metric.name
        assert len(measure.labels) == len(measure.metric.labels)


def test_every_metric_is_told_by_a_job() -> None:
    told = {measure.metric for measures in TOLD.values() for measure in measures}
    assert [metric.name for metric in METRICS if metric not in told] == []


def test_what_a_replication_and_a_backfill_tell_is_what_they_did() -> None:
    replicated = {each.key: each.value for each in TOLD["replicate"]}
    assert (replicated["records_read"], replicated["rows_out"], replicated["rows_removed"]) == (9, 6, 1)
    assert (replicated["rejected_by_reason.EMPTY_KEY"], replicated["records_ignored"]) == (1, 1)
    assert (replicated["lag_seconds"], replicated["freshness_p99_seconds"], replicated["retries"]) == (1.5, 2.0, 2)
    scanned = [each.value for each in TOLD["backfill"] if each.metric.name == "items_scanned"]
    units = [(each.value, each.labels) for each in TOLD["backfill"] if each.metric.name == "read_units"]
    assert (scanned, units) == ([50, 250], [(5.0, ("receipts",)), (25.0, ("receipts",))])
    assert {each.key: each.value for each in TOLD["backfill"]}["retries"] == 1


def test_the_page_has_every_metric_and_no_other() -> None:
    rows = [tuple(cells) for cells in table_rows(PAGE, 7)]
    assert rows == [
        (
            f"`{metric.name}`",
            metric.kind.value,
            metric.unit.value,
            ", ".join(f"`{label}`" for label in metric.labels) or "-",
            "all" if metric.jobs == ALL_JOBS else ", ".join(metric.jobs),
            ", ".join(f"`{word}`" for word in metric.line.split(", ")) if metric.line else "-",
            metric.meaning,
        )
        for metric in METRICS
    ]


def test_the_line_of_the_log_has_what_the_list_says_it_has() -> None:
    shown = {part.partition("=")[0].partition(".")[0] for report in (ENRICH, CAPTURE) for part in report.line().split()}
    listed = {word for metric in METRICS if metric.line for word in metric.line.split(", ")}
    assert shown == listed | {"job", "batch"}


def test_the_line_of_a_batch_is_as_it_was_before_there_were_metrics() -> None:
    assert ENRICH.line() == (
        "job=orders batch=b1 read=10 kept=6 superseded=1 rejected=3 removed=1 empty=4 rejected.NOT_UTF8=1 "
        "rejected.WRONG_TYPE=2 unmatched.country=2 version.country=7 read_units.country=12.5 misfits.country.code=3 "
        "age_seconds.country=31.2 refresh_failures.country=2 catalog_failures=2 beside_seconds.compaction=3.50 "
        "waited_seconds.planning=0.12 lag_ms=4000 seconds=1.50 fetch_seconds=0.25"
    )
    assert CAPTURE.line() == (
        "job=shop batch=b2 read=9 kept=7 superseded=1 rejected=0 ignored=1 kept.items=3 kept.orders=4 removed.orders=2 "
        "waited_seconds.planning.orders=0.25 lag_ms=0 seconds=2.00 fetch_seconds=0.50"
    )
