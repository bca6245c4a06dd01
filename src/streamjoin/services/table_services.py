"""The services of one table that a job writes: planned between its commits, carried out beside them."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from pyspark.sql import SparkSession

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.services.client import ServiceClient
from streamjoin.hudi.services.due import Rhythm, ServiceTimeline
from streamjoin.hudi.table import HudiTable
from streamjoin.lock import HeldError
from streamjoin.services.carrying_out import Done, carry_out, services_lock

log = logging.getLogger(__name__)

# How long a commit that replaces every file waits for a process that carries out a plan.
_SETTLE_SECONDS: Final = 3600.0
_FINISH_SECONDS: Final = 30.0
# A plan that is older waits for a process that isn't there; said so often.
_WARN_SECONDS: Final = 300.0
_LATE_CLEANINGS: Final = 10
# A share of its own, so that a batch's tasks don't queue behind those of a compaction (where Spark schedules fairly).
_POOL: Final = ("spark.scheduler.pool", "services")


class TableServices:
    """Sees to it that a table is compacted and cleaned, and that its timeline doesn't grow, without a batch that waits.

    What can't be done under a writer is done between two commits, by the table's writer: planning compactions,
    archiving, joining of small files. Compactions and cleanings are carried out beside the commits that follow, by a
    thread of the job or by `streamjoin maintain`, as the table has it.

    Only for the holder of the table's lock.

    Args:
        table: The table.
        job: The job's name.
        clock: Seconds since 1970.
    """

    def __init__(self, table: HudiTable, *, job: str, clock: Callable[[], float] = time.time) -> None:
        self._table, self._job, self._clock = table, job, clock
        self._rhythm = Rhythm.of(table)
        self._commits_to_look = 0
        self._goes_on = False
        self._clean_from = 0
        self._thread: threading.Thread | None = None
        self._waited, self._beside = Done(), Done()
        # When it was last said that plans wait for `maintain`.
        self._warned = -_WARN_SECONDS

    def open(self, spark: SparkSession) -> None:
        """Finish what a dead process left that rows can't be written beside: small files that were being joined.

        Raises:
            SinkError: It can't be finished.
        """
        for instant in self._timeline().replacements:
            with self._waited.timed("clustering"):
                ServiceClient(spark, self._table).finish_joining(instant)

    def after_commit(self, spark: SparkSession) -> None:
        """Plan what is due, and let it be carried out; never raises for a service that fails: the commit stands."""
        if self._table.served_by == "commit":
            return
        self._commits_to_look -= 1
        if self._commits_to_look > 0 or (self._thread is not None and self._thread.is_alive()):
            return
        self._commits_to_look = self._rhythm.look_every
        try:
            self._look(spark)
        except SinkError as error:
            log.warning("job=%s %s; the batch stands, it is tried again after some commits", self._job, error)

    def settle(self, spark: SparkSession) -> None:
        """Carry out all that is planned, before a commit that replaces every file.

        Raises:
            SinkError: It can't be.
        """
        self.finish()
        found = self._timeline()
        if found.compactions or found.cleanings:
            with services_lock(self._table, self._job, _SETTLE_SECONDS) as lock:
                self._waited.add(carry_out(spark, self._table, lock.check))

    def finish(self) -> None:
        """Wait for what is being carried out by this process, but not so long that a job that ends would be killed.

        What is left half-done then is done again.
        """
        if self._thread is not None:
            self._thread.join(_FINISH_SECONDS)

    def take_seconds(self) -> Mapping[str, float]:
        """Return how long services took since this was asked, by names such as `waited.archiving`.

        `waited`: while the job's commits waited for them; `beside`: while they did not.
        """
        waited, self._waited = self._waited, Done()
        beside, self._beside = self._beside, Done()
        return {
            **{f"waited.{name}": seconds for name, seconds in waited.seconds.items()},
            **{f"beside.{name}": seconds for name, seconds in beside.seconds.items()},
        }

    def _look(self, spark: SparkSession) -> None:
        found, client = self._timeline(), ServiceClient(spark, self._table)
        if self._rhythm.archives(found):
            with self._waited.timed("archiving"):
                client.archive()
        if self._rhythm.clustering:
            with self._waited.timed("clustering"):
                self._waited.joined += client.join_files(is_asked=False)
        is_clean_due = self._cleans(found)
        is_due = bool(found.compactions or found.cleanings) or is_clean_due
        if self._rhythm.compacts(found) or (self._goes_on and not found.compactions):
            with self._waited.timed("planning"):
                planned = client.plan_compaction(goes_on=self._goes_on)
            is_due |= planned is not None
            self._goes_on = planned is not None and not planned.is_whole
        if self._goes_on:
            self._commits_to_look = 1
        if self._table.served_by == "maintain":
            self._tell_of(found)
        elif is_due:
            self._begin(spark, cleans=is_clean_due)

    def _cleans(self, found: ServiceTimeline) -> bool:
        """Tell whether to clean; if there was nothing to clean the last time, not before as many commits more."""
        if not self._rhythm.cleans(found):
            self._clean_from = 0
            return False
        is_due = found.uncleaned >= self._clean_from
        if is_due:
            self._clean_from = found.uncleaned + (self._rhythm.cleaning or 0)
        return is_due

    def _begin(self, spark: SparkSession, *, cleans: bool) -> None:
        def run() -> None:
            spark.sparkContext.setLocalProperty(*_POOL)
            try:
                with services_lock(self._table, self._job) as lock:
                    done = carry_out(spark, self._table, lock.check, cleans=cleans)
                # Only now looked up: another one may be there since this began.
                self._beside.add(done)
            except HeldError as error:
                log.info("job=%s %s", self._job, error)
            except SinkError as error:
                log.warning("job=%s %s; it is tried again after some commits", self._job, error)

        self._thread = threading.Thread(target=run, name="table-services", daemon=True)
        self._thread.start()

    def _tell_of(self, found: ServiceTimeline) -> None:
        """Warn of plans that nobody carries out."""
        oldest, now = min(found.compactions, default=None), self._clock()
        age_seconds = now - _planned_at(oldest) if oldest else 0.0
        is_unclean = self._rhythm.cleaning is not None and found.uncleaned > _LATE_CLEANINGS * self._rhythm.cleaning
        if (age_seconds >= _WARN_SECONDS or is_unclean) and now - self._warned >= _WARN_SECONDS:
            self._warned = now
            log.warning(
                "job=%s table at %s: %s, %d commits since it was cleaned; sink.hudi.table_services is maintain: run "
                "`streamjoin maintain` beside this job",
                *(self._job, self._table.base_path),
                f"compaction {oldest} waits for {age_seconds:.0f} s" if oldest else "no compaction waits",
                found.uncleaned,
            )

    def _timeline(self) -> ServiceTimeline:
        return ServiceTimeline.read(*open_path(self._table.base_path))


def _planned_at(instant: str) -> float:
    """Return when an instant was made, in seconds since 1970: it is that time in UTC, to the millisecond."""
    return datetime.strptime(f"{instant[:14]}+0000", "%Y%m%d%H%M%S%z").timestamp()
