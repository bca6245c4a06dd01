"""Entries of a table brought up to date beside the commits, which neither wait for the catalog nor fail by it."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

from streamjoin.aws.backoff import back_off_seconds
from streamjoin.aws.storage import is_s3
from streamjoin.catalog.sync import TableSync
from streamjoin.config.catalog_stages import CatalogTable
from streamjoin.errors import StreamJoinError
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import Timeline

log = logging.getLogger(__name__)

SAID: Final = "catalog"
"""Under this key a commit, or a journal's entry, says that the catalog fails: how often in a row, and why; JSON."""

FINISH_SECONDS: Final = 20.0
"""How long the end of a run waits for the catalog: less than a job that ends is given before it is killed."""

# Of all tables of a process: Glue counts the calls of an account.
_AT_ONCE: Final = threading.BoundedSemaphore(4)
# So many failures in a row are tried again with the next commit, further ones later and later.
_TRIED_AT_ONCE: Final = 3
_LONGEST_WAIT_SECONDS: Final = 60.0


class CatalogSync:
    """Brings the entries of one table up to date after its commits, in a thread that ends when nothing is left to do.

    What fails is tried again with the next commits, and at the end of the run; what is missing then, by the next start.

    Args:
        table: What keeps the entries; None: the table is in no catalog, and nothing is done.
        job: The job's name.
        clock: Seconds that only grow.

    Attributes:
        failures: How often it has failed in a row; 0: the catalog is as it should be.
        last_error: Why it failed last; empty once it succeeds.
    """

    def __init__(self, table: TableSync | None, *, job: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._table, self._job, self._clock = table, job, clock
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_due = self._ends = False
        self._timeline: Timeline | None = None
        self._try_again_at = 0.0
        self.failures, self.last_error, self._untold = 0, "", 0

    @classmethod
    def of(cls, table: HudiTable, *, job: str) -> Self:
        """Return what enters a table in its catalog, if it is to be in one."""
        if table.glue is None or not is_s3(table.base_path):
            return cls(None, job=job)
        entered = CatalogTable(table.base_path, table.database or "default", table.table_name, table.glue)
        return cls(TableSync(entered), job=job)

    def committed(self, timeline: Timeline | None = None) -> None:
        """Take note of a commit; returns at once.

        Args:
            timeline: The table's, as of the commit. Default: it is listed.
        """
        self._begin(timeline, ends=False)

    def said(self) -> dict[str, str]:
        """Return what the next commit is to say of the catalog; nothing while all is well."""
        if not self.failures:
            return {}
        found = {"table": self._name, "failures": self.failures, "error": self.last_error}
        return {SAID: json.dumps(found, sort_keys=True)}

    def take_failures(self) -> int:
        """Return how often it has failed since this was asked."""
        with self._guard:
            taken, self._untold = self._untold, 0
        return taken

    def finish(self, seconds: float = FINISH_SECONDS) -> None:
        """Let the entries be brought up to date a last time, and wait for that, but not longer than told."""
        finish([self], seconds)

    def _begin(self, timeline: Timeline | None = None, *, ends: bool) -> None:
        """Start a thread, unless one is there that will look again."""
        if self._table is None:
            return
        with self._guard:
            self._is_due, self._ends, self._timeline = True, ends, timeline
            is_running = self._thread is not None and self._thread.is_alive()
            if not is_running and (ends or self._clock() >= self._try_again_at):
                self._thread = threading.Thread(target=self._run, args=(self._table,), name="catalog", daemon=True)
                self._thread.start()

    def _wait(self, seconds: float) -> None:
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, seconds))
        if thread is not None and thread.is_alive():
            log.warning(
                "job=%s catalog: '%s' is not up to date after %.0f s; the next start makes up for it",
                *(self._job, self._name, seconds),
            )

    @property
    def _name(self) -> str:
        return str(self._table.table) if self._table else ""

    def _run(self, table: TableSync) -> None:
        while True:
            with self._guard:
                if not self._is_due:
                    self._thread = None
                    return
                self._is_due, ends, timeline = False, self._ends, self._timeline
            with _AT_ONCE:
                self._try(table, timeline, ends=ends)

    def _try(self, table: TableSync, timeline: Timeline | None, *, ends: bool) -> None:
        error = "an unexpected error ended it"
        try:
            for change in table.follow(timeline, ends=ends):
                log.info("job=%s catalog: %s", self._job, change)
            error = ""
        except StreamJoinError as failed:
            error = str(failed)
        finally:
            # Also of a defect, which Python tells of as of any in a thread.
            self._judge(error)

    def _judge(self, error: str) -> None:
        if not error:
            if self.failures:
                log.info("job=%s catalog: '%s' is up to date again", self._job, self._name)
            self.failures, self.last_error, self._try_again_at = 0, "", 0.0
            return
        self.last_error = error
        self.failures += 1
        with self._guard:
            self._untold += 1
        wait = back_off_seconds(self.failures - _TRIED_AT_ONCE, 1.0, _LONGEST_WAIT_SECONDS)
        self._try_again_at = self._clock() + (wait if self.failures >= _TRIED_AT_ONCE else 0.0)
        log.warning(
            "job=%s catalog_failures=%d %s The commits stand; it is tried again with the next ones.",
            *(self._job, self.failures, error),
        )


def finish(syncs: Iterable[CatalogSync], seconds: float = FINISH_SECONDS) -> None:
    """Let the entries of several tables be brought up to date a last time, and wait for all of them together."""
    all_of = list(syncs)
    for each in all_of:
        each._begin(ends=True)  # noqa: SLF001
    deadline = time.monotonic() + seconds
    for each in all_of:
        each._wait(deadline - time.monotonic())  # noqa: SLF001
