"""A report with a number of every kind, as a batch of each kind of job has it."""

from streamjoin.history.counts import BatchCounts, TableCounts
from streamjoin.history.figures import Files, Freshness
from streamjoin.streaming.metrics import BatchReport

ENRICH = BatchReport(
    job="orders",
    batch_id="b1",
    counts=BatchCounts(
        read=10,
        kept=6,
        superseded=1,
        rejected=3,
        rejected_by_reason={"WRONG_TYPE": 2, "NOT_UTF8": 1},
        unmatched={"country": 2},
        removed=1,
        empty=4,
    ),
    references={"country": {"version": 7, "read_units": 12.5, "misfit_values": {"code": 3}}},
    refresh_failures={"country": 2},
    catalog_failures=2,
    ages_seconds={"country": 31.25},
    services={"waited.planning": 0.125, "beside.compaction": 3.5},
    millis_behind_latest=4_000,
    seconds=1.5,
    fetch_seconds=0.25,
    stage_seconds={"compute": 0.5, "dead_letters": 0.2, "commit": 0.7, "ledger": 0.1},
    bytes=1_000,
    freshness=Freshness(1.0, 2.0, 3.0),
    files=Files(2, 3_000, 2_000),
    s3_requests=150,
    meanwhile={"retries": 1, "commits": 1, "rows_rewritten": 5},
)
CAPTURE = BatchReport(
    job="shop",
    batch_id="b2",
    counts=BatchCounts(
        read=9,
        kept=7,
        superseded=1,
        removed=2,
        ignored=1,
        ignored_tables={"other": 1},
        tables={"orders": TableCounts(4, 1, 2), "items": TableCounts(3)},
    ),
    services={"waited.planning.orders": 0.25},
    millis_behind_latest=0,
    seconds=2.0,
    fetch_seconds=0.5,
    commits=2,
)
