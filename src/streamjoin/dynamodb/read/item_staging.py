"""Reading a table's items in Spark's executors, segment by segment, into files from which rows are made later.

What is written while a table is read would be half a table, and what is read twice may have changed in between. So a
table is first read to its end, in files beside the lake's table, and then becomes rows.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa
from pyspark.sql import SparkSession

from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from streamjoin.dynamodb.read.item_filter import ItemFilter
from streamjoin.dynamodb.read.item_writer import ProgressMarks, SegmentWriter
from streamjoin.dynamodb.read.pages import ItemPage
from streamjoin.dynamodb.service import pack
from streamjoin.errors import SourceError
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

_SCHEMA = parse_schema("segment int, error string, is_retryable boolean")


class ItemSource(Protocol):
    """What is read, as a plain value that travels to the executors."""

    def pages(self, segments: Sequence[int]) -> Iterator[tuple[int, Iterator[ItemPage]]]:
        """Yield each of the segments with its pages, read as they are asked for."""


@dataclass(frozen=True)
class StagingPlan:
    """What is read, and where it goes.

    Args:
        source: The table, or an export of it.
        segments: Numbers of the segments that are still to be read.
        tasks: How many of them are read at the same time, whatever the cluster could do; None: a task a segment.
        folder: Where the items go.
        where: Which of them; None: all.
    """

    source: ItemSource
    segments: tuple[int, ...]
    folder: ItemFolder
    tasks: int | None = None
    where: ItemFilter | None = None


def stage(spark: SparkSession, plan: StagingPlan) -> None:
    """Read the segments of the plan in executors.

    Delivery: a segment is marked when all of its items are in files, and only then counts. One that was cut short, or
    read by two tasks, is there once: its marker names the files of one reading.

    Raises:
        SourceError: Some segments could not be read; the others are marked.
    """
    tasks = min(len(plan.segments), plan.tasks or len(plan.segments))
    if not tasks:
        return
    # A range of as many partitions as rows needs no shuffle; the row's number is the task's.
    ends = map_batches(spark.range(0, tasks, 1, tasks), StageSegments(plan, tasks), to_spark(_SCHEMA)).collect()
    errors = [SourceError(end["error"], retryable=end["is_retryable"]) for end in ends if end["error"] is not None]
    if errors:
        raise next((error for error in errors if not error.retryable), errors[0])


@dataclass(frozen=True)
class StageSegments:
    """What a task runs; of the package, so that a worker's clients outlive the task.

    Args:
        plan: The plan.
        tasks: How many tasks share it.
    """

    plan: StagingPlan
    tasks: int

    def __call__(self, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read the segments of each numbered task, one after the other."""
        for batch in rows:
            numbers: list[int] = batch.to_pydict()["id"]
            for task in numbers:
                yield from self._read(self.plan.segments[task :: self.tasks])

    def _read(self, segments: Sequence[int]) -> Iterator[pa.RecordBatch]:
        # A raise would come to the driver as text after four attempts; a row brings it as what it is.
        row: dict[str, object] = dict.fromkeys(_SCHEMA.names)
        try:
            for segment, pages in self.plan.source.pages(segments):
                row["segment"] = segment
                stage_segment(segment, pages, self.plan.folder, self.plan.where)
        except SourceError as error:
            row |= {"error": str(error), "is_retryable": error.retryable}
        yield pa.RecordBatch.from_pylist([row], schema=_SCHEMA)


def stage_segment(
    segment: int,
    pages: Iterable[ItemPage],
    folder: ItemFolder,
    where: ItemFilter | None = None,
    *,
    writer: SegmentWriter | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Segment:
    """Write the items of one segment page by page, and mark it when all are written.

    Args:
        segment: Its number.
        pages: Its items.
        folder: Where they go.
        where: Which of them; None: all.
        writer: Default: one that makes files of the usual size.
        clock: Seconds that never go back.

    Raises:
        SourceError: A page could not be read, or an item not written; the segment isn't marked.
    """
    writer = writer or SegmentWriter(folder, segment)
    marks = ProgressMarks(folder, clock)
    found = Segment(segment)
    for page in pages:
        scanned_bytes = selected = incomparable = 0
        for item in page.items:
            packed = pack(item)
            scanned_bytes += len(packed)
            taken = where is None or where.takes(item)
            if taken:
                writer.add(packed)
                selected += 1
            elif taken is None:
                incomparable += 1
        found = replace(
            found,
            scanned=found.scanned + len(page.items),
            selected=found.selected + selected,
            incomparable=found.incomparable + incomparable,
            read_units=found.read_units + page.read_units,
            scanned_bytes=found.scanned_bytes + scanned_bytes,
        )
        marks.at(found)
    found = replace(found, files=writer.close())
    folder.put_finished(found)
    return found
