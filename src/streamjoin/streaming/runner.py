"""The loop of a streaming job: read, process, again. It knows neither the source nor what a batch does."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import SparkSession

from streamjoin.kinesis.plan import BatchLimits
from streamjoin.shards.position import Position
from streamjoin.streaming.attempts import with_attempts
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

# Behind, but nothing came: a throttled shard, or one that has just been drained.
_PAUSE_WITHOUT_PROGRESS_SECONDS = 0.2
# How far each shard had been read, and when, is committed now and then without records too: after a pause longer than
# the stream's retention it tells an idle shard from a trimmed one.
_IDLE_COMMIT_SECONDS = 3600.0


@dataclass(frozen=True)
class Until:
    """When a run ends without being asked.

    Args:
        caught_up: When every shard has been read to its tip, and nothing is left to do between batches.
        batches: After so many batches with records; None: never.
    """

    caught_up: bool = False
    batches: int | None = None


@dataclass
class RunSummary:
    """What a run did so far.

    Args:
        batches: Batches committed.
        records: Records read.
        caught_up: Whether every shard had been read to its tip when the last batch was read, and nothing else was left.
    """

    batches: int = 0
    records: int = 0
    caught_up: bool = False


class BatchReader(Protocol):
    """Gives the batches of one source, one after the other, from the position that it was opened with.

    Invariant: `Batch.position` is the one that the reader was opened with, advanced by the ranges of all batches since.
    It moves when a batch has been read, not when it is committed: after a failed batch the reader is thrown away, and a
    new one is opened where the job's newest commit says.

    Attributes:
        caught_up: Whether the last batch reached the present everywhere.
    """

    caught_up: bool

    def next(self, limits: BatchLimits) -> Batch:
        """Return the next batch; one without records when there are none."""

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch while this one is processed, where that is worth it."""

    def close(self) -> None:
        """Let go of the last batch, and of whatever is being fetched."""


@dataclass
class StreamJob:
    """What the loop drives.

    Args:
        open_reader: Opens the source at a position.
        start: Returns the position to start from: the newest that was committed, else that of the configuration.
        process: Takes a batch to its commit.
        interval_seconds: From the start of one batch to that of the next, once caught up.
        settle: Does a part of what is left to do between batches; returns whether all is done.
    """

    open_reader: Callable[[SparkSession, Position], BatchReader]
    start: Callable[[], Position]
    process: Callable[[Batch], BatchReport]
    interval_seconds: float
    settle: Callable[[], bool] = lambda: True


def run_stream(
    spark: SparkSession,
    job: StreamJob,
    pace: Pace,
    stop: StopRequest,
    until: Until,
) -> RunSummary:
    """Process batches until asked to stop.

    Delivery: as `process` has it. After an error that may pass the position is asked for again, since the failed batch
    may have been committed.

    Args:
        spark: The session.
        job: What to drive.
        pace: The size of batches.
        stop: Asks to stop after the batch in hand.
        until: When to end without being asked.

    Raises:
        StreamJoinError: An error that doesn't pass, or one that did not pass in time. Every commit made so far stands.
    """
    summary = RunSummary()

    def attempt() -> None:
        with closing(job.open_reader(spark, job.start())) as reader:
            _process_batches(job, reader, pace, stop, until, summary)

    with_attempts(attempt, stop, lambda: summary.batches)
    return summary


def _process_batches(
    job: StreamJob,
    reader: BatchReader,
    pace: Pace,
    stop: StopRequest,
    until: Until,
    summary: RunSummary,
) -> None:
    committed = time.monotonic()
    while not stop.made and (until.batches is None or summary.batches < until.batches):
        started = time.monotonic()
        batch = reader.next(pace.limits)
        records = sum(r.records for r in batch.ranges)
        # A shard's end must be in a commit too, or the next commit's position doesn't follow from its ranges.
        is_told = any(r.lost or r.drained for r in batch.ranges)
        if records or is_told or started - committed > _IDLE_COMMIT_SECONDS:
            if not reader.caught_up:
                reader.fetch_ahead(pace.limits)
            report = job.process(batch)
            log.info(report.line())
            committed = time.monotonic()
            summary.batches += 1
            summary.records += records
            pace.took(records, report.seconds)
        is_settled = job.settle()
        summary.caught_up = reader.caught_up and is_settled
        if summary.caught_up and until.caught_up:
            return
        if summary.caught_up:
            stop.wait(job.interval_seconds - (time.monotonic() - started))
        elif not records and is_settled:
            stop.wait(_PAUSE_WITHOUT_PROGRESS_SECONDS)
