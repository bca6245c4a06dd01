"""What jobs have in common that read a stream, keep dead letters and hold locks."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from pyspark.sql import SparkSession

from streamjoin.aws.storage import is_s3
from streamjoin.history.entry import Positions
from streamjoin.letters.table import DeadLetters
from streamjoin.letters.unread import UnreadLetters
from streamjoin.lock import Place, TableLock
from streamjoin.spark.s3_requests import S3Requests


@dataclass(frozen=True, kw_only=True)
class PositionedJob(ABC):
    """The parts of one job; its `assembly` makes them from a configuration.

    Args:
        name: The job's name.
        dead_letters: Where rejected records go.
        lock: Who may write where the positions are; None if no other process can.
        letters_lock: Who may write the dead letters, likewise.
        meanwhile: What happened since the newest batch, by names of metrics, for the next one to tell.
        s3_requests: Counts what Spark asks S3.
        after_commit: How long the stages of the newest batch took that came after its commit, likewise.
    """

    name: str
    dead_letters: DeadLetters
    lock: TableLock | None = None
    letters_lock: TableLock | None = None
    meanwhile: Counter[str] = field(default_factory=Counter, compare=False)
    s3_requests: S3Requests = field(default_factory=S3Requests, compare=False)
    after_commit: dict[str, float] = field(default_factory=dict, compare=False)

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
        job = self.with_locks(purpose)
        with job.holding():
            yield job

    def with_locks(self, purpose: str = "", *, wait_seconds: float = 0.0) -> Self:
        """Return the job with both locks, which `holding` takes.

        Args:
            purpose: As in `locked`.
            wait_seconds: How long to wait for another process that has one.
        """
        letters = self.dead_letters.base_path
        holder = f"{self.name} ({purpose})" if purpose else self.name
        return replace(
            self,
            lock=TableLock(self.positions.base_path, job=holder, place=self.place, wait_seconds=wait_seconds),
            letters_lock=TableLock(letters, job=holder, place=Place.of_letters(letters), wait_seconds=wait_seconds),
        )

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the locks of `with_locks` until the block ends.

        Raises:
            SinkError: Another process holds one of them.
        """
        assert self.lock is not None  # noqa: S101  (made by `with_locks`)
        assert self.letters_lock is not None  # noqa: S101
        with self.lock, self.letters_lock:
            yield

    def told(self, told: Counter[str], spark: SparkSession, after_commit: Mapping[str, float]) -> int | None:
        """Note that a batch has told of the time before it; return how many requests to S3 are counted since then.

        Args:
            told: What of `meanwhile` it has told.
            spark: The session.
            after_commit: How long the stages took that came after its commit.
        """
        self.meanwhile.subtract(told)
        self.after_commit.update(after_commit)
        requests = self.s3_requests.take(spark) if is_s3(self.positions.base_path) else None
        self.meanwhile["s3_requests"] += requests or 0
        return requests

    def check(self) -> None:
        """Make sure that this process is the one that runs the job, before it writes.

        Raises:
            SinkError: A lock is lost.
        """
        for lock in (self.lock, self.letters_lock):
            if lock is not None:
                lock.check()
