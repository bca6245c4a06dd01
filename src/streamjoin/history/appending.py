"""Statements that a process makes itself, one after the other: those of a journal, and figures."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from streamjoin.history.folder import Folder, LedgerObject, Statement
from streamjoin.history.instants import after, instant_of


class Appender:
    """Adds statements to a folder, each in an object of its own.

    Only one process at a time may: the holder of a lock.

    Args:
        folder: Where they go.
        clock: Seconds since 1970.
    """

    def __init__(self, folder: Folder, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._objects: tuple[LedgerObject, ...] | None = None

    def next_instant(self) -> str:
        """Return the instant of the next statement: now, and later than the last one also if the clock was set back.

        Raises:
            SinkError: The folder can't be listed; retryable.
        """
        if self._objects is None:
            listing = self._folder.list()
            self._folder.delete(listing.left_over)
            self._objects = listing.objects
        last = self._objects[-1].last if self._objects else ""
        return max(instant_of(datetime.fromtimestamp(self._clock(), UTC)), after(last) if last else "")

    def append(self, statement: Statement) -> None:
        """Add a statement of the next instant.

        Delivery: the whole statement, or none.

        Raises:
            SinkError: It can't be written; retryable.
        """
        objects, self._objects = self._objects or (), None
        written = self._folder.write((statement.instant, statement.instant), [statement])
        # After an error it isn't known what was written: it is listed again.
        self._objects = self._folder.roll_up((*objects, written))
