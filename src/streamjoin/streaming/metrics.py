"""What a batch of a stream did, in numbers: for the line of the log, for metrics, for the commit; no payload."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamjoin.history.counts import BatchCounts
from streamjoin.history.figures import Files, Freshness
from streamjoin.metrics import names as m
from streamjoin.metrics.metric import Measure, Metric
from streamjoin.streaming.report import line_of


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """One batch, for the log and for metrics.

    Args:
        job: The job's name.
        batch_id: Identifies the batch in log and commit.
        counts: Where its records went.
        references: What the commit says of each reference's snapshot, by name.
        refresh_failures: By reference, how many refreshes have failed in a row; an older snapshot was used.
        ages_seconds: By reference, how long before the batch ended its snapshot was true of the table.
        catalog_failures: How often in a row the catalog could not be brought up to date.
        services: How long table services took that ended since the batch before, by names such as `waited.archiving`
            (within the batch) and `beside.compaction` (beside batches).
        millis_behind_latest: Lag of the slowest shard when the batch had been read.
        seconds: From the start of the batch's processing to its commit.
        fetch_seconds: Time spent reading it, which may have been in the background.
        stage_seconds: How long each other stage took, by its name.
        bytes: Payload read.
        freshness: From the records' arrival to the commit; None if that isn't known.
        commits: How many it made.
        files: What they wrote; None if that isn't known.
        s3_requests: What Spark has asked S3 since the batch before; None if that isn't counted.
        meanwhile: What happened since the batch before, by names of metrics: `retries`, `commits`,
            `rows_rewritten`.
    """

    job: str
    batch_id: str
    counts: BatchCounts
    references: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refresh_failures: Mapping[str, int] = field(default_factory=dict)
    ages_seconds: Mapping[str, float] = field(default_factory=dict)
    catalog_failures: int = 0
    services: Mapping[str, float] = field(default_factory=dict)
    millis_behind_latest: int
    seconds: float
    fetch_seconds: float
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    bytes: int = 0
    freshness: Freshness | None = None
    commits: int = 1
    files: Files | None = None
    s3_requests: int | None = None
    meanwhile: Mapping[str, int] = field(default_factory=dict)

    def line(self) -> str:
        """Return the report as `key=value` pairs."""
        shown = dict(each.line for each in self.measures() if each.line is not None)
        return line_of({"job": self.job, "batch": self.batch_id, **shown})

    def measures(self) -> Iterator[Measure]:
        """Yield the report's numbers, in the order of its line."""
        yield from self._records()
        yield from self._references()
        yield _shown(m.CATALOG_FAILURES, self.catalog_failures, if_any=True)
        for name, seconds in sorted(self.services.items()):
            how, service, table = (*name.split(".", 2), "")[:3]
            line = f"{how}_seconds.{name.partition('.')[2]}", f"{seconds:.2f}"
            yield Measure(m.SERVICE_SECONDS, seconds, (how, service, table), line)
        lag_ms = self.millis_behind_latest
        yield Measure(m.LAG_SECONDS, lag_ms / 1000, line=("lag_ms", f"{lag_ms}"))
        yield _shown(m.BATCH_SECONDS, self.seconds, f"{self.seconds:.2f}")
        fetch = self.fetch_seconds
        yield Measure(m.STAGE_SECONDS, fetch, ("fetch",), ("fetch_seconds", f"{fetch:.2f}"))
        for stage, seconds in self.stage_seconds.items():
            yield Measure(m.STAGE_SECONDS, seconds, (stage,))
        yield from freshness_measures(self.freshness)
        yield Measure(m.BYTES_READ, self.bytes)
        yield Measure(m.COMMITS, self.commits + self.meanwhile.get(m.COMMITS.name, 0))
        if self.files is not None:
            yield from file_measures(self.files)
        if self.s3_requests is not None:
            yield Measure(m.S3_REQUESTS, self.s3_requests)
        for metric in (m.ROWS_REWRITTEN, m.RETRIES):
            if number := self.meanwhile.get(metric.name, 0):
                yield Measure(metric, number)

    def _records(self) -> Iterator[Measure]:
        counts = self.counts
        yield _shown(m.RECORDS_READ, counts.read)
        yield _shown(m.ROWS_OUT, counts.kept)
        yield _shown(m.RECORDS_SUPERSEDED, counts.superseded)
        yield _shown(m.RECORDS_REJECTED, counts.rejected)
        # Of a capture the line has those of each table.
        yield _shown(m.ROWS_REMOVED, counts.removed, if_any=True, is_known=not counts.tables)
        yield _shown(m.RECORDS_EMPTY, counts.empty, if_any=True)
        if counts.tables or counts.ignored:
            yield _shown(m.RECORDS_IGNORED, counts.ignored, if_any=True)
        for name, table in sorted(counts.tables.items()):
            yield _shown(m.TABLE_ROWS_OUT, table.kept, None, name)
        for name, table in sorted(counts.tables.items()):
            yield _shown(m.TABLE_ROWS_REMOVED, table.removed, None, name, if_any=True)
        for reason, number in sorted(counts.rejected_by_reason.items()):
            yield _shown(m.REJECTED_BY_REASON, number, None, reason)
        for name, number in sorted(counts.unmatched.items()):
            yield Measure(m.RECORDS_MATCHED, counts.kept + counts.superseded - number, (name,))
        for name, number in sorted(counts.unmatched.items()):
            yield _shown(m.RECORDS_UNMATCHED, number, None, name)

    def _references(self) -> Iterator[Measure]:
        found = sorted(self.references.items())
        for name, said in found:
            yield _shown(m.REFERENCE_VERSION, said["version"], None, name)
        for name, said in found:
            yield _shown(m.READ_UNITS, said["read_units"], f"{said['read_units']:g}", name)
        for name, said in found:
            for column, number in said.get("misfit_values", {}).items():
                yield _shown(m.REFERENCE_MISFITS, number, None, name, column)
        for name, age in sorted(self.ages_seconds.items()):
            yield _shown(m.REFERENCE_AGE_SECONDS, age, f"{age:.1f}", name)
        for name, number in sorted(self.refresh_failures.items()):
            yield _shown(m.REFRESH_FAILURES, number, None, name, if_any=True)


def freshness_measures(freshness: Freshness | None) -> Iterator[Measure]:
    """Yield the numbers of a freshness, if it is known."""
    if freshness is not None:
        yield Measure(m.FRESHNESS_P50_SECONDS, freshness.p50_seconds)
        yield Measure(m.FRESHNESS_P99_SECONDS, freshness.p99_seconds)
        yield Measure(m.FRESHNESS_MAX_SECONDS, freshness.max_seconds)


def file_measures(files: Files) -> Iterator[Measure]:
    """Yield the numbers of files that were written."""
    yield Measure(m.FILES_WRITTEN, files.count)
    yield Measure(m.FILE_BYTES_WRITTEN, files.bytes)
    yield Measure(m.LARGEST_FILE_BYTES, files.largest_bytes)


def _shown(
    metric: Metric,
    value: float,
    text: str | None = None,
    *labels: str,
    if_any: bool = False,
    is_known: bool = True,
) -> Measure:
    """Return a number that the line shows, if it is to be shown."""
    is_shown = is_known and (value or not if_any)
    line = (".".join((metric.line or metric.name, *labels)), f"{value}" if text is None else text)
    return Measure(metric, value, labels, line if is_shown else None)
