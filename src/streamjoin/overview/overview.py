"""All that `streamjoin status` shows, as values: of any job."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streamjoin.history.entry import Entry
from streamjoin.history.figures import BatchFigures
from streamjoin.history.stored_figures import to_values, together
from streamjoin.lock.view import LockView
from streamjoin.overview.state import JobState
from streamjoin.shards.position import Position, PositionKind

# What "lately" means, for rates and sums.
WINDOWS: Final = {"1m": 60.0, "5m": 300.0, "15m": 900.0}
# At five seconds a batch these are a little more than the longest of the windows.
RECENT_BATCHES: Final = 200
STAGES: Final = ("fetch", "compute", "dead_letters", "tombstones", "commit", "ledger", "services")
"""Of a batch, in their order."""


@dataclass(frozen=True)
class ShardView:
    """Where one shard, or what takes its place, stands.

    Args:
        shard: Its id.
        position: Where the next read begins.
        lag_ms: How far it was behind when it had been read; None if that isn't known.
        as_of: When that was.
        arrived_at: When the last record that was read had arrived.
        is_drained: Whether it is closed and was read to its end.
    """

    shard: str
    position: str
    lag_ms: int | None = None
    as_of: datetime | None = None
    arrived_at: datetime | None = None
    is_drained: bool = False


@dataclass(frozen=True, kw_only=True)
class Overview:
    """How a job is.

    Args:
        job: Its name.
        kind: What `job:` says.
        where: What it is read from, and what it writes, by what they are.
        now: When this was looked at.
        state: What the job is doing.
        lock: Who has its lock.
        shards: Where each stands.
        batches: The newest, the oldest first.
        letters: Dead letters that its commits count and no redrive has taken back, by reason.
        details: What only such a job has.
        trouble: Why this look at it failed, if it did: then all else is that of the look before.
    """

    job: str
    kind: str
    where: Mapping[str, str]
    now: datetime
    state: JobState
    lock: LockView = field(default_factory=LockView)
    shards: Sequence[ShardView] = ()
    batches: Sequence[BatchFigures] = ()
    letters: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    trouble: str | None = None

    @property
    def newest(self) -> BatchFigures | None:
        """The newest commit."""
        return self.batches[-1] if self.batches else None

    @property
    def lag_ms(self) -> int | None:
        """That of the slowest shard, when it was read last; None if that isn't known."""
        return max((each.lag_ms for each in self.shards if each.lag_ms is not None), default=None)

    @property
    def ends_at(self) -> datetime:
        """Up to when "lately" counts: now, or the newest commit of a job that doesn't run."""
        is_still = self.lock.holder is None or self.lock.is_alive is False
        return self.newest.at if is_still and self.newest is not None else self.now

    def lately(self, seconds: float) -> list[BatchFigures]:
        """Return the batches of the last seconds."""
        since = self.ends_at - timedelta(seconds=seconds)
        return [each for each in self.batches if each.at > since]

    def rate(self, seconds: float) -> float | None:
        """Return records a second, over the last seconds; None if no batch is known at all."""
        lately = self.lately(seconds)
        if not lately:
            return 0.0 if self.batches else None
        # The first one's records came before it.
        known = self.batches.index(lately[0])
        begin = self.batches[known - 1].at if known else lately[0].at
        span = max((self.ends_at - max(begin, self.ends_at - timedelta(seconds=seconds))).total_seconds(), 1.0)
        return sum(each.read for each in lately) / span

    def sum_lately(self) -> BatchFigures | None:
        """Return the figures of the longest window together; None if there are none."""
        lately = self.lately(max(WINDOWS.values()))
        return together(lately) if lately else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        whole, holder = self.sum_lately(), self.lock.holder
        return {
            "job": self.job,
            "kind": self.kind,
            "where": dict(self.where),
            "now": _text(self.now),
            "state": self.state.state.value,
            "detail": self.state.detail,
            "lock": {
                "holder": None
                if holder is None
                else {"job": holder.job, "host": holder.host, "process": holder.pid, "since": holder.started_at},
                "is_alive": self.lock.is_alive,
                "evidence": self.lock.evidence,
            },
            "lag_ms": self.lag_ms,
            "shards": [
                {**asdict(each), "as_of": _text(each.as_of), "arrived_at": _text(each.arrived_at)}
                for each in self.shards
            ],
            "records_per_second": {name: _rounded(self.rate(seconds)) for name, seconds in WINDOWS.items()},
            "lately": None if whole is None else _figures(whole),
            "references": {
                name: {**asdict(each), "age_seconds": _rounded(each.age_seconds)}
                for name, each in (self.newest.references if self.newest else {}).items()
            },
            "dead_letters": dict(self.letters),
            "commits": [_figures(each) for each in self.batches],
            "details": dict(self.details),
            **({} if self.trouble is None else {"trouble": self.trouble}),
        }


def shards_of(position: Position, entries: Sequence[Entry]) -> tuple[ShardView, ...]:
    """Return where each shard stands, by the newest entry that read it.

    Args:
        position: The newest.
        entries: The oldest first.
    """
    read = {each.shard_id: each for entry in entries for each in entry.ranges}
    views = []
    for shard_id, place in position.shards.items():
        found = read.get(shard_id)
        views.append(
            ShardView(
                shard_id,
                str(place),
                found.millis_behind_latest if found else None,
                _moment(found.read_at_ms) if found else None,
                _moment(found.last_arrived_ms) if found else None,
                is_drained=place.kind is PositionKind.DRAINED,
            )
        )
    return tuple(sorted(views, key=lambda each: (each.is_drained, -(each.lag_ms or 0), each.shard)))


def work_seconds(figures: BatchFigures) -> float:
    """Return how long a batch took: it is fetched while the one before it is written, but for a scan."""
    return sum(each for stage, each in figures.seconds.items() if stage != "fetch" or figures.kind == "scan")


def trouble_of(figures: BatchFigures) -> dict[str, int]:
    """Return what went wrong and was tried again, by name: 0 where nothing did."""
    return {
        "retries": figures.meanwhile.get("retries", 0),
        "failed refreshes of references": sum(each.failures for each in figures.references.values()),
    }


def by_stage(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return seconds by stage in the order of the stages, those of no known one last."""
    known = {stage: seconds[stage] for stage in STAGES if stage in seconds}
    return {**known, **seconds}


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def _figures(figures: BatchFigures) -> dict[str, Any]:
    values = {**to_values(figures), "at": _text(figures.at), "kind": figures.kind, "rejected": figures.rejected}
    if figures.freshness is not None:
        values["freshness"] = asdict(figures.freshness)
    if figures.files is not None:
        values["files"] = asdict(figures.files)
    return values


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
