"""The journal of a job that writes many tables: its position, and what each batch was, in objects as the ledger's.

No table's commit can hold the position of such a job, since a batch is several commits. So it is written here, when
all of them have been made; until then they are made again.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.history.entry import Entry
from streamjoin.history.folder import Folder, LedgerObject, Statement
from streamjoin.history.instants import after, instant_of

PLACE: Final = "entries"
"""The folder of its objects, below the base path."""
# A reader that met a roll-up begins again.
_READ_ATTEMPTS: Final = 5


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
        self._clock = clock
        self._folder = Folder(*open_path(base_path), place=PLACE)
        self._objects: tuple[LedgerObject, ...] | None = None

    def append(self, metadata: Mapping[str, str], observed: Mapping[str, Any] | None = None) -> Entry:
        """Add an entry: what `checkpoint.to_metadata` gives, with `batch_id`, and what was observed; return it.

        Delivery: the whole entry, or none. A second one of the same batch is a second entry.

        Raises:
            SinkError: It can't be written; retryable, since the batch can be repeated.
        """
        if self._objects is None:
            listing = self._folder.list()
            self._folder.delete(listing.left_over)
            self._objects = listing.objects
        last = self._objects[-1].last if self._objects else ""
        # Later than the last one also if the machine's time was set back.
        instant = max(instant_of(datetime.fromtimestamp(self._clock(), UTC)), after(last) if last else "")
        entry = Entry.of(instant, metadata, observed)
        statement = Statement(instant, dict(metadata), dict(observed) if observed else None)
        try:
            written = self._folder.write((instant, instant), [statement])
            self._objects = self._folder.roll_up((*self._objects, written))
        except SinkError:
            # What was written isn't known: read it again.
            self._objects = None
            raise
        return entry

    def newest(self) -> Entry | None:
        """Return the newest entry; None if there is none.

        Raises:
            SinkError: The journal can't be read.
        """
        for _ in range(_READ_ATTEMPTS):
            objects = self._folder.list().objects
            try:
                statements = list(self._folder.read(objects[-1])) if objects else []
            except FileNotFoundError:
                continue
            return _entry(statements[-1]) if statements else None
        raise self._never_still()

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, the oldest first.

        Raises:
            SinkError: The journal can't be read.
        """
        newest = ""
        for _ in range(_READ_ATTEMPTS):
            try:
                for each in self._folder.list().objects:
                    if each.last <= newest:
                        continue
                    for statement in self._folder.read(each):
                        if statement.instant > newest:
                            newest = statement.instant
                            yield _entry(statement)
            except FileNotFoundError:
                continue
            return
        raise self._never_still()

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """Nothing takes an entry back."""
        return ()

    def contradiction(self, entry: Entry) -> str | None:
        """Return None: there is no timeline beside a journal, which could contradict an entry."""
        del entry
        return None

    def _never_still(self) -> SinkError:
        message = f"journal at {self.base_path}: it was rolled up again and again while it was read; try again"
        return SinkError(message, retryable=True)


def _entry(statement: Statement) -> Entry:
    return Entry.of(statement.instant, statement.metadata or {}, statement.observed)
