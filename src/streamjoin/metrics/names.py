"""All metrics: the one list from which every output and docs/metrics.md are made, in the order of the log's line."""

from typing import Final

from streamjoin.metrics.metric import STREAM_JOBS, Kind, Metric, Unit

_FOLLOWING: Final = ("enrich", "capture", "replicate")
_TO_HUDI: Final = ("enrich", "capture", "backfill")


def _counter(name: str, meaning: str, unit: Unit = Unit.COUNT, **rest: object) -> Metric:
    return Metric(name, Kind.COUNTER, unit, meaning, **rest)  # type: ignore[arg-type]


def _gauge(name: str, meaning: str, unit: Unit = Unit.SECONDS, **rest: object) -> Metric:
    return Metric(name, Kind.GAUGE, unit, meaning, **rest)  # type: ignore[arg-type]


RECORDS_READ: Final = _counter(
    "records_read", "Records read; of a backfill items, of a replication changes.", line="read"
)
ROWS_OUT: Final = _counter("rows_out", "Rows upserted or deleted; of a replication items put or deleted.", line="kept")
RECORDS_SUPERSEDED: Final = _counter(
    "records_superseded", "Events that lost to a newer one of their key.", line="superseded"
)
RECORDS_REJECTED: Final = _counter("records_rejected", "Records that became dead letters.", line="rejected")
ROWS_REMOVED: Final = _counter("rows_removed", "Rows deleted; of a replication items.", jobs=_FOLLOWING, line="removed")
RECORDS_EMPTY: Final = _counter("records_empty", "Records that hold no event.", jobs=STREAM_JOBS, line="empty")
RECORDS_IGNORED: Final = _counter(
    "records_ignored",
    "Changes of tables that aren't captured, or are left out.",
    jobs=("capture", "replicate"),
    line="ignored",
)
TABLE_ROWS_OUT: Final = _counter(
    "table_rows_out", "Of these rows those of one table.", labels=("table",), jobs=("capture",), line="kept"
)
TABLE_ROWS_REMOVED: Final = _counter(
    "table_rows_removed", "Rows deleted from one table.", labels=("table",), jobs=("capture",), line="removed"
)
REJECTED_BY_REASON: Final = _counter(
    "rejected_by_reason", "Records that became dead letters, by reason.", labels=("reason",), line="rejected"
)
RECORDS_MATCHED: Final = _counter(
    "records_matched", "Events with a row in a reference.", labels=("reference",), jobs=("enrich",)
)
RECORDS_UNMATCHED: Final = _counter(
    "records_unmatched", "Events without one that were kept.", labels=("reference",), jobs=("enrich",), line="unmatched"
)
REFERENCE_VERSION: Final = _gauge(
    "reference_version",
    "Version that the batch was joined with.",
    Unit.NONE,
    labels=("reference",),
    jobs=("enrich",),
    line="version",
)
READ_UNITS: Final = _counter(
    "read_units",
    "Read capacity consumed: for a reference, or by the scan of a backfill.",
    labels=("source",),
    jobs=("enrich", "backfill"),
    line="read_units",
)
REFERENCE_MISFITS: Final = _gauge(
    "reference_misfits",
    "Values of the reference that don't fit their column.",
    Unit.COUNT,
    labels=("reference", "column"),
    jobs=("enrich",),
    line="misfits",
)
REFERENCE_AGE_SECONDS: Final = _gauge(
    "reference_age_seconds",
    "How long before the batch ended the version was true of the table.",
    labels=("reference",),
    jobs=("enrich",),
    line="age_seconds",
)
REFRESH_FAILURES: Final = _gauge(
    "refresh_failures",
    "Refreshes of a reference that have failed in a row.",
    Unit.COUNT,
    labels=("reference",),
    jobs=("enrich",),
    line="refresh_failures",
)
CATALOG_FAILURES: Final = _gauge(
    "catalog_failures",
    "Times in a row that the catalog could not be brought up to date.",
    Unit.COUNT,
    jobs=STREAM_JOBS,
    line="catalog_failures",
)
SERVICE_SECONDS: Final = _counter(
    "service_seconds",
    "Table services, while batches waited for them, or beside batches.",
    Unit.SECONDS,
    labels=("how", "service", "table"),
    jobs=STREAM_JOBS,
    line="waited_seconds, beside_seconds",
)
LAG_SECONDS: Final = _gauge(
    "lag_seconds",
    "How far the slowest shard is behind; of a replication how long ago the newest change was made.",
    jobs=_FOLLOWING,
    line="lag_ms",
)
BATCH_SECONDS: Final = _gauge(
    "batch_seconds", "The newest batch, from the start of its processing to its commit.", line="seconds"
)
STAGE_SECONDS: Final = _counter(
    "stage_seconds", "Time spent in a stage of the batches.", Unit.SECONDS, labels=("stage",), line="fetch_seconds"
)
FRESHNESS_P50_SECONDS: Final = _gauge(
    "freshness_p50_seconds", "From arrival to commit: half of the records took no longer.", jobs=_FOLLOWING
)
FRESHNESS_P99_SECONDS: Final = _gauge("freshness_p99_seconds", "99 of a hundred took no longer.", jobs=_FOLLOWING)
FRESHNESS_MAX_SECONDS: Final = _gauge("freshness_max_seconds", "None took longer.", jobs=_FOLLOWING)
ITEMS_SCANNED: Final = _counter("items_scanned", "Items that the scan has read, or the export had.", jobs=("backfill",))
BYTES_READ: Final = _counter("bytes_read", "Payload of the records read.", Unit.BYTES)
COMMITS: Final = _counter("commits", "Commits of tables, of rewrites too; of a replication saved positions.")
FILES_WRITTEN: Final = _counter("files_written", "Files that commits wrote, or wrote again.", jobs=_TO_HUDI)
FILE_BYTES_WRITTEN: Final = _counter("file_bytes_written", "Their size.", Unit.BYTES, jobs=_TO_HUDI)
LARGEST_FILE_BYTES: Final = _gauge(
    "largest_file_bytes", "The largest file of the newest batch.", Unit.BYTES, jobs=_TO_HUDI
)
ROWS_REWRITTEN: Final = _counter("rows_rewritten", "Rows that a change of a reference has rewritten.", jobs=("enrich",))
S3_REQUESTS: Final = _counter(
    "s3_requests", "Requests of Spark's S3A since the batch before, as far as it counts them.", jobs=STREAM_JOBS
)
RETRIES: Final = _counter("retries", "Times that a batch was tried again after an error that may pass.")

METRICS: Final = tuple(each for each in list(globals().values()) if isinstance(each, Metric))
