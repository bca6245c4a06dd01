"""What a job that has no position was in numbers, batch by batch: objects as the ledger's, beside its table."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.history.figures import BatchFigures
from streamjoin.history.folder import Folder, LedgerObject, Statement
from streamjoin.history.instants import after, instant_of
from streamjoin.history.stored_figures import from_values, to_values


class FigureFolder:
    """The figures of one table's backfills.

    Only the holder of the job's lock appends.

    Args:
        base_path: The table's.
        place: The folder's path below it.
        clock: Seconds since 1970.
    """

    def __init__(self, base_path: str, place: str, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._folder = Folder(*open_path(base_path), place=place)
        self._objects: tuple[LedgerObject, ...] | None = None

    def append(self, figures: BatchFigures) -> None:
        """Add the figures of one batch.

        Raises:
            SinkError: They can't be written; retryable.
        """
        if self._objects is None:
            listing = self._folder.list()
            self._folder.delete(listing.left_over)
            self._objects = listing.objects
        last = self._objects[-1].last if self._objects else ""
        instant = max(instant_of(datetime.fromtimestamp(self._clock(), UTC)), after(last) if last else "")
        try:
            written = self._folder.write((instant, instant), [Statement(instant, observed=to_values(figures))])
            self._objects = self._folder.roll_up((*self._objects, written))
        except SinkError:
            self._objects = None
            raise

    def entries(self) -> Iterator[BatchFigures]:
        """Yield all, the oldest first.

        Raises:
            SinkError: They can't be read.
        """
        for each in self._folder.list().objects:
            for statement in self._folder.read(each):
                yield from_values(statement.observed or {})
