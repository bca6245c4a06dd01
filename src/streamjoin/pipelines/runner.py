"""The loop of a streaming job: plan, read, process, again. It knows nothing of what a batch does."""

import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from streamjoin.frames import frame_of
from streamjoin.metrics import BatchReport
from streamjoin.pipelines.attempts import with_attempts
from streamjoin.pipelines.batch import Batch
from streamjoin.pipelines.pace import Pace
from streamjoin.pipelines.signals import StopRequest
from streamjoin.schema import RECORD_SCHEMA
from streamjoin.sources import kinesis
from streamjoin.sources.kinesis import BatchLimits, Fetched, Plan, Stream
from streamjoin.sources.position import Position, ShardRange

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


@dataclass(frozen=True)
class ReadAhead:
    """A plan whose records are being fetched by driver threads, perhaps while another batch is written."""

    plan: Plan
    fetched: "Future[tuple[Fetched, float]]"


class StreamReader:
    """Gives the batches of a stream, one after the other; fetches the next while this one is processed.

    Invariant: `position` is where the next plan starts. It moves when a batch has been read, not when it is committed:
    after a failed batch the reader is thrown away, and a new one starts from the position in the table.

    Args:
        spark: The session.
        stream: The stream.
        position: Where to start.
    """

    def __init__(self, spark: SparkSession, stream: Stream, position: Position) -> None:
        self._spark, self._stream = spark, stream
        self._position = position
        self._ahead: ReadAhead | None = None
        self._marked: DataFrame | None = None
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")
        self.caught_up = False

    def next(self, limits: BatchLimits) -> Batch:
        """Return the next batch; one without records when there are none."""
        self._forget_records()
        ahead, self._ahead = self._ahead, None
        plan = ahead.plan if ahead else kinesis.plan(self._stream, self._position, limits)
        started = time.monotonic()
        if plan.through_executors:
            self._marked = kinesis.read(self._spark, plan).persist()
            ranges = kinesis.ranges(self._marked)
            records, seconds = kinesis.bounded(self._marked, ranges), time.monotonic() - started
        else:
            fetched, seconds = ahead.fetched.result() if ahead else _fetch(plan)
            ranges = fetched.ranges
            records = frame_of(self._spark, fetched.table, RECORD_SCHEMA)
        self._position = plan.position.advance(ranges)
        self.caught_up = kinesis.is_caught_up(plan, ranges)
        return Batch(
            batch_id=_batch_id(ranges),
            records=records,
            position=self._position,
            ranges=ranges,
            fetch_seconds=seconds,
        )

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch in the background, where driver threads are to fetch it."""
        plan = kinesis.plan(self._stream, self._position, limits)
        if not plan.through_executors:
            self._ahead = ReadAhead(plan, self._background.submit(_fetch, plan))

    def close(self) -> None:
        """Let go of the last batch and of the background thread; what it still fetches is not used."""
        self._forget_records()
        self._background.shutdown(wait=False, cancel_futures=True)

    def _forget_records(self) -> None:
        if self._marked is not None:
            self._marked.unpersist()
            self._marked = None


def _fetch(plan: Plan) -> tuple[Fetched, float]:
    started = time.monotonic()
    return kinesis.fetch(plan), time.monotonic() - started


def _batch_id(ranges: tuple[ShardRange, ...]) -> str:
    """Return a name that the same records always get, so that a batch that was repeated is seen to be one."""
    text = "|".join(f"{r.shard_id}:{r.first}:{r.last}" for r in ranges)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass
class StreamJob:
    """What the loop drives.

    Args:
        stream: What is read.
        start: Returns the position to start from: the table's newest, else that of the configuration.
        process: Takes a batch to its commit.
        interval_seconds: From the start of one batch to that of the next, once caught up.
        settle: Does a part of what is left to do between batches; returns whether all is done.
    """

    stream: Stream
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

    Delivery: as `process` has it. After an error that may pass the position is read from the table again, since the
    failed batch may have been committed.

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
        with closing(StreamReader(spark, job.stream, job.start())) as reader:
            _process_batches(job, reader, pace, stop, until, summary)

    with_attempts(attempt, stop, lambda: summary.batches)
    return summary


def _process_batches(
    job: StreamJob,
    reader: StreamReader,
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
        if records or any(r.lost for r in batch.ranges) or started - committed > _IDLE_COMMIT_SECONDS:
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
