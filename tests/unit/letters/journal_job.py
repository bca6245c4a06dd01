"""A job that has nothing but a journal."""

from dataclasses import dataclass

from streamjoin.history.journal import Journal
from streamjoin.letters.job import PositionedJob
from streamjoin.lock import Place


@dataclass(frozen=True, kw_only=True)
class Job(PositionedJob):
    journal: Journal

    @property
    def positions(self) -> Journal:
        return self.journal

    @property
    def place(self) -> Place:
        return Place.of_journal(self.journal.base_path)
