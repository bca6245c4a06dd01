"""The files of a Hudi table as one listing shows them, without Spark."""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import pyarrow.parquet as pq
from pyarrow import fs

# Source: Hudi 1.0.2, HoodieLogFormat and HoodieLogBlockType: the magic, the block's length, the format's version, then
# the kind of the block, by its number in this order.
_HEADER: Final = struct.Struct(">6sQII")
_MAGIC: Final = b"#HUDI#"
_KINDS: Final = ("a command", "deletes", "a corrupt block", "avro", "hfile", "parquet", "cdc")


@dataclass(frozen=True)
class TableFiles:
    """What a table has.

    Args:
        filesystem: Where it is.
        base: The newest base file of each file group.
        logs: All logs.
    """

    filesystem: fs.FileSystem
    base: tuple[fs.FileInfo, ...]
    logs: tuple[fs.FileInfo, ...]

    @classmethod
    def of(cls, filesystem: fs.FileSystem, root: str) -> Self:
        """List the table at a path; nothing if there is none.

        Raises:
            OSError: It can't be listed.
        """
        selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
        found = [each for each in filesystem.get_file_info(selector) if each.is_file]
        data = [each for each in found if f"{root}/.hoodie/" not in each.path]
        newest: dict[tuple[str, str], fs.FileInfo] = {}
        # `<file id>_<write token>_<instant>.parquet`
        for each in sorted(data, key=lambda file: file.base_name.rpartition("_")[2]):
            if each.base_name.endswith(".parquet") and not each.base_name.startswith("."):
                folder = each.path.rpartition("/")[0]
                newest[folder, each.base_name.partition("_")[0]] = each
        logs = (each for each in data if ".log." in each.base_name and not each.base_name.endswith(".crc"))
        return cls(filesystem, tuple(newest.values()), tuple(logs))

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
