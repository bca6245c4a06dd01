"""The second half of a backfill: staged items become rows, some files a commit."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.aws.storage import as_hadoop_path
from streamjoin.backfill.letters import item_id, letters_of
from streamjoin.backfill.report import Written
from streamjoin.backfill.source import BackfillSource
from streamjoin.backfill.table import BackfilledTable, Span, SpanWritten
from streamjoin.backfill.telling import Telling
from streamjoin.capture.backfill_note import BackfillNote, Noted
from streamjoin.capture.changes.read import changes_of_items
from streamjoin.capture.isolation import unwritable_rows
from streamjoin.capture.table import TURN_SECONDS
from streamjoin.dynamodb.read.item_files import ITEM, ItemFolder, Segment
from streamjoin.errors import SinkError, SourceError
from streamjoin.history.figures import BatchFigures
from streamjoin.hudi import write as hudi
from streamjoin.hudi.table import HudiTable
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.table import DeadLetters
from streamjoin.lock import Place, TableLock
from streamjoin.process import FIELDS
from streamjoin.records.change_columns import ITEM_KEY
from streamjoin.records.events import REASON_COLUMN, RECORD_COLUMN, Events
from streamjoin.spark.frames import persisted, tasks_for
from streamjoin.streaming.isolation import FailedRecords, SetAside, Undecoded, compute_all, isolating, not_computed
from streamjoin.streaming.signals import StopRequest
from streamjoin.streaming.stages import Stages
from streamjoin.streaming.unwritable import upserted

log = logging.getLogger(__name__)

# A task's rows pass through it one after the other; more tasks than that only make more files.
_ITEMS_PER_TASK = 250_000


@dataclass(frozen=True)
class StagedPart:
    """One staged file: where it is, its items, and their size, packed."""

    path: str
    items: int
    bytes: int


def parts_of(folder: ItemFolder, segments: Iterable[Segment]) -> list[StagedPart]:
    """Return the files of finished segments, always in the same order: a number says which of them are done."""
    return [
        StagedPart(path, file.items, file.bytes)
        for segment in sorted(segments, key=lambda each: each.segment)
        for path, file in zip(folder.paths(segment), segment.files, strict=True)
    ]


def next_parts(left: Sequence[StagedPart], limits: BatchLimits) -> Sequence[StagedPart]:
    """Return as many of `left` as fit into the limits, the first in any case."""
    items = size_bytes = 0
    for index, part in enumerate(left):
        items, size_bytes = items + part.items, size_bytes + part.bytes
        if index and (items > limits.records or size_bytes > limits.bytes):
            return left[:index]
    return left


def items_of(spark: SparkSession, parts: Sequence[StagedPart]) -> DataFrame:
    """Return the items of the files, which must be some.

    Columns out: `item` (binary, as `dynamodb.pack` makes it); `shard_id`, its segment; `sequence_number`, a digest of
        the item.
    """
    items = spark.read.schema(f"{ITEM} binary").parquet(*(as_hadoop_path(part.path) for part in parts))
    segment = F.regexp_extract(F.input_file_name(), r"/(segment-\d+)/[^/]*$", 1)
    return items.select(ITEM, segment.alias("shard_id"), F.sha2(ITEM, 256).alias("sequence_number"))


@dataclass(frozen=True)
class _Staged:
    """Staged items as changes, and what they are made of."""

    changes: Events
    undecoded: Undecoded

    @contextmanager
    def isolated(self, batch_id: str, compute: Callable[[Events], object]) -> Iterator[None]:
        """Find the items by which what is done in a `with` block fails.

        Args:
            batch_id: Names the batch.
            compute: Does the same with some of the changes.
        """
        try:
            yield
        except (PySparkException, Py4JError) as error:
            changed_id = item_id(RECORD_COLUMN)
            raise not_computed(error, batch_id, self.changes, changed_id, compute, self.undecoded) from error


@dataclass
class Writing:
    """Writes staged items.

    Args:
        job: The job's name.
        spark: The session.
        source: What the items were read from.
        table: Where rows go.
        dead_letters: Where rejected items go.
        limits: What a commit has at most.
        on_step: Called with the name of each step that has been done.
        telling: Takes what each commit was, in numbers.
    """

    job: str
    spark: SparkSession
    source: BackfillSource
    table: BackfilledTable
    dead_letters: DeadLetters
    limits: BatchLimits
    on_step: Callable[[str], None]
    telling: Telling
    written: Written = field(default_factory=Written)
    _aside: SetAside = field(default_factory=SetAside, init=False)

    def run(self, noted: Noted, parts: Sequence[StagedPart], stop: StopRequest) -> bool:
        """Write what isn't written yet; return whether all is, or it was asked to stop before.

        Raises:
            StreamJoinError: A commit failed; those before it stand.
        """
        note = BackfillNote(self.table.table.base_path)
        first = self.table.written_files(noted)
        if first < len(parts):
            self._find_columns(parts, noted)
        while first < len(parts):
            self.telling.progress(first, len(parts), "files written")
            if stop.made:
                return False
            is_first = not self.table.has_commit
            chosen = parts[first:] if is_first else next_parts(parts[first:], self.limits)
            if self._write(chosen, Span(noted.id, first, first + len(chosen)), noted, is_first=is_first):
                first += len(chosen)
                note.write(replace(noted, written_files=first))
                self.on_step("recorded")
        return True

    def _find_columns(self, parts: Sequence[StagedPart], noted: Noted) -> None:
        """Look once at all that is left: a column whose type has to widen later is another rewrite of the table."""
        batch_id = f"backfill-{noted.id}"

        def attempt(aside: SetAside) -> SetAside:
            staged = self._staged(parts, noted, aside)
            with staged.isolated(batch_id, lambda part: self.table.find_columns(part, batch_id)):
                self.table.find_columns(staged.changes, batch_id)
            return aside

        self._aside = isolating(batch_id, attempt)

    def _staged(self, parts: Sequence[StagedPart], noted: Noted, aside: SetAside) -> "_Staged":
        items = items_of(self.spark, parts)

        def read(some: DataFrame) -> Events:
            return changes_of_items(some, self.source.table_name, self.source.key_names, noted.noted_us)

        both = self._aside.and_also(aside)
        changes = both.decoded(items, read, item_id, keep=(ITEM_KEY,))
        return _Staged(changes, Undecoded(both.left_of(items, item_id()), read, item_id()))

    def _write(self, parts: Sequence[StagedPart], span: Span, noted: Noted, *, is_first: bool) -> bool:
        """Write some parts; return whether that was done, or they have to be chosen again."""
        stages, items = Stages(), sum(part.items for part in parts)
        tasks = max(tasks_for(self.spark, items), math.ceil(items / _ITEMS_PER_TASK))
        self.spark.conf.set("spark.sql.shuffle.partitions", tasks)

        def attempt(aside: SetAside) -> tuple[Counter[str], SpanWritten] | None:
            staged = self._staged(parts, noted, aside)
            rows = self.table.judged(staged.changes)
            with persisted(rows.frame):
                with staged.isolated(span.batch_id, lambda part: compute_all(self.table.judged(part).frame)):
                    reasons = _rejected_by_reason(rows, span, items)
                stages.done("compute")
                if reasons:
                    self._write_letters(rows, parts, span, noted)
                stages.done("dead_letters")
                self.on_step("dead_letters_written")
                try:
                    written = self.table.write(rows, span, noted, is_first=is_first, parallelism=tasks)
                except SinkError as error:
                    write = partial(_bulk_insert, tasks) if is_first else upserted
                    found = unwritable_rows(
                        self.table, rows, error, batch_id=span.batch_id, row_id=item_id(RECORD_COLUMN), write=write
                    )
                    raise FailedRecords(found) from error
                stages.done("commit")
                return None if written is None else (reasons, written)

        counts = isolating(span.batch_id, attempt)
        if counts is None:
            return False
        self.on_step("committed")
        reasons, written = counts
        figures = BatchFigures(
            batch_id=span.batch_id,
            at=datetime.now(UTC),
            read=items,
            kept=items - reasons.total() - written.superseded,
            superseded=written.superseded,
            rejected_by_reason=reasons,
            bytes=sum(part.bytes for part in parts),
            seconds=stages.seconds,
            files=written.files,
        )
        self.written.add(figures)
        log.info(
            "job=%s batch=%s read=%d kept=%d superseded=%d rejected=%d seconds=%.2f",
            *(self.job, span.batch_id, items, figures.kept, figures.superseded, figures.rejected),
            stages.total_seconds,
            extra={FIELDS: self.telling.done(figures)},
        )
        return True

    def _write_letters(self, rows: Events, parts: Sequence[StagedPart], span: Span, noted: Noted) -> None:
        items = items_of(self.spark, parts)
        letters = letters_of(rows, items, stream=self.source.arn, noted_us=noted.noted_us)
        path = self.dead_letters.base_path
        with TableLock(path, job=self.job, place=Place.of_letters(path), wait_seconds=TURN_SECONDS) as lock:
            lock.check()
            self.dead_letters.write(letters, batch_id=span.batch_id)


def _bulk_insert(tasks: int, rows: DataFrame, table: HudiTable) -> None:
    hudi.bulk_insert(rows, table, commit_metadata={}, parallelism=tasks)


def _rejected_by_reason(rows: Events, span: Span, items: int) -> Counter[str]:
    """Count in one pass, which also fills the cache that every later step reads."""
    found = {reason: int(number) for reason, number in rows.frame.groupBy(REASON_COLUMN).count().collect()}
    if sum(found.values()) != items:
        message = (
            f"batch '{span.batch_id}': expected {items} staged items, found {sum(found.values())}; nothing of it "
            "was committed"
        )
        raise SourceError(message, retryable=True)
    return Counter({reason: number for reason, number in found.items() if reason is not None})
