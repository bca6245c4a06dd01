"""The files of a Hudi table as one listing shows them, without Spark."""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import pyarrow.parquet as pq
from pyarrow import fs

from streamjoin.hudi.timeline import Timeline

# Source: Hudi 1.0.2, FSUtils: `<file id>_<write token>_<instant>.parquet`, and of table version 6
# `.<file id>_<instant of its base file>.log.<number>_<write token>`.
_BASE: Final = re.compile(r"([^._][^_]*)_[^_]*_(\d+)\.parquet")
_LOG: Final = re.compile(r"\.([^_]+)_(\d+)\.log\.\d+(?:_[^.]*)?")
# Source: the same, HoodieLogFormat and HoodieLogBlockType: the magic, the block's length, the format's version, then
# the kind of the block, by its number in this order.
_HEADER: Final = struct.Struct(">6sQII")
_MAGIC: Final = b"#HUDI#"
_KINDS: Final = ("a command", "deletes", "a corrupt block", "avro", "hfile", "parquet", "cdc")


@dataclass(frozen=True)
class TableFiles:
    """What a table has.

    Args:
        filesystem: Where it is.
        base: The newest base file of each file group, of a commit that has happened.
        logs: Those that were written since.
    """

    filesystem: fs.FileSystem
    base: tuple[fs.FileInfo, ...]
    logs: tuple[fs.FileInfo, ...]

    @classmethod
    def of(cls, filesystem: fs.FileSystem, root: str) -> Self:
        """List the table at a path; nothing if there is none.

        Raises:
            OSError: It can't be listed.
            SinkError: Its timeline can't be read.
        """
        # Before the listing: what is complete by now is there by then.
        timeline = Timeline.read(filesystem, root)
        replaced = timeline.replaced()
        selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
        found = [each for each in filesystem.get_file_info(selector) if each.is_file]
        data = [each for each in found if f"{root}/.hoodie/" not in each.path]
        newest: dict[tuple[str, str], tuple[str, fs.FileInfo]] = {}
        for group, instant, file in _matching(_BASE, data, root):
            is_newer = group not in newest or newest[group][0] < instant
            if is_newer and group not in replaced and timeline.is_complete(instant):
                newest[group] = (instant, file)
        # Those of an older base file have been merged into a newer one.
        logs = [
            file
            for group, instant, file in _matching(_LOG, data, root)
            if group not in replaced and (group not in newest or newest[group][0] <= instant)
        ]
        return cls(filesystem, tuple(file for _, file in newest.values()), tuple(logs))

    @property
    def bytes(self) -> int:
        """The size of all base files."""
        return sum(each.size for each in self.base)

    @property
    def largest(self) -> fs.FileInfo:
        """The largest base file, of which there is one."""
        return max(self.base, key=lambda each: each.size)

    @cached_property
    def rows_of_largest(self) -> int:
        """How many rows the largest base file has.

        Raises:
            OSError: It can't be read.
        """
        with self.filesystem.open_input_file(self.largest.path) as file:
            return int(pq.read_metadata(file).num_rows)

    def rows(self) -> int:
        """Return about how many rows there are: as many a byte as in the largest file."""
        return round(self.rows_of_largest * self.bytes / max(1, self.largest.size))

    def log_block(self) -> str | None:
        """Return of what kind the first block of the newest log is; None if there is no log.

        Raises:
            OSError: It can't be read.
        """
        if not self.logs:
            return None
        newest = max(self.logs, key=lambda each: (each.mtime_ns or 0, each.path))
        with self.filesystem.open_input_stream(newest.path, compression=None) as stream:
            header = stream.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return None
        magic, _, _, kind = _HEADER.unpack(header)
        return _KINDS[kind] if magic == _MAGIC and kind < len(_KINDS) else "no log block"


def _matching(
    form: re.Pattern[str], files: Iterable[fs.FileInfo], root: str
) -> Iterator[tuple[tuple[str, str], str, fs.FileInfo]]:
    """Yield partition and id, instant, and the file itself of those whose names have a form."""
    for each in files:
        if match := form.fullmatch(each.base_name):
            partition = each.path.removeprefix(root).rpartition("/")[0].strip("/")
            yield (partition, match[1]), match[2], each
