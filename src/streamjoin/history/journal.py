"""The journal of a job that writes many tables: its position, and what each batch was, in objects as the ledger's.

No table's commit can hold the position of such a job, since a batch is several commits. So it is written here, when
all of them have been made; until then they are made again.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from streamjoin.aws.storage import open_path
from streamjoin.history.appending import Appender
from streamjoin.history.entry import Entry
from streamjoin.history.folder import Folder, Statement

PLACE: Final = "entries"
"""The folder of its objects, below the base path."""


class Journal:
    """All entries of one job, in the order in which they were made.

    Only the holder of the lock of `base_path` appends.

    Args:
        base_path: Where it lies.
        clock: Seconds since 1970.

    Raises:
        SinkError: The path is neither local nor on S3.
    """

    def __init__(self, base_path: str, *, clock: Callable[[], float] = time.time) -> None:
        self.base_path = base_path
        self._folder = Folder(*open_path(base_path), place=PLACE)
        self._appender = Appender(self._folder, clock)

    def append(self, metadata: Mapping[str, str], observed: Mapping[str, Any] | None = None) -> Entry:
        """Add an entry: what `checkpoint.to_metadata` gives, with `batch_id`, and what was observed; return it.

        Delivery: the whole entry, or none. A second one of the same batch is a second entry.

        Raises:
            SinkError: It can't be written; retryable, since the batch can be repeated.
        """
        statement = Statement(self._appender.next_instant(), dict(metadata), dict(observed) if observed else None)
        entry = statement.entry
        self._appender.append(statement)
        return entry

    def newest(self) -> Entry | None:
        """Return the newest entry; None if there is none.

        Raises:
            SinkError: The journal can't be read.
        """
        return self._folder.patiently(self._newest)

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, the oldest first.

        Raises:
            SinkError: The journal can't be read.
        """
        return (each.entry for each in self._folder.behind("", self._folder.read_all))

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """Nothing takes an entry back."""
        return ()

    def contradiction(self, entry: Entry) -> str | None:
        """Return None: there is no timeline beside a journal, which could contradict an entry."""
        del entry
        return None

    def _newest(self) -> Entry | None:
        objects = self._folder.list().objects
        statements = list(self._folder.read(objects[-1])) if objects else []
        return statements[-1].entry if statements else None
