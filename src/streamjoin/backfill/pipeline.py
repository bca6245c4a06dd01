"""What a DynamoDB table held before its changes were captured, read once into the table that captures them."""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from pyspark.sql import SparkSession

from streamjoin.aws.storage import is_s3
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.backfill.report import BackfillReport, ScanTotals, Written
from streamjoin.backfill.scan import Scan
from streamjoin.backfill.source import BackfillSource, backfill_source
from streamjoin.backfill.table import BackfilledTable
from streamjoin.backfill.telling import FIGURES_PLACE, Telling
from streamjoin.backfill.writing import Writing, parts_of
from streamjoin.capture.backfill_note import FOLDER, BackfillNote, Noted
from streamjoin.capture.table import TURN_SECONDS
from streamjoin.catalog.beside import finish as finish_catalogs
from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from streamjoin.errors import ConfigError
from streamjoin.history.figure_folder import FigureFolder
from streamjoin.hudi.conflict import conflicts
from streamjoin.hudi.repair import repair
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.table import DeadLetters
from streamjoin.lock import Place, TableLock
from streamjoin.metrics.outputs import metric_outputs
from streamjoin.progress import progress
from streamjoin.spark.session import job_session
from streamjoin.streaming.attempts import with_attempts
from streamjoin.streaming.signals import StopRequest, stop_on_signals

log = logging.getLogger(__name__)

# The steps between which a backfill may die; tests kill it at each. The three in the middle are those of each commit.
STEPS: Final = ("noted", "scanned", "writing", "dead_letters_written", "committed", "recorded", "removed", "done")


def run(
    config: BackfillConfig,
    *,
    on_step: Callable[[str], None] = lambda step: None,
    clock: Callable[[], float] = time.time,
) -> BackfillReport:
    """Run the backfill of `config` to its end, or until it is asked to stop (Ctrl-C, SIGTERM).

    Delivery: each item's row once, as of the moment that was noted before the reading began; whatever capture has
        written of later changes stays. A start after a crash reads the segments that weren't read to their end, and
        writes what wasn't committed. After the end, another start is another backfill.

    Args:
        config: A checked configuration.
        on_step: Called with the name of each step that has been done.
        clock: Seconds since 1970.

    Raises:
        ConfigError: An export is of another table, or a table that is there was made with other settings.
        StreamJoinError: It can't go on; what was read and committed so far stands.
    """
    # Whatever is missing or denied is said before Spark takes its seconds to start.
    source = backfill_source(config, clock)
    settings = config.tables[0].for_table(source.table_name)
    base_path, letters = settings.sink.hudi.base_path, config.dead_letters.base_path
    table = BackfilledTable(settings, job=config.name, clock=clock)
    dead_letters = DeadLetters.of(config.dead_letters, settings.sink.hudi.table_name, (config.name, base_path))
    at = "tables[0]"
    conflicting = conflicts(table.table, at=f"{at}.sink.hudi", rows=f"{at}.layout")
    if found := [*conflicting, *dead_letters.conflicts()]:
        raise ConfigError(found, where=config.name)
    with ExitStack() as opened:
        tell = opened.enter_context(metric_outputs(config))
        spark = job_session(config.name, s3=is_s3(base_path) or is_s3(letters))
        stop = opened.enter_context(stop_on_signals(config.limits.grace_seconds))
        place = Place.of_backfill(base_path)
        opened.enter_context(TableLock(f"{base_path}/{FOLDER}/backfill", job=config.name, place=place))
        # The reading has lines of its own.
        shown = opened.enter_context(progress("Backfill", lines=False))
        telling = Telling(source.table_name, FigureFolder(base_path, FIGURES_PLACE, clock=clock), tell, shown)
        backfill = Backfill(
            name=config.name,
            spark=spark,
            source=source,
            table=table,
            dead_letters=dead_letters,
            limits=BatchLimits.of(config.limits),
            stop=stop,
            on_step=on_step,
            telling=telling,
        )
        with_attempts(backfill.go_on, stop, backfill.progress, telling.retried)
        report = backfill.report()
        finish_catalogs([table.catalog, dead_letters.catalog])
    log.info(report.line())
    return report


@dataclass
class Backfill:
    """One backfill on its way; `go_on` may be called again after an error.

    1. note: the moment that all rows are of, before anything is read.
    2. scan: each segment into files beside the table; a finished one is marked.
    3. write: a table without a commit by one bulk insert; else some files a commit, up to the limits, whose metadata
       names them. Rejected items are dead letters before that. What was removed meanwhile is left out.
    4. remove: the staged files. The note stays: capture starts where it says.

    Args:
        name: The job's name.
        spark: The session.
        source: What is read.
        table: Where rows go.
        dead_letters: Where rejected items go.
        limits: What a commit has at most.
        stop: Whether the job was asked to stop.
        on_step: Called with the name of each step that has been done.
        telling: Takes what was done, in numbers.
    """

    name: str
    spark: SparkSession
    source: BackfillSource
    table: BackfilledTable
    dead_letters: DeadLetters
    limits: BatchLimits
    stop: StopRequest
    on_step: Callable[[str], None] = lambda step: None
    telling: Telling = field(default_factory=lambda: Telling(""))
    _written: Written = field(default_factory=Written, init=False)
    _totals: ScanTotals = field(default_factory=ScanTotals, init=False)
    _id: str = field(default="", init=False)
    _is_complete: bool = field(default=False, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)

    def go_on(self) -> None:
        """Do what is left to do.

        Raises:
            StreamJoinError: It can't go on; what was done so far stands.
        """
        self.table.open(self.spark)
        letters = self.dead_letters.base_path
        with TableLock(letters, job=self.name, place=Place.of_letters(letters), wait_seconds=TURN_SECONDS):
            repair(letters)
        note = BackfillNote(self.table.table.base_path)
        noted = self._noted(note)
        self._id = noted.id
        folder = ItemFolder(note.folder(noted.id))
        scan = Scan(self.name, self.spark, self.source, folder, self.telling)
        if noted.state == "scanning":
            try:
                finished = scan.run(noted, self.stop)
            finally:
                # Also if some segments could not be read: the others are progress.
                self._count(folder, noted)
            if finished is None:
                return
            self.on_step("scanned")
            files = sum(len(segment.files) for segment in finished.values())
            noted = replace(noted, state="writing", files=files)
            note.write(noted)
            self.on_step("writing")
        if not self._write(noted, folder):
            return
        folder.delete()
        self.on_step("removed")
        note.write(replace(noted, state="done", written_files=noted.files))
        self._is_complete = True
        self.on_step("done")

    def progress(self) -> int:
        """Return a number that grows with whatever was done."""
        return self._totals.segments_done + self._written.commits

    def report(self) -> BackfillReport:
        """Return what it has come to."""
        seconds = time.monotonic() - self._started
        return BackfillReport(self.name, self._id, self._totals, self._written, seconds, self._is_complete)

    def _noted(self, note: BackfillNote) -> Noted:
        """Return the backfill to go on with: the one that was begun, if it is of the same source, else a new one."""
        found = note.read()
        if found is not None and found.state != "done":
            if found.source == self.source.fingerprint and self._has_files(found, note):
                log.info("job=%s backfill=%s goes on state=%s", self.name, found.id, found.state)
                return found
            log.warning(
                "job=%s backfill=%s was begun from another source, with another filter, or lost its staged files; "
                "beginning from scratch",
                *(self.name, found.id),
            )
            ItemFolder(note.folder(found.id)).delete()
        now_us = self.source.now_us()
        noted = Noted(
            id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            noted_us=now_us,
            # Rows of an earlier backfill need the changes since then: this one doesn't see what was removed.
            oldest_us=min(now_us, found.oldest_us) if found is not None else now_us,
            source=self.source.fingerprint,
            segments=self.source.segments(self.spark.sparkContext.defaultParallelism),
        )
        note.write(noted)
        self.on_step("noted")
        return noted

    def _has_files(self, noted: Noted, note: BackfillNote) -> bool:
        """Say whether what was staged is there, or isn't needed any more."""
        if noted.state == "scanning" or self.table.written_files(noted) >= noted.files:
            return True
        return len(ItemFolder(note.folder(noted.id)).finished(range(noted.segments))) == noted.segments

    def _write(self, noted: Noted, folder: ItemFolder) -> bool:
        """Write what isn't written yet; return whether all is."""
        segments: dict[int, Segment] = self._count(folder, noted)
        if self.table.written_files(noted) >= noted.files:
            return True
        writing = Writing(
            job=self.name,
            spark=self.spark,
            source=self.source,
            table=self.table,
            dead_letters=self.dead_letters,
            limits=self.limits,
            on_step=self.on_step,
            telling=self.telling,
            written=self._written,
        )
        return writing.run(noted, parts_of(folder, segments.values()), self.stop)

    def _count(self, folder: ItemFolder, noted: Noted) -> dict[int, Segment]:
        """Take in what the finished segments say."""
        finished = folder.finished(range(noted.segments))
        if finished:
            self._totals = ScanTotals.of(finished.values(), (), noted.segments)
        return finished
