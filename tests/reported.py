"""What jobs of each kind have done, made up, to be reported on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from streamjoin.aws.storage import open_path
from streamjoin.history.figures import BatchFigures, Files, Freshness, Known, Observed, ReferenceFigures
from streamjoin.history.folder import Folder, Statement
from streamjoin.history.instants import instant_of
from streamjoin.lock.holder import Holder
from streamjoin.lock.view import LockView
from streamjoin.overview.overview import Overview, ShardView
from streamjoin.overview.state import JobState, State
from streamjoin.report.file_sizes import TableSizes
from streamjoin.shards.arrivals import Arrivals
from tests.history import JobHistory

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
EVERY = 5
JOBS = ("enrich", "capture", "backfill", "replicate")
SIZES = [TableSizes("orders", [900, 50_000, 2_000_000, 3_000_000], [400])]


def batches(count: int, stopped_at: int = 0) -> list[BatchFigures]:
    """Return so many batches, the newest of now; before one of them the job was stopped for two hours."""
    begin = NOW - timedelta(seconds=EVERY * count)
    made = [
        BatchFigures(
            batch_id=f"batch-{n}",
            at=begin + timedelta(seconds=EVERY * (n + 1)),
            read=100 + n,
            kept=90 + n,
            superseded=8,
            rejected_by_reason={"WRONG_TYPE": 1, "NOT_UTF8": n % 2} if n % 3 == 0 else {},
            redriven_by_reason={"WRONG_TYPE": 1} if n == 5 else {},
            matched={"country": 80},
            unmatched={"country": 20},
            lag_ms={"a": 1_000 * n, "b": 10},
            freshness=Freshness(1.0, 2.0 + n / 10, 3.0 + n / 10),
            seconds={"commit": 0.5, "fetch": 0.25, "own": 1.0, "compute": 0.125}
            | ({"dead_letters": 0.1} if n >= 2 else {}),
            services={"beside.cleaning": 2.0} if n % 4 == 0 else {},
            references={"country": ReferenceFigures(3 + n // 4, 4.0)},
            meanwhile={"retries": n % 2},
            files=Files(2, 3_000, 2_000 + n),
            tables={"orders": 50, "clients": 40 + n},
            bytes=10,
        )
        for n in range(count)
    ]
    stop = timedelta(hours=2)
    return [replace(each, at=each.at - stop) if n < stopped_at else each for n, each in enumerate(made)]


def overview_of(kind: str, made: list[BatchFigures], **rest: Any) -> Overview:
    """Return how a job of these batches is: it runs, and is behind."""
    found = Overview(
        job="orders",
        kind=kind,
        where={"table": "sales.orders"},
        now=NOW,
        state=JobState(State.RUNNING, "'orders' on host, process 42: its process runs"),
        lock=LockView(Holder("orders", "host", 42, "2026-01-31T11:00:00+00:00"), is_alive=True),
        shards=[ShardView("a", "AFTER 9", 90_000, NOW, NOW), ShardView("b", "DRAINED", is_drained=True)],
        batches=made[-200:],
        letters={"WRONG_TYPE": 3, "NOT_UTF8": 1},
    )
    return replace(found, **rest)


def write_ledger(base_path: str, ages_seconds: list[float]) -> list[datetime]:
    """Write a ledger with a start, and a batch of 120 records at each of these ages; return when the commits were."""
    made: list[Statement] = []
    times = [datetime.now(UTC) - timedelta(seconds=each) for each in [max(ages_seconds) + 5, *ages_seconds]]

    def commit(metadata: dict[str, str]) -> None:
        moment = times[len(made)]
        ms = round(moment.timestamp() * 1000)
        known = Known(Arrivals(ms - 9_000, ms - 4_000, ms - 2_000), {"fetch": 0.2, "compute": 0.3})
        observed = Observed(ms, 0.5, Files(2, 9_000, 5_000)).to_dict()
        made.append(
            Statement(instant_of(moment - timedelta(seconds=0.5)), {**metadata, **known.to_metadata()}, observed)
        )

    history = JobHistory(commit)
    history.start("shard-a", "shard-b")
    for number in range(len(ages_seconds)):
        history.batch({"shard-a": 100, "shard-b": 20}, {"WRONG_TYPE": 2} if number % 4 == 0 else {}, superseded=3)
    Folder(*open_path(base_path)).write((made[0].instant, made[-1].instant), made)
    return times
