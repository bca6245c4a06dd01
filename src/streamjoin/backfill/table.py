"""The table that a backfill fills, perhaps while capture writes it too."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from pyspark.sql import functions as F

from streamjoin.aws.storage import open_path
from streamjoin.backfill.config.backfill import BackfillTableSettings
from streamjoin.capture.backfill_note import Noted
from streamjoin.capture.changes.layouts import to_rows
from streamjoin.capture.changes.schema import found_columns
from streamjoin.capture.table import CapturedTable
from streamjoin.errors import SinkError
from streamjoin.history.figures import Files, newest_files
from streamjoin.hudi import write as hudi
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.lock import TableLock
from streamjoin.records.events import REASON_COLUMN, SUPERSEDED_COLUMN, Events

METADATA = "backfill"
"""The key of the commit's metadata that says which staged files it has; JSON."""


@dataclass(frozen=True)
class Span:
    """Staged files that become rows in one commit: those from `first` to before `end`, of all of them in order."""

    backfill_id: str
    first: int
    end: int

    @property
    def batch_id(self) -> str:
        """The name of the batch, in the commit and in the log."""
        return f"backfill-{self.backfill_id}-{self.first}"


@dataclass(frozen=True)
class SpanWritten:
    """What a commit of a span was.

    Args:
        superseded: Rows that were left out, of items that were removed meanwhile.
        files: What was written.
    """

    superseded: int
    files: Files


class BackfilledTable(CapturedTable):
    """A captured table, as a backfill writes it.

    Invariant: which items were removed meanwhile is looked up under the lock under which the rows are committed. So a
    REMOVE that capture commits is either seen by the look, or comes after the rows and deletes them.
    """

    def __init__(self, settings: BackfillTableSettings, *, job: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(
            settings, job=job, fixed_partition=settings.fixed_partition, tombstones=partial(Tombstones, clock=clock)
        )
        self._tombstone_hours, self._clock = settings.tombstone_hours, clock
        self._held: TableLock | None = None

    @contextmanager
    def turn(self) -> Iterator[TableLock]:
        """Hold the table's lock, also if this job holds it already."""
        if self._held is not None:
            yield self._held
            return
        with super().turn() as lock:
            self._held = lock
            try:
                yield lock
            finally:
                self._held = None

    @property
    def has_commit(self) -> bool:
        """Whether the table has any commit; else it may be written by one bulk insert."""
        return hudi.has_commit(self.table.base_path)

    def find_columns(self, changes: Events, batch_id: str) -> None:
        """With `undeclared: evolve`: give layout and table the columns that these changes have.

        Delivery: if a column's type has to widen, the table is rewritten, in a commit of its own.

        Raises:
            SinkError: The table can't be rewritten.
        """
        if self.layout.undeclared == "evolve":
            self._widen(changes.frame.sparkSession, found_columns(changes, self.layout), batch_id)

    def judged(self, changes: Events) -> Events:
        """Make rows of items, each of which is there once; columns that aren't known yet are not looked for."""
        return to_rows(changes, self.layout)

    def written_files(self, noted: Noted) -> int:
        """Return how many of the backfill's staged files are rows: what the note says, or a later commit.

        Raises:
            SinkError: The timeline can't be read.
        """
        timeline = Timeline.read(*open_path(self.table.base_path))
        written = noted.written_files
        for instant in timeline.commits:
            said = (timeline.metadata(instant) or {}).get(METADATA)
            if said is not None and (found := json.loads(said))["id"] == noted.id:
                written = max(written, int(found["end"]))
        return written

    def write(self, rows: Events, span: Span, noted: Noted, *, is_first: bool, parallelism: int) -> SpanWritten | None:
        """Write the rows of a span in one commit, but for those of items that were removed meanwhile.

        Delivery: one commit, or none. Writing a span again leaves the same rows.

        Args:
            rows: Judged rows, persisted.
            span: Which they are.
            noted: The backfill.
            is_first: Whether the table had no commit when the span was chosen: then it is written by a bulk insert.
            parallelism: Tasks of a shuffle.

        Returns:
            What was done; None: nothing was written, for the table has got its first commit meanwhile.

        Raises:
            SinkError: The write failed, or what was removed meanwhile isn't known any more.
        """
        with self.turn() as lock:
            has_commit = self.has_commit
            if is_first and has_commit:
                return None
            if self.tombstones is not None:
                if has_commit:
                    self._check_age(noted)
                self.tombstones.open()
            marked = self._without_late(rows)
            superseded = self._count_late(marked)
            frame = self.latest(marked)
            metadata = _metadata(span, noted, self.name)
            if is_first:
                lock.check()
                hudi.bulk_insert(frame, self.table, commit_metadata=metadata, parallelism=parallelism)
                timeline, files = newest_files(self.table.base_path)
                self.catalog.committed(timeline)
            else:
                files = self.commit(frame, None, metadata, parallelism=parallelism)
        return SpanWritten(superseded, files)

    def _count_late(self, rows: Events) -> int:
        if self.tombstones is None or self.tombstones.is_empty:
            return 0
        return rows.frame.where(F.col(REASON_COLUMN).isNull() & F.col(SUPERSEDED_COLUMN)).count()

    def _check_age(self, noted: Noted) -> None:
        """Stop if a removal that the rows don't know of may have been forgotten."""
        age_hours = (self._clock() - noted.noted_us / 1_000_000) / 3600
        if age_hours > self._tombstone_hours:
            message = (
                f"table '{self.table.table_name}' at {self.table.base_path}: the backfill's items are of "
                f"{age_hours:.1f} hours ago, but removed items are remembered for {self._tombstone_hours:g} hours: "
                "some might come back. Nothing was written. Set tables[].tombstone_hours to more than a backfill "
                "takes, in both jobs, delete the note '.hoodie/.streamjoin/backfill.json' of the table, and start "
                "again (an export: with a new one)."
            )
            raise SinkError(message)


def _metadata(span: Span, noted: Noted, table_name: str) -> Mapping[str, str]:
    said = {"id": noted.id, "table": table_name, "noted_us": noted.noted_us, "first": span.first, "end": span.end}
    return {"batch_id": span.batch_id, METADATA: json.dumps(said)}
