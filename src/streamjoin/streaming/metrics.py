"""What a batch did, in numbers: one log line, no payload."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TableCounts:
    """What a batch of `job: capture` did to one table.

    Args:
        kept: Rows upserted or deleted.
        superseded: Changes that a newer one made superfluous.
        removed: Rows deleted.
    """

    kept: int = 0
    superseded: int = 0
    removed: int = 0


@dataclass(frozen=True)
class BatchCounts:
    """Where the records of one batch went. `read = kept + superseded + rejected + ignored`, always.

    Args:
        read: Records read, user records of aggregated ones each for itself.
        kept: Rows upserted.
        superseded: Events that lost to a newer one of the same record key in the same batch.
        rejected: Dead letters.
        rejected_by_reason: The same, by reason.
        unmatched: Kept events without a row in a reference, by its name.
        ignored: Changes of tables that are not captured; of `job: capture`, as the next two.
        removed: Rows deleted.
        tables: What became of each table, by the name of the DynamoDB table.
    """

    read: int = 0
    kept: int = 0
    superseded: int = 0
    rejected: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    unmatched: Mapping[str, int] = field(default_factory=dict)
    ignored: int = 0
    removed: int = 0
    tables: Mapping[str, TableCounts] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as they stand in the commit."""
        captured = {
            "ignored": self.ignored,
            "removed": self.removed,
            "tables": {name: asdict(table) for name, table in self.tables.items()},
        }
        return {
            **(captured if self.tables or self.ignored else {}),
            "read": self.read,
            "kept": self.kept,
            "superseded": self.superseded,
            "rejected": self.rejected,
            "rejected_by_reason": dict(self.rejected_by_reason),
            "unmatched": dict(self.unmatched),
        }


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """One batch, for the log.

    Args:
        job: The job's name.
        batch_id: Identifies the batch in log and commit.
        counts: Where its records went.
        references: What the commit says of each reference's snapshot, by name.
        refresh_failures: By reference, how many refreshes have failed in a row; an older snapshot was used.
        ages_seconds: By reference, how long before the batch ended its snapshot was true of the table.
        millis_behind_latest: Lag of the slowest shard when the batch had been read.
        seconds: From the start of the batch's processing to its commit.
        fetch_seconds: Time spent reading it, which may have been in the background.
    """

    job: str
    batch_id: str
    counts: BatchCounts
    references: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refresh_failures: Mapping[str, int] = field(default_factory=dict)
    ages_seconds: Mapping[str, float] = field(default_factory=dict)
    millis_behind_latest: int
    seconds: float
    fetch_seconds: float

    def line(self) -> str:
        """Return the report as `key=value` pairs."""
        pairs = {
            "job": self.job,
            "batch": self.batch_id,
            "read": self.counts.read,
            "kept": self.counts.kept,
            "superseded": self.counts.superseded,
            "rejected": self.counts.rejected,
            **({"ignored": self.counts.ignored} if self.counts.ignored else {}),
            **{f"kept.{name}": table.kept for name, table in sorted(self.counts.tables.items())},
            **{f"removed.{name}": table.removed for name, table in sorted(self.counts.tables.items()) if table.removed},
            **{f"rejected.{reason}": n for reason, n in sorted(self.counts.rejected_by_reason.items())},
            **{f"unmatched.{name}": n for name, n in sorted(self.counts.unmatched.items())},
            **{f"version.{name}": found["version"] for name, found in sorted(self.references.items())},
            **{f"read_units.{name}": f"{found['read_units']:g}" for name, found in sorted(self.references.items())},
            **{f"age_seconds.{name}": f"{age:.1f}" for name, age in sorted(self.ages_seconds.items())},
            **{f"refresh_failures.{name}": n for name, n in sorted(self.refresh_failures.items()) if n},
            "lag_ms": self.millis_behind_latest,
            "seconds": f"{self.seconds:.2f}",
            "fetch_seconds": f"{self.fetch_seconds:.2f}",
        }
        return " ".join(f"{key}={value}" for key, value in pairs.items())
