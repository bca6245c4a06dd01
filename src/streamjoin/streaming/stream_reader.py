"""The batches of a Kinesis stream, small ones by threads of the driver, large ones by executors."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import BatchLimits, Fetched, Plan, Stream
from streamjoin.shards.arrivals import Arrivals
from streamjoin.shards.position import Position
from streamjoin.spark.frames import batch_frame
from streamjoin.streaming.batch import Batch, batch_id_of


@dataclass(frozen=True)
class ReadAhead:
    """A plan whose records are being fetched by driver threads, perhaps while another batch is written."""

    plan: Plan
    fetched: "Future[tuple[Fetched, float]]"


class StreamReader:
    """A `BatchReader` of a Kinesis stream: fetches the next batch while this one is processed.

    Invariant: `_position` is where the next plan starts.

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
        started, table = time.monotonic(), None
        if plan.through_executors:
            self._marked = kinesis.read(self._spark, plan).persist()
            ends = kinesis.ends(self._marked)
            ranges, arrivals = ends.ranges, ends.arrivals
            records, seconds = kinesis.bounded(self._marked, ranges), time.monotonic() - started
        else:
            fetched, seconds = ahead.fetched.result() if ahead else _fetch(plan)
            ranges, table = fetched.ranges, fetched.table
            arrivals = Arrivals.of_times(table["approximate_arrival_timestamp"])
            records = batch_frame(self._spark, table)
        self._position = plan.position.advance(ranges)
        self.caught_up = kinesis.is_caught_up(plan, ranges)
        return Batch(
            batch_id=batch_id_of(ranges),
            records=records,
            position=self._position,
            ranges=ranges,
            fetch_seconds=seconds,
            table=table,
            arrivals=arrivals,
        )

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch in the background, if driver threads are to fetch it."""
        plan = kinesis.plan(self._stream, self._position, limits)
        if not plan.through_executors:
            self._ahead = ReadAhead(plan, self._background.submit(_fetch, plan))

    @property
    def is_ahead(self) -> bool:
        """Whether the next batch is being fetched."""
        return self._ahead is not None

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
