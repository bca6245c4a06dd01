"""Where the records of one batch went: what its commit, and a journal's entry, say in numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


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
        read: Records read, user records of aggregated ones each for itself, or what they were taken apart into.
        kept: Rows upserted or deleted.
        superseded: Events that lost to a newer one of the same record key in the same batch.
        rejected: Dead letters.
        rejected_by_reason: The same, by reason.
        unmatched: Kept events without a row in a reference, by its name.
        removed: Rows deleted.
        ignored: Changes of tables that are not captured; of `job: capture`, as the next two.
        ignored_tables: The same, by the name of the DynamoDB table.
        tables: What became of each table, by the name of the DynamoDB table.
        empty: Records that hold no event: none of `read`.
    """

    read: int = 0
    kept: int = 0
    superseded: int = 0
    rejected: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    unmatched: Mapping[str, int] = field(default_factory=dict)
    removed: int = 0
    ignored: int = 0
    ignored_tables: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, TableCounts] = field(default_factory=dict)
    empty: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as they stand in the commit."""
        captured = {
            "ignored": self.ignored,
            "ignored_tables": dict(self.ignored_tables),
            "tables": {name: asdict(table) for name, table in self.tables.items()},
        }
        return {
            **(captured if self.tables or self.ignored else {}),
            **({"empty": self.empty} if self.empty else {}),
            "read": self.read,
            "kept": self.kept,
            "superseded": self.superseded,
            "rejected": self.rejected,
            "rejected_by_reason": dict(self.rejected_by_reason),
            "unmatched": dict(self.unmatched),
            **({"removed": self.removed} if self.removed or self.tables or self.ignored else {}),
        }
