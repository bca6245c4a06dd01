"""Writing the items of one segment into files of bounded size, as one attempt to read it."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.dynamodb.read.item_files import ITEM, ItemFolder, Segment, StagedFile
from streamjoin.errors import SourceError

FILE_ITEMS: Final = 20_000
FILE_BYTES: Final = 16 * 1024 * 1024

_SCHEMA: Final = pa.schema([pa.field(ITEM, pa.binary())])


@dataclass
class SegmentWriter:
    """Writes the items of one segment, as one attempt to read it.

    Invariant: no more than one file's items are in memory. Files of an attempt that died are named by no marker, and
    another attempt writes none of its names.

    Args:
        folder: Where the items go.
        segment: The number of the segment.
        file_items: A file has no more items.
        file_bytes: A file ends with the item that reaches this size.
        attempt: Tells apart the files of attempts.
    """

    folder: ItemFolder
    segment: int
    file_items: int = FILE_ITEMS
    file_bytes: int = FILE_BYTES
    attempt: str = field(default_factory=lambda: secrets.token_hex(8))
    _written: list[StagedFile] = field(default_factory=list, init=False)
    _items: list[bytes] = field(default_factory=list, init=False)
    _bytes: int = field(default=0, init=False)

    def add(self, packed: bytes) -> None:
        """Keep an item.

        Raises:
            SourceError: A file can't be written.
        """
        self._items.append(packed)
        self._bytes += len(packed)
        if len(self._items) >= self.file_items or self._bytes >= self.file_bytes:
            self._flush()

    def close(self) -> tuple[StagedFile, ...]:
        """Write the rest, and return all files.

        Raises:
            SourceError: A file can't be written.
        """
        if self._items:
            self._flush()
        return tuple(self._written)

    def _flush(self) -> None:
        name = f"{self.attempt}-{len(self._written):05}.parquet"
        filesystem, root = open_path(f"{self.folder.path}/segment-{self.segment}")
        table = pa.table([pa.array(self._items, pa.binary())], schema=_SCHEMA)
        try:
            if isinstance(filesystem, fs.LocalFileSystem):
                filesystem.create_dir(root)
            # Each item is another: a dictionary or bounds of its bytes would only cost time.
            pq.write_table(
                table,
                f"{root}/{name}",
                filesystem=filesystem,
                compression="gzip",
                compression_level=1,
                use_dictionary=False,
                write_statistics=False,
            )
        except OSError as error:
            message = f"staged items in '{self.folder.path}' can't be written: {error}"
            raise SourceError(message, retryable=True) from error
        self._written.append(StagedFile(name, len(self._items), self._bytes))
        self._items, self._bytes = [], 0


@dataclass
class ProgressMarks:
    """Says now and then how far a segment is.

    Args:
        folder: Where that is said.
        clock: Seconds that never go back.
        interval_seconds: From one time to the next.
    """

    folder: ItemFolder
    clock: Callable[[], float]
    interval_seconds: float = 5.0

    def __post_init__(self) -> None:
        self._said_at = self.clock()

    def at(self, segment: Segment) -> None:
        """Say it, unless that was done a moment ago."""
        now = self.clock()
        if now - self._said_at >= self.interval_seconds:
            self._said_at = now
            self.folder.put_progress(replace(segment, files=()))
