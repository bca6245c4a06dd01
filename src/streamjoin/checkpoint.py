"""The job's position, as it stands in the commits of its own table.

There is no checkpoint beside the table that could disagree with it. On table version 6 a completed commit is a JSON
file below `.hoodie/`, so that no Spark is needed to read it.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyarrow import fs

from streamjoin.config import EnrichConfig
from streamjoin.errors import SinkError
from streamjoin.sinks.hudi import COMMIT_METADATA_PREFIX
from streamjoin.sources.position import Position, ShardRange
from streamjoin.storage import open_path

log = logging.getLogger(__name__)

# What a completed instant that may carry rows is called. Source: Hudi 1.0.2, timeline layout version 1.
_COMPLETED = (".commit", ".deltacommit", ".replacecommit")


@dataclass(frozen=True)
class Checkpoint:
    """What one commit says of the batch that it holds.

    Args:
        instant: The commit's instant time.
        position: Where the next batch starts.
        ranges: What the batch read of each shard.
        references: The metadata of each reference's snapshot, by name.
        counts: Records read, kept, superseded, rejected, and more.
    """

    instant: str
    position: Position
    ranges: tuple[ShardRange, ...]
    references: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, Any]


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


def read(base_path: str) -> Checkpoint | None:
    """Return the checkpoint of the newest commit that has one; None where there is no table yet.

    Compaction, clustering and rollback write commits without one: they are passed over.

    Raises:
        SinkError: The table has commits but none with a position, so that where to go on is not known; or it can't be
            read.
    """
    commits = 0
    for instant, extra in _newest_first(base_path):
        commits += 1
        position = extra.get(f"{COMMIT_METADATA_PREFIX}position")
        if position is not None:
            return Checkpoint(
                instant=instant,
                position=Position.from_json(position),
                ranges=tuple(ShardRange.from_dict(r) for r in _loads(extra, "ranges", [])),
                references=_loads(extra, "references", {}),
                counts=_loads(extra, "counts", {}),
            )
    if commits:
        message = (
            f"table at {base_path}: none of its {commits} commits carries a position of streamjoin; it was written by "
            "something else. Use another sink.hudi.base_path, or move the table away."
        )
        raise SinkError(message)
    return None


def show(config: EnrichConfig) -> dict[str, Any]:
    """Return the checkpoint of the configuration's table as JSON values; `position` is null where there is no table."""
    settings = config.sink.hudi
    found = read(settings.base_path)
    return {
        "table": settings.table_name,
        "base_path": settings.base_path,
        "instant": found.instant if found else None,
        "position": json.loads(found.position.to_json()) if found else None,
        "ranges": [r.to_dict() for r in found.ranges] if found else [],
        "references": dict(found.references) if found else {},
        "counts": dict(found.counts) if found else {},
    }


def _newest_first(base_path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield instant and extra metadata of the completed commits, the newest first."""
    filesystem, root = open_path(base_path)
    selector = fs.FileSelector(f"{root}/.hoodie", allow_not_found=True)
    try:
        names = [f.base_name for f in filesystem.get_file_info(selector) if f.base_name.endswith(_COMPLETED)]
        for name in sorted(names, reverse=True):
            with filesystem.open_input_stream(f"{root}/.hoodie/{name}") as stream:
                content = stream.read().rstrip()
            # On a local disk a commit appears before its content: what doesn't end like one has not happened yet. Its
            # batch is read again, and its rows replace themselves.
            if content.endswith(b"}"):
                yield name.split(".")[0], json.loads(content).get("extraMetadata", {})
    except OSError as error:
        message = f"table at {base_path}: its timeline can't be read: {error}"
        raise SinkError(message, retryable=True) from error
    except ValueError as error:
        message = f"table at {base_path}: commit '{name}' is not JSON: {error}; is it of table version 6?"
        raise SinkError(message) from error


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _loads(extra: Mapping[str, str], key: str, default: Any) -> Any:
    text = extra.get(f"{COMMIT_METADATA_PREFIX}{key}")
    return default if text is None else json.loads(text)
