"""What a batch of a stream did, in numbers: one line of the log, no payload."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamjoin.history.counts import BatchCounts
from streamjoin.streaming.report import line_of


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
        services: How long table services took that ended since the batch before, by names such as `waited.archiving`
            (within the batch) and `beside.compaction` (beside batches).
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
    services: Mapping[str, float] = field(default_factory=dict)
    millis_behind_latest: int
    seconds: float
    fetch_seconds: float

    def line(self) -> str:
        """Return the report as `key=value` pairs."""
        values = {
            "job": self.job,
            "batch": self.batch_id,
            "read": self.counts.read,
            "kept": self.counts.kept,
            "superseded": self.counts.superseded,
            "rejected": self.counts.rejected,
            **({"removed": self.counts.removed} if self.counts.removed and not self.counts.tables else {}),
            **({"empty": self.counts.empty} if self.counts.empty else {}),
            **({"ignored": self.counts.ignored} if self.counts.ignored else {}),
            **{f"kept.{name}": table.kept for name, table in sorted(self.counts.tables.items())},
            **{f"removed.{name}": table.removed for name, table in sorted(self.counts.tables.items()) if table.removed},
            **{f"rejected.{reason}": n for reason, n in sorted(self.counts.rejected_by_reason.items())},
            **{f"unmatched.{name}": n for name, n in sorted(self.counts.unmatched.items())},
            **{f"version.{name}": found["version"] for name, found in sorted(self.references.items())},
            **{f"read_units.{name}": f"{found['read_units']:g}" for name, found in sorted(self.references.items())},
            **{
                f"misfits.{name}.{column}": n
                for name, found in sorted(self.references.items())
                for column, n in found.get("misfit_values", {}).items()
            },
            **{f"age_seconds.{name}": f"{age:.1f}" for name, age in sorted(self.ages_seconds.items())},
            **{f"refresh_failures.{name}": n for name, n in sorted(self.refresh_failures.items()) if n},
            **{_service_key(name): f"{seconds:.2f}" for name, seconds in sorted(self.services.items())},
            "lag_ms": self.millis_behind_latest,
            "seconds": f"{self.seconds:.2f}",
            "fetch_seconds": f"{self.fetch_seconds:.2f}",
        }
        return line_of(values)


def _service_key(name: str) -> str:
    kind, _, service = name.partition(".")
    return f"{kind}_seconds.{service}"
