"""What jobs have in common that read a stream, keep dead letters and hold locks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from streamjoin.history.entry import Positions
from streamjoin.letters.table import DeadLetters
from streamjoin.letters.unread import UnreadLetters
from streamjoin.lock import Place, TableLock


@dataclass(frozen=True, kw_only=True)
class PositionedJob(ABC):
    """The parts of one job; its `assembly` makes them from a configuration.

    Args:
        name: The job's name.
        dead_letters: Where rejected records go.
        lock: Who may write where the positions are; None if no other process can.
        letters_lock: Who may write the dead letters, likewise.
    """

    name: str
    dead_letters: DeadLetters
    lock: TableLock | None = None
    letters_lock: TableLock | None = None

    @property
    @abstractmethod
    def positions(self) -> Positions:
        """Where the job's positions are."""

    @property
    def place(self) -> Place:
        """What has the positions, as one is told who may not write it."""
        return Place.of_table(self.positions.base_path)

    @cached_property
    def unread_letters(self) -> UnreadLetters:
        """Dead letters of records that are read again."""
        return UnreadLetters(self.dead_letters, self.positions.entries)

    @contextmanager
    def locked(self, purpose: str = "") -> Iterator[Self]:
        """Return the job with the locks of its positions and its dead letters, until the block ends.

        Args:
            purpose: What another process is told beside the job's name.

        Raises:
            SinkError: Another process holds one of them.
        """
        letters = self.dead_letters.base_path
        holder = f"{self.name} ({purpose})" if purpose else self.name
        with (
            TableLock(self.positions.base_path, job=holder, place=self.place) as lock,
            TableLock(letters, job=holder, place=Place.of_letters(letters)) as letters_lock,
        ):
            yield replace(self, lock=lock, letters_lock=letters_lock)

    def check(self) -> None:
        """Make sure that this process is the one that runs the job, before it writes.

        Raises:
            SinkError: A lock is lost.
        """
        for lock in (self.lock, self.letters_lock):
            if lock is not None:
                lock.check()
