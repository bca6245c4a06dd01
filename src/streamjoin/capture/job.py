"""The parts of a capture job, as plain values."""

from dataclasses import dataclass
from typing import Literal

from streamjoin.capture.tables import CapturedTables
from streamjoin.history.journal import Journal
from streamjoin.hudi.repair import repair
from streamjoin.letters.job import PositionedJob


@dataclass(frozen=True, kw_only=True)
class CaptureJob(PositionedJob):
    """The parts of one job beside those of any; `capture/assembly.py` makes them from its configuration.

    Args:
        tables: Where changes go.
        unlisted_tables: What becomes of changes of other tables.
        journal: Where the position is, and what each batch was: one job writes many tables, so that none of their
            commits can hold it.
    """

    tables: CapturedTables
    unlisted_tables: Literal["dead_letter", "ignore"]
    journal: Journal

    @property
    def positions(self) -> Journal:
        """Those of the journal."""
        return self.journal

    def open(self) -> None:
        """Make the job ready to start, or to start again: tables are opened when they are met.

        Raises:
            SinkError: Another capture job owns a table, the dead letters can't be mended, or the lock is lost.
        """
        self.check()
        repair(self.dead_letters.base_path)
        self.tables.forget()
        self.tables.check_owner()
