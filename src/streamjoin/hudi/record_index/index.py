"""Where each row of a table is, as of its newest commit."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from streamjoin.aws.storage import open_path
from streamjoin.hudi.record_index.entries import stored_entries
from streamjoin.hudi.record_index.files import IndexFiles, Manifest
from streamjoin.hudi.record_index.open_files import OpenFiles
from streamjoin.hudi.record_index.segment import ORDER, PARTITION, Flags, Hashes, Segment, merged
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import Commit, Timeline, columns_of

log = logging.getLogger(__name__)

SEGMENT: Final = "record_index"
"""Under this key a commit names the segment that tells where its rows are; empty: it has none."""

# Once there are so many segments, the newest of them become one, and with them each older one that has at most so many
# times their entries: a look-up asks few, and an entry is written again a few times for each fourfold growth.
_SEGMENTS: Final = 16
_GROWTH: Final = 4
# Rows that Hudi itself moves to other files stay in their partition.
_TABLE_SERVICES: Final = frozenset({"COMPACT", "LOG_COMPACT", "CLUSTER"})


@dataclass(frozen=True)
class Found:
    """What an index says of some keys.

    Args:
        is_known: Of each key whether there is a row.
        order: Of those that are known the row's ordering value.
        partition: Of those that are known the row's partition columns, as JSON text, or its file.
    """

    is_known: Flags
    order: "pa.ChunkedArray[Any]"
    partition: "pa.ChunkedArray[Any]"


class RecordIndex:
    """Of each record key the ordering value of its row, and its partition, or, if the table `tells_files`, its file.

    It follows from the table: each commit names the segment that tells of its rows, so that commit and entries happen
    together or not at all. If a commit is there that names none, or a segment is missing, the index is made again from
    the table's own rows.

    Only the holder of the table's lock may use it.

    Invariant: `_segments` together tell of all commits up to `_through`, the oldest first.

    Args:
        table: The table.

    Attributes:
        open_files: Where new rows go, if the table `tells_files`.
        columns: The table's, as of the newest commit that names them.

    Raises:
        SinkError: Its path is neither local nor on S3.
    """

    def __init__(self, table: HudiTable) -> None:
        self._table = table
        self._files = IndexFiles(table.base_path)
        self._through: str | None = None
        self.open_files = OpenFiles(table.file_bytes)
        self.columns: tuple[str, ...] = ()
        self._segments: list[tuple[str, Segment]] = []
        # Written, and not known to be committed.
        self._pending: dict[str, Segment] = {}
        self._background = ThreadPoolExecutor(1, thread_name_prefix="record-index")
        # Of which segments one is being made: the number of the first, and of the one behind the last.
        self._merging: tuple[int, int, Future[tuple[str, Segment]]] | None = None

    @classmethod
    def of(cls, table: HudiTable) -> "RecordIndex | None":
        """Return the index of a table; None if it needs none."""
        return cls(table) if table.has_record_index else None

    def follow(self, spark: SparkSession) -> None:
        """Bring the index up to date with the table's newest commit.

        Args:
            spark: Reads the table if the index has to be made again.

        Raises:
            SinkError: The timeline can't be read.
            OSError: The index can't be read or written.
            PySparkException: The table's rows can't be read.
        """
        timeline = Timeline.read(*open_path(self._table.base_path))
        if self._through is None and timeline.commits:
            self._open(timeline)
        if self._through is None or self._through not in {"", *timeline.commits} or not self._add_new(timeline):
            self._make_again(spark, timeline)
        self._put_together()

    @property
    def is_empty(self) -> bool:
        """Whether the table has no row, and never had one that a commit of it tells of."""
        return not any(segment.rows for _, segment in self._segments)

    def find(self, high: Hashes, low: Hashes) -> Found:
        """Return where the rows of keys are.

        Args:
            high: The first halves of their hashes.
            low: The second ones.
        """
        parts, numbers = [], []
        remaining = np.arange(len(high))
        for _, segment in reversed(self._segments):
            found = segment.find(high[remaining], low[remaining])
            hit = found >= 0
            if hit.any():
                parts.append(segment.take(found[hit]))
                numbers.append(remaining[hit])
            remaining = remaining[~hit]
        is_known = np.zeros(len(high), dtype=bool)
        if not parts:
            return Found(is_known, pa.chunked_array([], pa.null()), pa.chunked_array([], pa.string()))
        at = np.concatenate(numbers)
        together = pa.concat_tables(parts).take(np.argsort(at, kind="stable"))
        at = np.sort(at, kind="stable")
        # A deleted row is nowhere.
        is_there = together[PARTITION].is_valid().to_numpy()
        is_known[at[is_there]] = True
        together = together.filter(pa.array(is_there))
        return Found(is_known, together[ORDER], together[PARTITION])

    def write(self, entries: pa.Table) -> str:
        """Write where the rows of a batch are; return what its commit is to say as `SEGMENT`.

        Delivery: they count from the commit on that names them.

        Args:
            entries: As a segment's, each key once, in any order; `partition` as text.

        Raises:
            OSError: They can't be written; the commit must not happen.
        """
        if not entries.num_rows:
            return ""
        name, segment = self._files.put([Segment.of(entries).entries])
        self._pending[name] = segment
        return name

    def _open(self, timeline: Timeline) -> None:
        manifest = self._files.manifest()
        if manifest is None or manifest.through not in timeline.commits:
            return
        segments = self._files.open(manifest.names)
        if segments is not None:
            self._segments = list(zip(manifest.names, segments, strict=True))
            self._through = manifest.through
            self._begin(timeline)

    def _add_new(self, timeline: Timeline) -> bool:
        """Add what the commits since `_through` say; tell whether all of them say it."""
        for instant in timeline.commits:
            if instant <= (self._through or ""):
                continue
            commit = timeline.commit(instant)
            if commit is None:
                # It has not happened yet: its file is still being written, or was left torn.
                return instant == max(timeline.commits)
            stays = not commit.metadata and commit.operation in _TABLE_SERVICES and not self._table.tells_files
            name = "" if stays else commit.metadata.get(SEGMENT)
            if name is None:
                return False
            if name:
                segment = self._pending.get(name) or next(iter(self._files.open([name]) or []), None)
                if segment is None:
                    return False
                self._segments.append((name, segment))
            self._see(commit)
            self._through = instant
        self._pending.clear()
        return True

    def _make_again(self, spark: SparkSession, timeline: Timeline) -> None:
        newest = timeline.newest
        self._segments, self._merging = [], None
        if newest:
            log.info("table at %s: its record-level index is made from its rows", self._table.base_path)
            name, segment = self._files.put(stored_entries(spark, self._table))
            self._segments = [(name, segment)]
            self._say(newest)
        self._through = newest
        self._pending.clear()
        self._begin(timeline)

    def _begin(self, timeline: Timeline) -> None:
        """Learn of the commits up to `_through` what no segment says."""
        self.columns = columns_of(timeline.schema())
        self.open_files.begin(timeline)

    def _see(self, commit: Commit) -> None:
        self.columns = commit.columns or self.columns
        self.open_files.see(commit)

    def _say(self, through: str) -> None:
        names = tuple(name for name, _ in self._segments)
        self._files.put_manifest(Manifest(through, names))
        self._files.delete_all_but(names)

    def _put_together(self) -> None:
        """Let segments be put together in the background, and take in those that have been."""
        if self._merging is not None and self._merging[2].done():
            (begin, end, made), self._merging = self._merging, None
            self._segments[begin:end] = [made.result()]
            self._say(self._through or "")
        if self._merging is None and len(self._segments) > _SEGMENTS:
            begin, end = self._first_to_merge(), len(self._segments)
            parts = merged([segment for _, segment in self._segments[begin:]], is_whole=begin == 0)
            self._merging = begin, end, self._background.submit(self._files.put, parts)

    def _first_to_merge(self) -> int:
        """Return from which segment on all become one."""
        rows = [segment.rows for _, segment in self._segments]
        begin = len(rows) - 2
        while begin > 0 and rows[begin - 1] <= _GROWTH * sum(rows[begin:]):
            begin -= 1
        return begin
