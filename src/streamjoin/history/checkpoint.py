"""The job's position, as it stands in the commits of its own table.

There is no checkpoint beside the table that could disagree with it. The ledger is asked only if Hudi has archived
the last commit that carries a position.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.history.entry import Entry
from streamjoin.history.ledger import Ledger
from streamjoin.hudi.record_index.open_files import OPENED
from streamjoin.hudi.timeline import Timeline
from streamjoin.shards.position import Position, ShardRange


def to_metadata(
    position: Position,
    ranges: tuple[ShardRange, ...],
    references: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, Any],
) -> dict[str, str]:
    """Return the commit metadata that `read` gives back."""
    return {
        "position": position.to_json(),
        "ranges": _dumps([r.to_dict() for r in ranges]),
        "references": _dumps(references),
        "counts": _dumps(counts),
    }


@dataclass(frozen=True)
class TableCommits:
    """The positions of a job that writes one table: those of its commits.

    Args:
        base_path: The table's.
    """

    base_path: str

    def newest(self) -> Entry | None:
        """Return what `read` does."""
        return read(self.base_path)

    def entries(self) -> Iterator[Entry]:
        """Yield all that the ledger has, the oldest first.

        Raises:
            SinkError: The ledger can't be read.
        """
        return Ledger(self.base_path).entries()


def read(base_path: str) -> Entry | None:
    """Return what the newest commit that has a position says; None if there is no table yet.

    Compaction, clustering, rollback, commits that open files and those of others have none: they are passed over. If
    archival took the last one that has, the ledger's newest entry counts.

    Raises:
        SinkError: The table has commits but neither they nor the ledger have a position, or the ledger knows commits
            of a table that is gone, so that where to go on is not known; or it can't be read.
    """
    filesystem, root = open_path(base_path)
    timeline = Timeline.read(filesystem, root)
    commits = 0
    for instant in sorted(timeline.commits, reverse=True):
        metadata = timeline.metadata(instant)
        if metadata is not None and "position" in metadata:
            return Entry.of(instant, metadata)
        commits += metadata is not None and OPENED not in metadata
    # What is newer than the oldest commit of the timeline isn't on it: it was taken back.
    archived = Ledger(base_path).newest(older_than=timeline.oldest)
    if archived is not None and commits:
        return archived
    if archived is not None:
        message = (
            f"table at {base_path}: it has no commit, but its ledger ends with commit '{archived.instant}'. If the "
            f"table was deleted on purpose, delete '{base_path}/.hoodie' too; else bring it back."
        )
        raise SinkError(message)
    if commits:
        message = (
            f"table at {base_path}: none of its {commits} commits carries a position of streamjoin; it "
            "was written by something else. Use another sink.hudi.base_path, or move the table away."
        )
        raise SinkError(message)
    return None


def as_json(found: Entry | None) -> dict[str, Any]:
    """Return what an entry says as JSON values; `position` is null if there is none."""
    return {
        "instant": found.instant if found else None,
        "position": json.loads(found.position.to_json()) if found else None,
        "ranges": [r.to_dict() for r in found.ranges] if found else [],
        "references": dict(found.references) if found else {},
        "counts": dict(found.counts) if found else {},
    }


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
