"""What a batch was in numbers: as its commit, its ledger and a journal have it, and as one reads it there.

What is known before the commit stands in the commit, under `FIGURES`. What only the process knows after it, and what
Hudi says of the files that it wrote, stands beside the commit's words in the ledger, and is not compared with the
commit: an entry that was written later, from the timeline, lacks the former.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from streamjoin.aws.storage import open_path
from streamjoin.history.entry import Entry
from streamjoin.history.instants import moment_of
from streamjoin.hudi.timeline import Commit, Timeline
from streamjoin.shards.arrivals import Arrivals
from streamjoin.shards.position import ShardRange

FIGURES: Final = "figures"
"""Under this key a commit says what was known of its batch before it; JSON."""
SERVICES: Final = "services"
"""Under this key a commit says how long services of the table took since the one before; JSON."""
CATALOG: Final = "catalog"
"""Under this key a commit says how often in a row the catalog has failed, and why, if it has; JSON."""
TOLD_MEANWHILE: Final = ("retries", "s3_requests")
"""What a commit tells of the time since the one before, by names of metrics."""


@dataclass(frozen=True)
class Freshness:
    """How long after their arrival in the stream records counted, in seconds.

    Args:
        p50_seconds: Half of them at most so long.
        p99_seconds: 99 of a hundred.
        max_seconds: All of them.
    """

    p50_seconds: float
    p99_seconds: float
    max_seconds: float

    @classmethod
    def of(cls, arrivals: Arrivals, committed_ms: float) -> Self:
        """Return that of records that counted at this time."""
        arrived_ms = (arrivals.median_ms, arrivals.hundredth_ms, arrivals.oldest_ms)
        # A clock that is behind the stream's.
        return cls(*(max(0.0, (committed_ms - each) / 1000) for each in arrived_ms))


@dataclass(frozen=True)
class Known:
    """What is known of a batch before its commit.

    Args:
        arrivals: When its records had arrived; None if that isn't known.
        seconds: How long each stage took, by its name; those after the commit (`ledger`, `services`) are of the batch
            before.
        refresh_failures: By reference, how many refreshes have failed in a row, if any.
        meanwhile: What happened since the batch before, by names of metrics; those of `TOLD_MEANWHILE` are told.
        services: How long table services took since then, by names such as `waited.planning`.
    """

    arrivals: Arrivals | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    refresh_failures: Mapping[str, int] = field(default_factory=dict)
    meanwhile: Mapping[str, int] = field(default_factory=dict)
    services: Mapping[str, float] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """Return what the commit says of it."""
        arrivals = self.arrivals
        values = {
            "arrived_ms": arrivals and [arrivals.oldest_ms, arrivals.hundredth_ms, arrivals.median_ms],
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            "refresh_failures": {name: number for name, number in self.refresh_failures.items() if number},
            "meanwhile": {name: self.meanwhile[name] for name in TOLD_MEANWHILE if self.meanwhile.get(name)},
        }
        told = {key: value for key, value in values.items() if value}
        return {FIGURES: json.dumps(told, sort_keys=True, separators=(",", ":")), **services_metadata(self.services)}


@dataclass(frozen=True)
class Files:
    """The files that commits wrote, or wrote again.

    Args:
        count: How many.
        bytes: Of all of them.
        largest_bytes: Of the largest.
    """

    count: int = 0
    bytes: int = 0
    largest_bytes: int = 0

    @classmethod
    def of(cls, *commits: Commit) -> Self:
        """Return what commits wrote."""
        sizes = [each.size for commit in commits for each in commit.files]
        return cls(len(sizes), sum(sizes), max(sizes, default=0))

    @classmethod
    def together(cls, several: Iterable["Files"]) -> Self:
        """Return the sum of several."""
        every = list(several)
        largest = max((each.largest_bytes for each in every), default=0)
        return cls(sum(each.count for each in every), sum(each.bytes for each in every), largest)


@dataclass(frozen=True)
class Observed:
    """What is known of a batch once it counts.

    Args:
        committed_ms: When it did, in milliseconds since 1970; None: it was looked at later.
        commit_seconds: How long its commit took, or the longest of several at the same time; None likewise.
        files: What it wrote; None if that isn't known.
    """

    committed_ms: int | None = None
    commit_seconds: float | None = None
    files: Files | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        files = self.files
        values = {
            "committed_ms": self.committed_ms,
            "commit_seconds": None if self.commit_seconds is None else round(self.commit_seconds, 3),
            "files": None if files is None else [files.count, files.bytes, files.largest_bytes],
        }
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        files = Files(*values["files"]) if "files" in values else None
        return cls(values.get("committed_ms"), values.get("commit_seconds"), files)


@dataclass(frozen=True)
class ReferenceFigures:
    """What a batch was joined with.

    Args:
        version: Of the reference.
        age_seconds: How long before the commit it was true of the table; None if that isn't known.
        read_units: Consumed for this batch.
        failures: How many refreshes had failed in a row.
    """

    version: int
    age_seconds: float | None = None
    read_units: float = 0.0
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class BatchFigures:
    """What a batch, or another commit of a job, was in numbers. What isn't known is None, or not there.

    Args:
        batch_id: Names it.
        at: When it counted; if that isn't known, when its commit began.
        read: Records read.
        kept: Rows upserted or deleted.
        superseded: Events that lost to a newer one.
        removed: Rows deleted.
        rejected_by_reason: Dead letters.
        redriven_by_reason: Dead letters that a redrive has made rows of.
        rewritten: Rows that a change of a reference has rewritten.
        matched: Events with a row in a reference, by its name.
        unmatched: Those without.
        bytes: Payload bytes read.
        lag_ms: Of each shard, when it had been read.
        freshness: Of the records.
        seconds: How long each stage took: `fetch`, `compute`, `dead_letters`, `tombstones`, `commit`; and of the batch
            before `ledger`, `services`.
        services: How long table services took since the commit before, by names such as `waited.planning`.
        references: What it was joined with, by name.
        meanwhile: What happened since the commit before: `TOLD_MEANWHILE`. Requests to S3 are of the batch before.
        files: What it wrote.
        tables: Rows kept of each table, if there are several.
        ignored: Changes of tables that aren't captured, or are left out.
        read_units: Read capacity consumed, for references or by a scan.
        catalog_failures: How often in a row the catalog has failed by then.
        catalog_error: Why; empty if it hasn't.
        batches: How many these are the numbers of together.
    """

    batch_id: str
    at: datetime
    read: int = 0
    kept: int = 0
    superseded: int = 0
    removed: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    redriven_by_reason: Mapping[str, int] = field(default_factory=dict)
    rewritten: int = 0
    matched: Mapping[str, int] = field(default_factory=dict)
    unmatched: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    lag_ms: Mapping[str, int] = field(default_factory=dict)
    freshness: Freshness | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    services: Mapping[str, float] = field(default_factory=dict)
    references: Mapping[str, ReferenceFigures] = field(default_factory=dict)
    meanwhile: Mapping[str, int] = field(default_factory=dict)
    files: Files | None = None
    tables: Mapping[str, int] = field(default_factory=dict)
    ignored: int = 0
    read_units: float = 0.0
    catalog_failures: int = 0
    catalog_error: str = ""
    batches: int = 1

    @property
    def rejected(self) -> int:
        """Dead letters."""
        return sum(self.rejected_by_reason.values())

    @property
    def kind(self) -> str:
        """What it is: `start`, `batch`, `rewrite`, `redrive`, `set`; of a backfill `scan`, of a replication `load`."""
        word = self.batch_id.partition("-")[0]
        return word if word in ("start", "rewrite", "redrive", "set", "scan", "load") else "batch"

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Return those of a commit, or of a journal's entry."""
        told, catalog = (json.loads(entry.extra.get(key, "{}")) for key in (FIGURES, CATALOG))
        observed, counts = Observed.from_dict(entry.observed), entry.counts
        ended_ms = observed.committed_ms
        at = moment_of(entry.instant) if ended_ms is None else datetime.fromtimestamp(ended_ms / 1000, UTC)
        arrived = told.get("arrived_ms")
        unmatched = counts.get("unmatched", {})
        joined = counts.get("kept", 0) + counts.get("superseded", 0)
        return cls(
            batch_id=entry.batch_id,
            at=at,
            **{name: counts.get(name, 0) for name in ("read", "kept", "superseded", "removed", "rewritten", "ignored")},
            rejected_by_reason=counts.get("rejected_by_reason", {}),
            redriven_by_reason=counts.get("redriven_by_reason", {}),
            matched={name: joined - number for name, number in unmatched.items()},
            unmatched=unmatched,
            bytes=sum(each.bytes for each in entry.ranges),
            lag_ms=lag_of(entry.ranges),
            freshness=Freshness.of(Arrivals(*arrived), at.timestamp() * 1000) if arrived else None,
            seconds={
                **told.get("seconds", {}),
                **({} if observed.commit_seconds is None else {"commit": observed.commit_seconds}),
            },
            services=json.loads(entry.extra.get(SERVICES, "{}")),
            references=_references(entry.references, told.get("refresh_failures", {}), at),
            meanwhile=told.get("meanwhile", {}),
            files=observed.files,
            read_units=sum(float(each.get("read_units", 0.0)) for each in entry.references.values()),
            catalog_failures=int(catalog.get("failures", 0)),
            catalog_error=str(catalog.get("error", "")),
            tables={name: table["kept"] for name, table in counts.get("tables", {}).items()},
        )


def newest_files(base_path: str) -> tuple[Timeline, Files]:
    """Return a table's timeline, and what files its newest commit wrote.

    Raises:
        SinkError: The table's timeline can't be read.
    """
    timeline = Timeline.read(*open_path(base_path))
    return timeline, Files.of(*filter(None, [timeline.commit(timeline.newest)]))


def services_metadata(seconds: Mapping[str, float]) -> dict[str, str]:
    """Return what a commit says of table services; nothing if none took any time."""
    rounded = {name: round(each, 3) for name, each in seconds.items()}
    return {SERVICES: json.dumps(rounded, sort_keys=True)} if rounded else {}


def lag_of(ranges: tuple[ShardRange, ...]) -> dict[str, int]:
    """Return the lag of each shard that was asked for it, in milliseconds."""
    return {each.shard_id: each.millis_behind_latest for each in ranges if each.millis_behind_latest is not None}


def _references(
    told: Mapping[str, Mapping[str, Any]], failures: Mapping[str, int], at: datetime
) -> dict[str, ReferenceFigures]:
    return {
        name: ReferenceFigures(
            version=int(found.get("version", 0)),
            age_seconds=(at - datetime.fromisoformat(found["as_of"])).total_seconds() if "as_of" in found else None,
            read_units=float(found.get("read_units", 0.0)),
            failures=failures.get(name, 0),
        )
        for name, found in told.items()
    }
