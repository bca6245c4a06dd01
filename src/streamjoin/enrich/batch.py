"""A batch of an enrichment: computed, counted and committed, or the records told that it can't be."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeAlias

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from streamjoin.enrich.derive import with_errors
from streamjoin.enrich.in_driver import InDriver, join_in_driver
from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.rows import Version, join_events, order, table_rows, version_literals
from streamjoin.errors import RejectReason, SinkError
from streamjoin.history.counts import BatchCounts
from streamjoin.letters.table import letter_id
from streamjoin.records.decode import decode
from streamjoin.records.events import (
    REASON_COLUMN,
    RECORD_COLUMN,
    SUPERSEDED_COLUMN,
    UNMATCHED_COLUMN,
    Events,
    is_deletion,
)
from streamjoin.spark.failures import error_name
from streamjoin.spark.frames import persisted
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.isolation import FailedRecords, SetAside, Undecoded, compute_all, not_computed
from streamjoin.streaming.unwritable import Written, find_unwritable

log = logging.getLogger(__name__)

Ordered: TypeAlias = tuple[Events, BatchCounts]
"""The events of a batch as they are to be written, and their counts."""


def order_batch(
    job: EnrichJob,
    batch: Batch,
    snapshots: Mapping[str, Version],
    aside: SetAside,
    kept: ExitStack,
    joined: InDriver | None = None,
) -> Ordered:
    """Return the events of a batch, joined, derived and ordered, and their counts.

    What the driver can decode and join itself is one pass of Spark over one partition, without Python workers, shuffle
    and broadcast. Whatever fails there is done again by executors, which tell by which records.

    Args:
        job: The job's parts.
        batch: The records.
        snapshots: A version of each reference, by name.
        aside: What is rejected whatever it is.
        kept: Ends the caches.
        joined: The batch, if the driver has joined it already.

    Raises:
        FailedRecords: Records by which it fails.
        SourceError: It can't be computed, and it is not single records.
    """
    # Those that were set aside are found where they failed.
    joined = None if aside else joined or join_in_driver(job, batch, snapshots)
    if joined is not None:
        try:
            return order_in_driver(batch, joined, snapshots, kept)
        except (PySparkException, Py4JError) as error:
            log.info("batch=%s is computed again, by executors: %s", batch.batch_id, error_name(error))

    def decoded(records: DataFrame) -> Events:
        # What read a stream has taken its records apart; a frame from elsewhere has them whole.
        is_split = batch.position is not None and batch.is_split
        return decode(records, job.schema, job.payload, is_split=is_split, watch=job.case_watch)

    events = aside.decoded(batch.records, decoded, letter_id)
    kept.enter_context(persisted(events.frame, needed=any(r.looks_up for r in job.references)))
    try:
        return _order(job, batch, join_events(job, events, snapshots), snapshots, kept)
    except (PySparkException, Py4JError) as error:
        raise not_computed(
            error,
            batch.batch_id,
            events,
            letter_id(RECORD_COLUMN),
            lambda part: compute_all(order(job, join_events(job, part, snapshots)).frame),
            Undecoded(aside.left_of(batch.records, letter_id()), decoded, letter_id()),
        ) from error


def order_in_driver(batch: Batch, joined: InDriver, snapshots: Mapping[str, Version], kept: ExitStack) -> Ordered:
    """Return events that the driver has joined, derived and ordered, and their counts, as `order_batch`.

    Raises:
        PySparkException, Py4JError: They can't be.
    """
    job = joined.job
    if job.deletion is not None:
        # Which of them come too late is told by tombstones, a table.
        return _order(job, batch, joined.events(), snapshots, kept)
    return _told(job, batch, *joined.ordered(), joined.events)


def _order(job: EnrichJob, batch: Batch, joined: Events, snapshots: Mapping[str, Version], kept: ExitStack) -> Ordered:
    ordered = order(job, joined)
    kept.enter_context(persisted(ordered.frame))
    return _told(job, batch, ordered, _count(ordered, list(snapshots)), lambda: joined)


def _told(job: EnrichJob, batch: Batch, ordered: Events, counts: BatchCounts, joined: Callable[[], Events]) -> Ordered:
    """Return events and counts, with what is known of the whole batch, and of expressions that failed."""
    if RejectReason.EXPRESSION_FAILED in counts.rejected_by_reason:
        ordered = with_errors(ordered, joined(), job.output.derive)
    return ordered, replace(counts, empty=batch.empty)


def commit_rows(
    job: EnrichJob,
    batch_id: str,
    ordered: Events,
    snapshots: Mapping[str, Version],
    metadata: Mapping[str, str],
    parallelism: int,
    choose: Callable[[DataFrame], DataFrame] = lambda rows: rows,
) -> None:
    """Commit the rows of ordered events.

    Args:
        job: The job's parts.
        batch_id: Names the batch.
        ordered: As `order_batch` gives them.
        snapshots: As given to it.
        metadata: Texts that are stored in the commit.
        parallelism: Tasks of a shuffle.
        choose: Leaves rows out.

    Raises:
        FailedRecords: Records whose rows can't be written; nothing was committed.
        SinkError: As `TableWriter.commit`.
    """
    versions: dict[str, Column] = version_literals(job, snapshots)

    def rows(frame: DataFrame) -> DataFrame:
        return choose(table_rows(job, Events(frame)).withColumns(versions))

    try:
        job.writer.commit(rows(ordered.frame), metadata, parallelism=parallelism)
    except SinkError as error:
        written = Written(batch_id, job.table, ordered.newest, letter_id(RECORD_COLUMN), rows)
        raise FailedRecords(find_unwritable(error, written)) from error


def _count(events: Events, references: Sequence[str]) -> BatchCounts:
    """Count the batch in one pass, which also fills the cache that every later step reads."""
    reasons = events.frame.groupBy(REASON_COLUMN).agg(
        F.count(F.lit(1)).alias("records"),
        F.count_if(F.col(SUPERSEDED_COLUMN)).alias("superseded"),
        F.count_if(is_deletion(events.frame) & ~F.col(SUPERSEDED_COLUMN)).alias("removed"),
        *(
            F.count_if(F.array_contains(UNMATCHED_COLUMN, name)).alias(f"unmatched_{i}")
            for i, name in enumerate(references)
        ),
    )
    rows: list[Row] = reasons.collect()
    kept = next((row for row in rows if row[REASON_COLUMN] is None), None)
    rejected = {str(row[REASON_COLUMN]): int(row["records"]) for row in rows if row[REASON_COLUMN] is not None}
    superseded = int(kept["superseded"]) if kept else 0
    return BatchCounts(
        read=sum(int(row["records"]) for row in rows),
        kept=int(kept["records"]) - superseded if kept else 0,
        superseded=superseded,
        rejected=sum(rejected.values()),
        rejected_by_reason=rejected,
        removed=int(kept["removed"]) if kept else 0,
        unmatched={name: int(kept[f"unmatched_{i}"]) if kept else 0 for i, name in enumerate(references)},
    )
