"""Decoded events to the rows of a job's table: shared by batches, redrives and rewrites."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.enrich.derive import derive
from streamjoin.enrich.job import AnyReference, EnrichJob
from streamjoin.enrich.join import enrich
from streamjoin.enrich.order import (
    ORDERING_COLUMN,
    SEQUENCE_COLUMN,
    mark_superseded,
    require_key,
    with_ordering,
    with_sequence_number,
)
from streamjoin.hudi.partition import with_partitions
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.records.events import Events
from streamjoin.reference.probe import KeyedRows


class Version(Protocol):
    """One version of a reference, as a join takes it."""

    @property
    def version(self) -> int:
        """Grows with every change."""

    def side(self, events: DataFrame) -> DataFrame | KeyedRows:
        """Return what `enrich` joins `events` with."""


def join(
    events: Events,
    references: Sequence[AnyReference],
    snapshots: Mapping[str, Version],
    *,
    how: Literal["left"] | None = None,
) -> Events:
    """Join `events` with one version of each reference, in the order of the configuration.

    Args:
        events: What is joined.
        references: The references.
        snapshots: A version of each, by name.
        how: Instead of what is configured.
    """
    for reference in references:
        events = enrich(
            events,
            snapshots[reference.name].side(events.frame),
            on=reference.on,
            columns=list(reference.columns),
            how=how or reference.how,
            name=reference.name,
        )
    return events


def join_events(job: EnrichJob, events: Events, snapshots: Mapping[str, Version]) -> Events:
    """Join decoded events with all references of a job; tell before which of them delete their row."""
    marked = events if job.deletion is None else job.deletion.mark(events)
    return join(marked, job.references, snapshots)


def order(job: EnrichJob, events: Events) -> Events:
    """Derive the table's columns, judge key, ordering and partition, and mark what is superseded."""
    events = mark_superseded(judge(job, events), job.table.record_key)
    return events if job.deletion is None else job.deletion.without_late(events)


def judge(job: EnrichJob, events: Events) -> Events:
    """Derive the table's columns, and judge key, ordering and partition: what needs one event alone."""
    events = derive(events, job.output.derive)
    events = require_key(events, job.table.record_key)
    ordering = (job.ordering.column, job.ordering.format) if job.ordering else ()
    events = with_sequence_number(with_ordering(events, *ordering))
    return with_partitions(events, list(job.partition_by), is_global=job.table.moves_rows)


def table_rows(job: EnrichJob, events: Events) -> DataFrame:
    """Return the rows to upsert: the output's columns, partition columns that it lacks, ordering, place, deletion."""
    deletion = [] if job.deletion is None else [IS_DELETED]
    added = {ORDERING_COLUMN, SEQUENCE_COLUMN, *_derived_partitions(job), *deletion}
    own = [c for c in events.columns if c not in added]
    chosen = output_columns(own, drop=job.output.drop, select=job.output.select)
    partitions = [c for c in job.table.partition_by if c not in chosen]
    columns = [*chosen, *partitions, ORDERING_COLUMN, SEQUENCE_COLUMN, *deletion]
    return events.latest.select(*(f"`{column}`" for column in columns))


def remember_removed(job: EnrichJob, events: Events, batch_id: str) -> None:
    """Write tombstones of the rows that `events` delete, before the commit that deletes them; see `Deletion.remember`.

    Raises:
        SinkError: They can't be written, or the lock is lost; the rows must not be deleted.
    """
    if job.deletion is not None:
        job.check()
        job.deletion.remember(table_rows(job, events), batch_id)


def _derived_partitions(job: EnrichJob) -> set[str]:
    return {p.name for p in job.partition_by if p.source is not None and p.source != p.name}


def version_literals(job: EnrichJob, snapshots: Mapping[str, Version]) -> dict[str, Column]:
    """Return the columns of `output.reference_version`, of the references that are in `snapshots`."""
    return {
        column: F.lit(snapshots[name].version).cast("bigint")
        for name, column in job.version_columns.items()
        if name in snapshots
    }


def output_columns(found: Sequence[str], *, drop: Sequence[str] = (), select: Sequence[str] | None = None) -> list[str]:
    """Return the names of the columns that are written, in the table's order."""
    return list(select) if select is not None else [c for c in found if c not in set(drop)]
