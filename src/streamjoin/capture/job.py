"""The parts of a capture job, as plain values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from streamjoin.capture.tables import CapturedTables
from streamjoin.history.journal import Journal
from streamjoin.hudi.repair import repair
from streamjoin.letters.table import DeadLetters
from streamjoin.letters.unread import UnreadLetters
from streamjoin.lock import TableLock


@dataclass(frozen=True)
class CaptureJob:
    """The parts of one job; `capture/assembly.py` makes them from its configuration.

    Args:
        name: The job's name.
        tables: Where changes go.
        unlisted_tables: What becomes of changes of other tables.
        dead_letters: Where rejected records go.
        journal: Where the position is, and what each batch was: one job writes many tables, so that none of their
            commits can hold it.
        lock: Who may write the journal; None where nobody else can.
    """

    name: str
    tables: CapturedTables
    unlisted_tables: Literal["dead_letter", "ignore"]
    dead_letters: DeadLetters
    journal: Journal
    lock: TableLock | None = None

    @cached_property
    def unread_letters(self) -> UnreadLetters:
        """Dead letters of records that are read again."""
        return UnreadLetters(self.dead_letters, lambda: self.journal.history().entries())

    def open(self) -> None:
        """Make the job ready to start, or to start again: tables are opened when they are met.

        Raises:
            SinkError: Another capture job owns a table, the dead letters can't be mended, or the lock is lost.
        """
        self.check()
        repair(self.dead_letters.base_path)
        self.tables.forget()
        self.tables.check_owner()

    def check(self) -> None:
        """Make sure that this process is the one that runs the job.

        Raises:
            SinkError: The lock is lost.
        """
        if self.lock is not None:
            self.lock.check()
