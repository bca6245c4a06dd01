"""The first half of a backfill: every segment of the source, in files beside the table."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from streamjoin.backfill.report import Progress, ScanTotals
from streamjoin.backfill.source import BackfillSource
from streamjoin.backfill.telling import Telling
from streamjoin.capture.backfill_note import Noted
from streamjoin.dynamodb.read.item_files import ItemFolder, Segment
from streamjoin.dynamodb.read.item_staging import StagingPlan, stage
from streamjoin.errors import SourceError, StreamJoinError
from streamjoin.hudi import write as hudi
from streamjoin.progress import draws_bars
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
_JOB_GROUP = "streamjoin-backfill"


@dataclass(frozen=True)
class Scan:
    """Reads what a backfill hasn't read yet.

    Args:
        job: The job's name.
        spark: The session.
        source: What is read.
        folder: Where its items go.
        telling: Takes how far the reading is, in numbers.
        clock: Seconds that never go back.
    """

    job: str
    spark: SparkSession
    source: BackfillSource
    folder: ItemFolder
    telling: Telling
    clock: Callable[[], float] = time.monotonic

    def run(self, noted: Noted, stop: StopRequest) -> dict[int, Segment] | None:
        """Read the segments that weren't read to their end; return all, or None if it was asked to stop before.

        Raises:
            SourceError: Some segments could not be read; the others stay.
        """
        finished = self.folder.finished(range(noted.segments))
        left = tuple(number for number in range(noted.segments) if number not in finished)
        if left:
            if stop.made:
                return None
            # No more tasks than are paid for: a cluster that grows would read faster than allowed.
            tasks = min(len(left), self.spark.sparkContext.defaultParallelism)
            plan = StagingPlan(
                source=self.source.open(noted.segments, tasks),
                segments=left,
                folder=self.folder,
                tasks=tasks if self.source.is_paced else None,
                where=self.source.where,
            )
            before = ScanTotals.of(finished.values(), (), noted.segments)
            started = self.clock()
            self.telling.begin(before)
            watch = Watch(self._teller(noted, before), clock=self.clock)
            with watching(watch, lambda: stop.made, self._cancel):
                self._stage(plan, stop)
            finished |= self.folder.finished(left)
            self.telling.scanned(ScanTotals.of(finished.values(), (), noted.segments))
            self.telling.read(noted.id, self.clock() - started)
        return finished if len(finished) == noted.segments else None

    def _stage(self, plan: StagingPlan, stop: StopRequest) -> None:
        # In a thread of its own, so that a signal is handled while Spark works.
        failures: list[Exception] = []

        def run() -> None:
            self.spark.sparkContext.setJobGroup(_JOB_GROUP, f"{self.job}: scan", interruptOnCancel=True)
            try:
                stage(self.spark, plan)
            except (SourceError, PySparkException, Py4JError) as error:
                failures.append(error)

        thread = threading.Thread(target=run, name="backfill-scan", daemon=True)
        thread.start()
        thread.join()
        for error in failures:
            if isinstance(error, SourceError):
                raise error
            if not stop.made:
                message = f"backfill of '{self.source.table_name}': the scan's tasks failed: {hudi.root_cause(error)}"
                raise SourceError(message, retryable=True) from error

    def _cancel(self) -> None:
        self.spark.sparkContext.cancelJobGroup(_JOB_GROUP)

    def _teller(self, noted: Noted, before: ScanTotals) -> Callable[[], None]:
        started = self.clock()

        def tell() -> None:
            finished = self.folder.finished(range(noted.segments))
            begun = self.folder.progress(number for number in range(noted.segments) if number not in finished)
            totals = ScanTotals.of(finished.values(), begun.values(), noted.segments)
            seconds = self.clock() - started
            self.telling.scanned(totals)
            self.telling.progress(totals.scanned, self.source.items or None, "items read")
            line = Progress(self.job, totals, seconds, before.scanned, self.source.items).line()
            # A bar says the same.
            log.log(logging.DEBUG if draws_bars() else logging.INFO, line)

        return tell


class Watch:
    """Says at an interval how far something is; `tick` is one look, so that a test needs no time.

    Args:
        say: Looks, and says it.
        clock: Seconds that never go back.
        interval_seconds: From one look to the next.
    """

    def __init__(
        self,
        say: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._say, self._clock, self._interval_seconds = say, clock, interval_seconds
        self._said_at = clock()

    def tick(self) -> float:
        """Look if it is time to; return how many seconds there are until the next look."""
        since = self._clock() - self._said_at
        if since < self._interval_seconds:
            return self._interval_seconds - since
        self._said_at = self._clock()
        try:
            self._say()
        except StreamJoinError as error:
            # Not seeing how far it is doesn't keep it from getting there.
            log.warning("progress can't be told: %s", error)
        return self._interval_seconds


@contextmanager
def watching(watch: Watch, is_stopped: Callable[[], bool], cancel: Callable[[], None]) -> Iterator[None]:
    """Tick in the background for the length of a `with` block.

    Args:
        watch: What ticks.
        is_stopped: Whether the job was asked to stop.
        cancel: Called once when it was.
    """
    ended = threading.Event()

    def run() -> None:
        is_cancelled = False
        while not ended.wait(min(watch.tick(), 0.5)):
            if is_stopped() and not is_cancelled:
                is_cancelled = True
                cancel()

    thread = threading.Thread(target=run, name="backfill-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=10.0)
