"""The loop of every job that follows a source: read, process, settle, again. It knows neither source nor target."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from streamjoin.errors import ConfigError, SourceError, StreamJoinError
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.metrics.metric import Measure
from streamjoin.progress import progress
from streamjoin.streaming.attempts import with_attempts
from streamjoin.streaming.backlog import Backlog
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.report import AnyReport, said
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

# Behind, but nothing came: a throttled shard, or one that has just been drained.
_PAUSE_WITHOUT_PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class Until:
    """When a run ends without being asked.

    Args:
        caught_up: When the source has been read to its end, and nothing is left to do between batches.
        batches: After so many batches that had records; None: never.
    """

    caught_up: bool = False
    batches: int | None = None


@dataclass
class RunSummary:
    """What a run did so far.

    Args:
        batches: Batches processed that had records.
        records: Records of them.
        caught_up: Whether the source had been read to its end by the last batch, and nothing else was left.
        commits: Batches processed, also those that only say that there was nothing.
    """

    batches: int = 0
    records: int = 0
    caught_up: bool = False
    commits: int = 0


class AnyBatch(Protocol):
    """What the loop has to know of a batch."""

    @property
    def count(self) -> int:
        """How many records it has."""

    def is_due(self, idle_seconds: float) -> bool:
        """Tell whether it is to be processed.

        Args:
            idle_seconds: For how long no batch was.
        """


BatchT = TypeVar("BatchT", bound=AnyBatch)
ReadT_co = TypeVar("ReadT_co", bound=AnyBatch, covariant=True)


class BatchReader(Protocol[ReadT_co]):
    """Gives the batches of one source, one after the other, from the place where it was opened.

    Invariant: each batch begins where the one before it ended. The place moves when a batch has been read, not when it
    is committed: after a failed batch the reader is thrown away, and a new one is opened where the job's newest commit
    says.

    Attributes:
        caught_up: Whether the last batch reached the present everywhere.
    """

    caught_up: bool

    def next(self, limits: BatchLimits) -> ReadT_co:
        """Return the next batch; one without records when there are none."""

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch while this one is processed, if that is worth it."""

    def close(self) -> None:
        """Let go of the last batch, and of whatever is being fetched."""


@dataclass
class StreamJob(Generic[BatchT]):
    """What the loop drives.

    Args:
        open_reader: Opens the source at the newest place that was committed, else at that of the configuration.
        process: Takes a batch to its commit.
        interval_seconds: From the start of one batch to that of the next, once caught up.
        settle: Does a part of what is left to do between batches; returns whether all is done.
        tell: Takes the numbers of each batch.
        on_retry: Called when a batch that failed is tried again.
    """

    open_reader: Callable[[], BatchReader[BatchT]]
    process: Callable[[BatchT], AnyReport]
    interval_seconds: float
    settle: Callable[[], bool] = lambda: True
    tell: Callable[[Sequence[Measure]], None] = lambda measures: None
    on_retry: Callable[[], None] = lambda: None


def run_stream(job: StreamJob[BatchT], pace: Pace, stop: StopRequest, until: Until) -> RunSummary:
    """Process batches until asked to stop.

    Delivery: as `process` has it. After an error that may pass the source is opened again, since the failed batch may
    have been committed.

    Args:
        job: What to drive.
        pace: The size of batches.
        stop: Asks to stop after the batch in hand.
        until: When to end without being asked.

    Raises:
        ConfigError: The start found the configuration wrong.
        StreamJoinError: An error that doesn't pass, or one that did not pass in time. Every commit made so far stands.
    """
    summary = RunSummary()
    has_started, cut_off = False, 0

    def attempt() -> None:
        nonlocal has_started, cut_off
        summary.caught_up = False
        try:
            with closing(job.open_reader()) as reader:
                has_started = True
                _process_batches(job, reader, pace, stop, until, summary, backlog)
        except ConfigError as error:
            if not has_started:
                raise
            # The file was right when the job started: what came since doesn't go with it.
            raise SourceError(str(error)) from error
        except StreamJoinError:
            # All had been read: a source that is lost now is another failure than the one before.
            cut_off += summary.caught_up
            raise

    with ExitStack() as shown:
        backlog = Backlog(shown.enter_context(progress("Catching up"))) if until.caught_up else None
        with_attempts(attempt, stop, lambda: summary.commits + cut_off, job.on_retry)
    return summary


def _process_batches(
    job: StreamJob[BatchT],
    reader: BatchReader[BatchT],
    pace: Pace,
    stop: StopRequest,
    until: Until,
    summary: RunSummary,
    backlog: Backlog | None,
) -> None:
    processed = time.monotonic()
    while not stop.made and (until.batches is None or summary.batches < until.batches):
        started = time.monotonic()
        batch = reader.next(pace.limits)
        summary.caught_up = False
        is_due = batch.is_due(started - processed)
        if is_due:
            if not reader.caught_up:
                # What is wrong with the next batch is said by `next`, once this one is committed.
                with suppress(StreamJoinError):
                    reader.fetch_ahead(pace.limits)
            report = job.process(batch)
            measures = said(report, log, job.tell)
            processed = time.monotonic()
            summary.commits += 1
            summary.batches += batch.count > 0
            summary.records += batch.count
            if backlog is not None:
                backlog.took(measures, summary.records)
            pace.took(batch.count, report.seconds)
        is_settled = job.settle()
        summary.caught_up = reader.caught_up and is_settled
        if summary.caught_up and until.caught_up:
            return
        if summary.caught_up:
            stop.wait(job.interval_seconds - (time.monotonic() - started))
        elif not is_due and is_settled:
            stop.wait(_PAUSE_WITHOUT_PROGRESS_SECONDS)
