"""Items that were read and wait to become rows: Parquet files of bounded size, and a marker for each finished segment.

::

    <folder>/segment-<n>/<attempt>-<file>.parquet    items, packed
    <folder>/segment-<n>/progress.json               how far the newest attempt is
    <folder>/segment-<n>/done.json                   which files count: written last
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from pyarrow import fs

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.errors import SourceError

ITEM: Final = "item"
"""The column of the files."""
_DONE, _PROGRESS = "done.json", "progress.json"
_THREADS = 16


@dataclass(frozen=True)
class StagedFile:
    """One file of items; `bytes` are those of the packed items, before compression."""

    name: str
    items: int
    bytes: int


@dataclass(frozen=True)
class Segment:
    """What the reading of one segment has come to.

    Args:
        segment: Its number.
        scanned: Items read.
        selected: Items taken: all, or those that the filter takes.
        incomparable: Items that were not taken since they have nothing that could be compared.
        read_units: Read units consumed.
        scanned_bytes: Of the items that were read, packed.
        files: Where the selected items are.
    """

    segment: int
    scanned: int = 0
    selected: int = 0
    incomparable: int = 0
    read_units: float = 0.0
    scanned_bytes: int = 0
    files: tuple[StagedFile, ...] = ()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "files": tuple(StagedFile(**each) for each in values["files"])})

    def to_json(self) -> bytes:
        """Return the content of a marker."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True)
class ItemFolder:
    """The staged items of one backfill.

    Args:
        path: Where they are: `s3://…`, `file:/…` or a local path.
    """

    path: str

    def finished(self, segments: Iterable[int]) -> dict[int, Segment]:
        """Return those of `segments` that were read to their end.

        Raises:
            SourceError: The folder can't be read.
        """
        return self._read(segments, _DONE)

    def progress(self, segments: Iterable[int]) -> dict[int, Segment]:
        """Return how far those of `segments` are that were begun and haven't been finished when last looked at.

        Raises:
            SourceError: The folder can't be read.
        """
        return self._read(segments, _PROGRESS)

    def paths(self, segment: Segment) -> list[str]:
        """Return where the segment's files are."""
        return [f"{self.path}/segment-{segment.segment}/{file.name}" for file in segment.files]

    def put_finished(self, segment: Segment) -> None:
        """Mark a segment as read to its end; all of its files must be there.

        Raises:
            SourceError: The marker can't be written.
        """
        self._put(segment, _DONE)

    def put_progress(self, segment: Segment) -> None:
        """Say how far a segment is.

        Raises:
            SourceError: It can't be written.
        """
        self._put(segment, _PROGRESS)

    def delete(self) -> None:
        """Remove all of it; what is gone already is no error.

        Raises:
            SourceError: It can't be removed.
        """
        filesystem, root = open_path(self.path)
        try:
            if filesystem.get_file_info(root).type == fs.FileType.Directory:
                filesystem.delete_dir(root)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("removed", error) from error

    def _read(self, segments: Iterable[int], name: str) -> dict[int, Segment]:
        filesystem, root = open_path(self.path)

        def read(segment: int) -> tuple[int, bytes | None]:
            return segment, get_object(filesystem, f"{root}/segment-{segment}/{name}")

        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                found = list(pool.map(read, segments))
        except OSError as error:
            raise self._failed("read", error) from error
        return {segment: Segment.from_json(content) for segment, content in found if content is not None}

    def _put(self, segment: Segment, name: str) -> None:
        filesystem, root = open_path(self.path)
        try:
            put_object(filesystem, f"{root}/segment-{segment.segment}/{name}", segment.to_json())
        except OSError as error:
            raise self._failed("written", error) from error

    def _failed(self, done: str, error: OSError) -> SourceError:
        return SourceError(f"staged items in '{self.path}' can't be {done}: {error}", retryable=True)
