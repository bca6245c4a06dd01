"""A batch that the driver has fetched: decoded, joined and put in order there; Spark computes what is said in SQL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from streamjoin.enrich.job import EnrichJob
from streamjoin.enrich.join import check_comparable, mark_unmatched
from streamjoin.enrich.order import ORDERING_COLUMN, SEQUENCE_COLUMN, superseded
from streamjoin.enrich.rows import Version, judge
from streamjoin.history.counts import BatchCounts
from streamjoin.records.events import (
    DETAIL_COLUMN,
    REASON_COLUMN,
    RECORD_COLUMN,
    SUPERSEDED_COLUMN,
    UNMATCHED_COLUMN,
    Events,
    nothing_yet,
)
from streamjoin.records.in_driver import UNFORESEEN, decode_in_driver
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.reference.probe import attached
from streamjoin.spark.frames import batch_frame, collected, quoted
from streamjoin.spark.schema import to_spark
from streamjoin.streaming.batch import Batch

_MATCHED = "_reference_{}_matched"
# Bytes of a record, which no expression sees.
_DATA = "data"


@dataclass(frozen=True)
class InDriver:
    """Events of a batch, decoded and joined in the driver.

    Args:
        job: The job's parts.
        spark: The session.
        table: Columns: those of `Events`, but `_superseded` and `_unmatched`; for each reference whether it had a row.
    """

    job: EnrichJob
    spark: SparkSession
    table: pa.Table

    def events(self, columns: Sequence[str] | None = None) -> Events:
        """Return them as `join_events` returns decoded ones.

        Args:
            columns: Of their own those that are needed; then records are without their data. Default: all.
        """
        table = self.table if columns is None else self._narrowed(columns)
        joined = Events(batch_frame(self.spark, table).select("*", *nothing_yet()))
        if self.job.deletion is not None:
            joined = self.job.deletion.mark(joined)
        for number, reference in enumerate(self.job.references):
            joined = mark_unmatched(
                joined, reference.on, how=reference.how, name=reference.name, matched=_MATCHED.format(number)
            )
        return joined

    def _narrowed(self, columns: Sequence[str]) -> pa.Table:
        place: Any = self.table[RECORD_COLUMN].combine_chunks()
        nothing = pa.nulls(len(place), pa.binary())
        parts = [nothing if each.name == _DATA else place.field(each.name) for each in place.type]
        kept = dict.fromkeys([*columns, REASON_COLUMN, DETAIL_COLUMN, *self._matched()])
        narrow = self.table.select(list(kept))
        return narrow.append_column(RECORD_COLUMN, pa.StructArray.from_arrays(parts, fields=list(place.type)))

    def _matched(self) -> list[str]:
        return [_MATCHED.format(number) for number in range(len(self.job.references))]

    def ordered(self) -> tuple[Events, BatchCounts]:
        """Return the events, derived and ordered, and their counts: `order` and a count, for a job without deletions.

        Spark gets the columns from which something is computed, and gives back what was. Which event of a key is the
        newest is told here, so that the rest never leaves the driver before it is written.

        Raises:
            PySparkException, Py4JError: An expression fails.
        """
        job, table = self.job, self.table.drop_columns(self._matched())
        judged = judge(job, self.events(None if job.output.derive else _needed(job)))
        given = {*table.column_names} - {REASON_COLUMN, DETAIL_COLUMN, *job.output.derive}
        computed = collected(judged.frame.select(*(quoted(c) for c in judged.frame.columns if c not in given)))
        for name in computed.column_names:
            if name in table.column_names:
                table = table.set_column(table.column_names.index(name), computed.field(name), computed[name])
            else:
                table = table.append_column(computed.field(name), computed[name])

        def values(*names: str) -> Any:
            return list(zip(*(table[name].to_pylist() for name in names), strict=True))

        reasons, unmatched = zip(*values(REASON_COLUMN, UNMATCHED_COLUMN), strict=True)
        kept = [reason is None for reason in reasons]
        old = superseded(values(*job.table.record_key), kept, values(ORDERING_COLUMN, SEQUENCE_COLUMN))
        table = table.set_column(table.column_names.index(SUPERSEDED_COLUMN), SUPERSEDED_COLUMN, pa.array(old))
        rejected = Counter[str](reason for reason in reasons if reason is not None)
        missed = Counter[str](chain.from_iterable(compress(unmatched, kept)))
        counts = BatchCounts(
            read=table.num_rows,
            kept=sum(kept) - sum(old),
            superseded=sum(old),
            rejected=rejected.total(),
            rejected_by_reason=dict(rejected),
            unmatched={reference.name: missed[reference.name] for reference in job.references},
        )
        return Events(batch_frame(self.spark, table)), counts


def _needed(job: EnrichJob) -> list[str]:
    ordering = [job.ordering.column] if job.ordering else []
    return [*job.table.record_key, *ordering, *(each.source or each.name for each in job.partition_by)]


def join_in_driver(job: EnrichJob, batch: Batch, snapshots: Mapping[str, Version]) -> InDriver | None:
    """Return the events of a batch, decoded and joined; None if that is for executors to do.

    They have what the driver has not: records that it did not fetch or must not decode, items that are looked up.

    Args:
        job: The job's parts.
        batch: The records.
        snapshots: A version of each reference, by name.

    Raises:
        SchemaError: As `enrich`.
    """
    found = {name: each for name, each in snapshots.items() if isinstance(each, Snapshot)}
    # Only what read a stream has taken its records apart.
    if batch.table is None or batch.position is None or len(found) < len(job.references):
        return None
    events = decode_in_driver(batch.table, job.schema, job.payload, job.case_watch)
    if events is None:
        return None
    for number, reference in enumerate(job.references):
        layers = found[reference.name].layers
        check_comparable(to_spark(events.schema), to_spark(layers[0].table.schema), reference.on)
        try:
            events = attached(events, layers, list(reference.on), list(reference.columns), _MATCHED.format(number))
        except UNFORESEEN:
            return None
    return InDriver(job, batch.records.sparkSession, pa.Table.from_batches([events]))
