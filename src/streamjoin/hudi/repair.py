"""What a writer left that died or failed, and by which every later write of the table would fail too.

On a disk a file of the timeline appears before its content. A process that is killed between the two, a full disk or a
power failure leave it torn, and Hudi then fails at every write. Each file is turned into what it was before: a commit
that has not happened yet, which Hudi rolls back by itself; a clean or a rollback that is still to be done; a plan that
was never made. On S3 an object appears whole or not at all; there it is the markers of a rollback that was broken off.

Source: Hudi 1.0.2, timeline layout version 1, which table version 6 has; tests/spark/hudi/test_hudi_torn.py.
"""

import io
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fastavro
from pyarrow import fs

from streamjoin.aws.storage import is_s3, local_path, open_path
from streamjoin.errors import SinkError

log = logging.getLogger(__name__)

_COMMITS = frozenset({"commit", "deltacommit", "replacecommit"})
# A compaction's plan is all that tells what it is to do; of the others Hudi takes an empty file for "nothing".
_NEVER_EMPTY = frozenset({"compaction"})
_STATES = ("requested", "inflight", "completed")
# Far longer than between a file's name and its few kilobytes, for a process that lives.
_WRITING_SECONDS = 0.5


@dataclass(frozen=True)
class _File:
    """One file of the timeline: what was done in an instant, and how far it got."""

    path: Path
    instant: str
    action: str
    state: str

    @classmethod
    def of(cls, path: Path) -> "_File | None":
        instant, *rest = path.name.split(".")
        if not instant.isdigit() or not rest:
            return None
        state = rest.pop() if rest[-1] in _STATES else "completed"
        # A commit in flight has no action in its name.
        return cls(path, instant, rest[0] if rest else "commit", state)

    @property
    def is_torn(self) -> bool:
        content = self.path.read_bytes()
        if self.action in _COMMITS:
            return self.state == "completed" and not _is_json(content)
        if not content:
            return self.state == "requested" and self.action in _NEVER_EMPTY
        return not _is_avro(content)


def repair(base_path: str) -> tuple[str, ...]:
    """Remove what lets every later write fail, and return the names of what was removed.

    Delivery: only what says nothing of rows is removed. Again changes nothing. No other process may be writing rows;
        one that compacts or cleans may be at work, whose files are half-written for far less than it waits.

    Args:
        base_path: The table; it may not exist.

    Raises:
        SinkError: The timeline can't be read or written.
    """
    try:
        if is_s3(base_path):
            return _forgotten(base_path)
        return _repaired(local_path(base_path) / ".hoodie")
    except OSError as error:
        message = f"table at '{base_path}': its timeline can't be read or repaired: {error}"
        raise SinkError(message, retryable=True) from error


def _forgotten(base_path: str) -> tuple[str, ...]:
    """Remove the markers of rollbacks that were broken off, so that Hudi does each as if for the first time.

    They name the log files that it wrote, which Hudi would look up on the local disk, wherever the table is, and fail
    by "Wrong FS" for good. Only a metadata table would have to know those files, and they hold no rows.
    Source: Hudi 1.0.2, RollbackHelperV1, which tables of version 6 are rolled back by.
    """
    filesystem, root = open_path(base_path)
    meta = f"{root}/.hoodie"
    marked = [f.base_name for f in filesystem.get_file_info(fs.FileSelector(f"{meta}/.temp", allow_not_found=True))]
    if not marked:
        return ()
    timeline = {f.base_name for f in filesystem.get_file_info(fs.FileSelector(meta))}
    begun = [i for i in marked if f"{i}.rollback.requested" in timeline and f"{i}.rollback" not in timeline]
    for instant in begun:
        log.warning("rollback %s of '%s' was broken off: Hudi does it from its beginning", instant, base_path)
        filesystem.delete_dir(f"{meta}/.temp/{instant}")
    return tuple(begun)


def _repaired(meta: Path) -> tuple[str, ...]:
    files = [file for path in meta.glob("[0-9]*") if (file := _File.of(path))]
    if torn := [file for file in files if file.is_torn]:
        time.sleep(_WRITING_SECONDS)
        torn = [file for file in torn if file.path.exists() and file.is_torn]
    removed = sorted({unwanted.path for file in torn for unwanted in _unwanted(file, files, torn)}, reverse=True)
    for path in removed:
        log.warning("%s: removed, since it was left half-written; Hudi goes on from before it", path)
        path.unlink()
        # Hadoop's own checksum would be that of a file which isn't there.
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
    return tuple(path.name for path in removed)


def _unwanted(file: _File, files: list[_File], torn: list[_File]) -> Iterator[_File]:
    """Yield what has to go, so that `file` is as if it had not been written yet."""
    if file.state == "completed":
        if file.action not in _COMMITS or _is_last_commit(file, files, torn):
            yield file
        return
    same = [f for f in files if f.instant == file.instant]
    if not any(f.state == "completed" for f in same):
        later = _STATES[_STATES.index(file.state) :]
        yield from (f for f in same if f.state in later)


def _is_last_commit(file: _File, files: list[_File], torn: list[_File]) -> bool:
    """Tell whether no whole commit came after it: one would build on its rows."""
    return not any(
        other.state == "completed" and other.action in _COMMITS and other.instant > file.instant and other not in torn
        for other in files
    )


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _is_avro(content: bytes) -> bool:
    """Tell whether an Avro file is whole: header and at least one block, each with its mark behind it."""
    try:
        return any([block.num_records for block in fastavro.block_reader(io.BytesIO(content))])
    except (ValueError, EOFError, IndexError):
        return False
