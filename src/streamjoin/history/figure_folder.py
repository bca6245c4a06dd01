"""What a job that has no position was in numbers, batch by batch: objects as the ledger's, beside its table."""

import time
from collections.abc import Callable, Iterator

from streamjoin.aws.storage import open_path
from streamjoin.history.appending import Appender
from streamjoin.history.figures import BatchFigures
from streamjoin.history.folder import Folder, Statement
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
        self._folder = Folder(*open_path(base_path), place=place)
        self._appender = Appender(self._folder, clock)

    def append(self, figures: BatchFigures) -> None:
        """Add the figures of one batch.

        Raises:
            SinkError: They can't be written; retryable.
        """
        self._appender.append(Statement(self._appender.next_instant(), observed=to_values(figures)))

    def entries(self) -> Iterator[BatchFigures]:
        """Return all, the oldest first.

        Raises:
            SinkError: They can't be read.
        """
        return (from_values(each.observed or {}) for each in self._folder.behind("", self._folder.read_all))
