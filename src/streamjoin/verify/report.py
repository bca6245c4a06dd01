"""What a proof found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streamjoin.history.entry import Entry
from streamjoin.rendering import counted


class ViolationKind(StrEnum):
    """What does not hold."""

    GAP = "gap"
    OVERLAP = "overlap"
    POSITION = "position"
    COUNTS = "counts"
    DEAD_LETTERS = "dead letters"
    REFERENCE = "reference"
    LEDGER = "ledger"
    ROWS_TWICE = "rows twice"


@dataclass(frozen=True)
class Violation:
    """One thing that does not hold.

    Args:
        kind: What.
        text: Where exactly, what was found and expected, and what it means.
    """

    kind: ViolationKind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True)
class VerifyReport:
    """What all commits of a table together say.

    Args:
        base_path: The table's.
        first_instant: The oldest commit known.
        last_instant: The newest.
        commits: How many carry a position.
        shards: How many shards they read.
        records: Records read.
        dead_letters: Dead letters of these that are in their table.
        violations: What does not hold; empty: every record was read once, and counted.
        notes: What a person decided, such as a position that was set; no violations.
    """

    base_path: str
    first_instant: str
    last_instant: str
    commits: int
    shards: int
    records: int
    dead_letters: int
    violations: tuple[Violation, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.violations

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            **{name: value for name, value in vars(self).items() if name not in {"violations", "notes"}},
            "holds": self.holds,
            "violations": [{"kind": each.kind.value, "text": each.text} for each in self.violations],
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Return the report as text."""
        found = (
            f"{counted(self.commits, 'commit')}, {self.first_instant} to {self.last_instant}: "
            f"{counted(self.records, 'record')} of {counted(self.shards, 'shard')}, "
            f"{self.dead_letters:,} of them dead letters"
        )
        outcome = (
            "No gap, no overlap, all counts add up." if self.holds else f"{counted(len(self.violations), 'violation')}:"
        )
        return [
            found,
            *(f"note: {note}" for note in self.notes),
            outcome,
            *(f"  - {violation}" for violation in self.violations),
        ]


def named(entry: Entry) -> str:
    """Return how texts name a commit."""
    return f"commit {entry.instant} (batch '{entry.batch_id}')"
