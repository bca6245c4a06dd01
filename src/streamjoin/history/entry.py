"""What one commit of ours said of the batch, the rewrite, the redrive or the new position that it holds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from streamjoin.errors import SinkError
from streamjoin.shards.position import Position, ShardRange

_KNOWN = frozenset({"batch_id", "position", "ranges", "references", "counts"})


@dataclass(frozen=True)
class Entry:
    """One commit that carries a position.

    Args:
        instant: The commit's instant time.
        batch_id: `start`, `rewrite-…`, `redrive-…`, `set-…`, or a batch's own.
        position: Where the next batch starts.
        ranges: What the batch read of each shard.
        references: The metadata of each reference's snapshot, by name.
        counts: Records read, kept, superseded, rejected, and more.
        extra: Whatever else the commit says under `streamjoin.`, such as `audit`.
        tells_after: Whether the ranges say after which record they began; those of earlier versions don't.
        observed: What was found out about the commit once it was made, for `figures`; the commit doesn't say it.
    """

    instant: str
    batch_id: str
    position: Position
    ranges: tuple[ShardRange, ...]
    references: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Any]
    extra: Mapping[str, str]
    tells_after: bool
    observed: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, instant: str, metadata: Mapping[str, str], observed: Mapping[str, Any] | None = None) -> "Entry":
        """Read a commit's metadata, which has a position.

        Raises:
            SinkError: It isn't what streamjoin writes.
        """
        try:
            ranges = json.loads(metadata.get("ranges", "[]"))
            return cls(
                instant=instant,
                batch_id=metadata.get("batch_id", ""),
                position=Position.from_json(metadata["position"]),
                ranges=tuple(ShardRange.from_dict(r) for r in ranges),
                references=json.loads(metadata.get("references", "{}")),
                counts=json.loads(metadata.get("counts", "{}")),
                extra={key: value for key, value in metadata.items() if key not in _KNOWN},
                tells_after=all("after" in r for r in ranges),
                observed=observed or {},
            )
        except (ValueError, TypeError, KeyError) as error:
            message = (
                f"commit '{instant}': its metadata is not what this version of streamjoin writes: {error!r}. Was it "
                "written by a newer one?"
            )
            raise SinkError(message) from error


class Positions(Protocol):
    """Where a job's positions are kept: the commits of its table (`TableCommits`), or a `Journal`."""

    @property
    def base_path(self) -> str:
        """The table's, or the journal's."""

    def newest(self) -> Entry | None:
        """Return the newest entry; None before the first start.

        Raises:
            SinkError: It can't be read.
        """

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, the oldest first.

        Raises:
            SinkError: They can't be read.
        """
