"""The batches of a streaming query of Spark, each taken to a commit that says which it was."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.enrich.any_source import records_of
from streamjoin.enrich.assembly import check_references, payload_format, prepare, resolve_schema
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.pipeline import process_batch
from streamjoin.enrich.rewrite import rewrite
from streamjoin.enrich.start import commit_start, resume
from streamjoin.errors import ConfigError, SourceError
from streamjoin.history.entry import Entry
from streamjoin.metrics.outputs import metric_outputs
from streamjoin.shards.arrivals import Arrivals
from streamjoin.shards.position import QUERIES, Position, ShardRange
from streamjoin.spark.frames import persisted
from streamjoin.spark.session import apply_sql_settings
from streamjoin.streaming.attempts import with_attempts
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.report import said
from streamjoin.streaming.signals import StopRequest

log = logging.getLogger(__name__)

# Spark sets it for the thread that runs a query: the same after a restart from one checkpoint.
_QUERY_ID: Final = "sql.streaming.queryId"
# How long a batch waits for another query, or for a redrive, that writes the table; on S3 the lease of a dead one is
# over by then.
_WAIT_SECONDS: Final = 60.0


class QueryBatches:
    """Takes each batch of a streaming query to one commit of the table, as `process_batch`.

    The table's position is the number of the newest batch of each query. So it stands in the commit of the rows, and
    rewrites, redrives and set positions carry it on.

    Delivery: exactly once, if the source gives a repeated batch the same records, as Spark's do. A batch that the table
    has already is passed over: Spark repeats the last one after a crash between our commit and its checkpoint.

    The locks of the table and of the dead letters are held for each batch, and let go after it. Of two queries that
    write one table each waits for the other's batch; a job that reads a stream itself is refused.

    Args:
        config: A checked configuration; of `source`, `limits` and `trigger` nothing is used.
        query_id: Names the query. Default: as Spark does, by its checkpoint; outside of a query by the job's name.
        on_step: Called with the name of each step of a batch that has been done.

    Raises:
        ConfigError: The table has the position of a stream, or as a start of the job.
        StreamJoinError: A reference table is missing or denied, or a table can't be read.
    """

    def __init__(
        self,
        config: EnrichConfig,
        query_id: str | None = None,
        *,
        on_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        if query_id is not None and not query_id.strip():
            raise ConfigError(["query_id: found an empty text; leave it out, or give the query a name"], config.name)
        schema = resolve_schema(config)
        job, self._spark = prepare(config, schema, check_references(config))
        self._job = job.with_locks("streaming query", wait_seconds=_WAIT_SECONDS)
        self._is_split = payload_format(config.payload).splitter(schema) is None
        self._query_id, self._on_step = query_id, on_step
        ends = ExitStack()
        self._tell = ends.enter_context(metric_outputs(config))
        # What is done beside the commits ends with this, or with the process.
        self._written: list[EnrichJob] = []
        weakref.finalize(self, _end, self._written, ends)
        # The newest commit that this process knows of; None: the table must be opened first.
        self._known: str | None = None
        # Two queries may have this one function.
        self._turn = threading.Lock()
        self._check(self._job.positions.newest())

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        """Take one batch to its commit, or pass it over.

        Columns in: as `records_of`.

        Raises:
            SchemaError: The frame has no payload, or a column of another type.
            StreamJoinError: The batch did not happen, or (`SinkError`) may have: its repetition finds out.
        """
        if frame.isStreaming:
            message = (
                f"job '{self._job.name}': found a streaming frame; expected one of its batches. Give the function to "
                "writeStream.foreachBatch"
            )
            raise SourceError(message)
        records = records_of(frame)
        apply_sql_settings(frame.sparkSession)
        found = frame.sparkSession.sparkContext.getLocalProperty(_QUERY_ID)
        query = self._query_id or found or self._job.name
        with self._turn:
            # A query that Spark stops is interrupted in its thread: nothing else asks to stop.
            with_attempts(
                lambda: self._attempt(records, query, int(batch_id), is_kept=frame.is_cached),
                StopRequest(),
                lambda: 0,
                lambda: self._job.meanwhile.update(("retries",)),
            )

    def _attempt(self, records: DataFrame, query: str, number: int, *, is_kept: bool) -> None:
        known, self._known = self._known, None
        with self._job.holding():
            job, position = self._opened(known)
            place = position.shards.get(query)
            done = place.sequence_number if place else None
            if done is not None and number <= int(done):
                self._pass_over(query, number, int(done))
            else:
                with persisted(records, needed=not is_kept):
                    batch = self._batch(records, query, number, position, done)
                    if known is None:
                        # Another process, or an attempt before this one, may have died with it.
                        job.unread_letters.delete_of(records, batch.batch_id)
                    report = process_batch(job, batch, on_step=self._on_step)
                said(report, log, self._tell)
                rewrite(job, self._spark, on_step=self._on_step)
            newest = job.positions.newest()
            self._known = newest.instant if newest else None

    def _opened(self, known: str | None) -> tuple[EnrichJob, Position]:
        """Return the job, ready to write, and the table's position; opened again if another process has committed."""
        newest = self._job.positions.newest()
        self._check(newest)
        if known is not None and newest is not None and newest.instant == known:
            return self._job, newest.position
        # What the writer knows of the table is no longer true.
        job = self._job = replace(self._job)
        self._written[:] = [job]
        job.open()
        newest = job.positions.newest()
        if newest is None:
            position = Position(QUERIES, {})
            commit_start(job, position, self._spark)
            return job, position
        resume(job, newest, self._spark)
        return job, newest.position

    def _batch(self, records: DataFrame, query: str, number: int, position: Position, done: str | None) -> Batch:
        """Read the records, and return them with what they come to."""
        started = time.monotonic()
        arrived = F.unix_millis("approximate_arrival_timestamp")
        row = records.agg(
            F.count(F.lit(1)),
            F.coalesce(F.sum(F.length("data")), F.lit(0)),
            F.min(arrived),
            F.percentile_approx(arrived, [0.01, 0.5]),
            F.max(arrived),
        ).head()
        assert row is not None  # noqa: S101  (an aggregate without groups has one row)
        count, size, oldest, shares, newest = row
        read = ShardRange(
            shard_id=query,
            first=str(number),
            last=str(number),
            records=int(count),
            bytes=int(size),
            drained=False,
            millis_behind_latest=None,
            read_at_ms=int(time.time() * 1000),
            after=done,
            last_arrived_ms=newest,
        )
        return Batch(
            # No other commit's name begins so.
            f"query/{query}/{number}",
            records,
            position.advance([read]),
            (read,),
            fetch_seconds=time.monotonic() - started,
            is_split=self._is_split,
            arrivals=None if oldest is None else Arrivals(oldest, *shares),
        )

    def _pass_over(self, query: str, number: int, done: int) -> None:
        job = self._job.name
        if number == done:
            log.info("job=%s query=%s batch=%d is in the table already: passed over", job, query, number)
            return
        log.warning(
            "job=%s query=%s batch=%d is passed over: the table has batches up to %d. Was the checkpoint set back, or "
            "made again, so that its batches have other records now? Then give foreach_batch another query_id",
            *(job, query, number, done),
        )

    def _check(self, newest: Entry | None) -> None:
        if newest is None or newest.position.stream == QUERIES:
            return
        problem = (
            f"sink.hudi.base_path: found {self._job.table.base_path}, whose position is of stream "
            f"'{newest.position.stream}', which a job reads itself (streamjoin run); a table has either such a job or "
            "streaming queries: give foreach_batch another base path"
        )
        raise ConfigError([problem], self._job.name)


def _end(jobs: Iterable[EnrichJob], ends: ExitStack) -> None:
    with ends:
        for job in jobs:
            job.finish()
