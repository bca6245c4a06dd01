"""Rows already written, made true when a reference changes: found by their join keys, joined again, upserted."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.enrich.derive import derive
from streamjoin.enrich.job import EnrichJob, followed
from streamjoin.enrich.join import enrich
from streamjoin.enrich.order import SEQUENCE_COLUMN
from streamjoin.enrich.rows import join, version_literals
from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.figures import Known
from streamjoin.hudi.stored import stored_rows
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, Events
from streamjoin.reference.followed.index import as_table
from streamjoin.reference.followed.pending import Pending
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.spark.frames import frame_of, persisted, tasks_for
from streamjoin.spark.schema import to_spark_type
from streamjoin.streaming.isolation import FailedRecords, SetAside, isolating
from streamjoin.streaming.unwritable import Written, find_unwritable

log = logging.getLogger(__name__)

# The steps between which a pass may die; tests kill it at each.
STEPS = ("rewrite_found", "rewritten")

_STORED = "_stored_"
_AGE = "_pending_age"
_HUDI_PREFIX = "_hoodie_"
# So few keys are also a filter, by which Hudi and Parquet leave out partitions and row groups.
_FILTER_KEYS = 1_000


@dataclass(frozen=True)
class RewriteReport:
    """What one pass did.

    Args:
        rows: Rows rewritten.
        is_complete: Whether no row is left that differs from what a join would give now.
    """

    rows: int
    is_complete: bool


def rewrite(
    job: EnrichJob, spark: SparkSession, *, on_step: Callable[[str], None] = lambda step: None
) -> RewriteReport:
    """Make rows already written true, in one pass over what changed since they were.

    1. pending: which join keys changed, of each reference that rewrites.
    2. find: the table's rows of these keys, as they are stored.
    3. join and derive again, as for a batch; keep those that differ, the oldest change first, up to the bound.
    4. upsert them with the ordering that they have. The commit advances nothing but "rewritten up to".

    A row for which an expression raises, or that can't be written, stays as it is; it is counted, and tried again when
    its reference changes again, or after the next start.

    Delivery: a crash before step 4 ends leaves the table as it was, and the next pass finds the same rows. A row that
    is right already is not written, so that a repeated pass writes nothing. Nothing else writes the table between 2
    and 4, so that no newer event can be undone; a later one of an equal or greater ordering replaces the row.

    Args:
        job: The job's parts.
        spark: The session.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: The pass did not happen, or (`SinkError`) may have: the timeline knows.
    """
    if job.rewriting is None:
        return RewriteReport(0, is_complete=True)
    started = time.monotonic()
    # All of them, so that those which share a table are brought up to date together.
    all_followed = followed(job)
    current = {reference.name: reference.current() for reference in all_followed}
    references = [each for each in all_followed if each.rewrites_rows]
    snapshots = {reference.name: current[reference.name] for reference in references}
    waiting = {
        name: s.pending for name, s in snapshots.items() if s.pending is not None and not s.pending.is_empty
    }  # 1
    found = checkpoint.read(job.table.base_path) if waiting else None
    if found is None:
        for reference in all_followed:
            reference.unreported(current[reference.name])
        return RewriteReport(0, is_complete=True)
    stored = _stored_rows(job, spark, waiting, references)  # 2
    rows = _differing(job, _joined_again(job, stored, references, snapshots))  # 3
    most = job.rewriting.max_rows_per_pass
    batch_id = f"rewrite-{found.instant}"

    def attempt(aside: SetAside) -> tuple[int, float | None, dict[str, Pending]]:
        job.unwritable.update(aside.events)
        with persisted(rows.where(~_row_id(job, rows).isin(list(job.unwritable))).limit(most)) as chosen:
            count, failed, left_from = _measure(chosen, most)
            rest = {name: pending.rest(left_from) for name, pending in waiting.items()}
            on_step("rewrite_found")
            failed += len(job.unwritable)
            if failed:
                log.warning(
                    "job=%s rewrite: %d rows stay as they are, for an expression raises, or they can't be written (%s)",
                    *(job.name, failed, _failing(chosen)),
                )
            if count:
                metadata = {
                    "batch_id": batch_id,
                    **checkpoint.to_metadata(
                        found.position,
                        (),
                        {**found.references, **{n: _advanced(snapshots[n], rest.get(n)) for n in snapshots}},
                        {
                            **BatchCounts().to_dict(),
                            "rewritten": count,
                            **({"not_rewritten": failed} if failed else {}),
                        },
                    ),
                    **Known(seconds={"compute": time.monotonic() - started}).to_metadata(),
                }
                _commit(job, batch_id, chosen, metadata, tasks_for(spark, count))  # 4
                job.writer.record()
                job.meanwhile.update({"commits": 1, "rows_rewritten": count})
                job.writer.serve(spark)
            on_step("rewritten")
        if left_from is None:
            job.unwritable.clear()
        return count, left_from, rest

    count, left_from, rest = isolating(batch_id, attempt)
    for reference in all_followed:
        if reference.name in rest:
            reference.rewritten(rest[reference.name])
        if not count or reference.name not in snapshots:
            reference.unreported(current[reference.name])
    log.info(
        "job=%s rewrite references=%s keys=%s rows=%d complete=%s seconds=%.2f",
        *(job.name, ",".join(waiting), ",".join(_keys(pending) for pending in waiting.values())),
        *(count, left_from is None, time.monotonic() - started),
    )
    return RewriteReport(count, is_complete=left_from is None)


def _keys(pending: Pending) -> str:
    return "all" if pending.everything else str(len(pending.keys))


def _advanced(snapshot: Snapshot, rest: Pending | None) -> dict[str, Any]:
    """Return the snapshot's metadata with what will be rewritten when the commit has happened."""
    metadata = snapshot.metadata()
    return metadata if rest is None else {**metadata, "rewritten": rest.rewritten.to_dict()}


def _stored_rows(
    job: EnrichJob, spark: SparkSession, waiting: Mapping[str, Pending], references: list[Reference]
) -> DataFrame:
    """Return the table's rows that a pending change may reach, with the age of the oldest such change."""
    table = stored_rows(spark, job.table.base_path)
    table = table.select(*(f"`{name}`" for name in table.columns if not name.startswith(_HUDI_PREFIX)))
    if any(pending.everything for pending in waiting.values()):
        return table.withColumn(_AGE, F.lit(0.0))
    by_name = {reference.name: reference for reference in references}
    filters = [_key_filter(table, by_name[name], pending) for name, pending in waiting.items()]
    if all(each is not None for each in filters):
        table = table.where(reduce(or_, [each for each in filters if each is not None]))
    events = Events.of(table)
    ages: list[Column] = []
    for name, pending in waiting.items():
        age = f"{_AGE}_{len(ages)}"
        keys = _key_frame(spark, by_name[name], pending, age)
        events = enrich(events, keys, on=by_name[name].on, columns=[age], name=name)
        ages.append(F.col(age))
    oldest = F.least(*ages) if len(ages) > 1 else ages[0]
    aged = events.frame.withColumn(_AGE, oldest).where(F.col(_AGE).isNotNull())
    return aged.select(*(f"`{name}`" for name in table.columns), _AGE)


def _key_frame(spark: SparkSession, reference: Reference, pending: Pending, age: str) -> DataFrame:
    """Return the join keys that wait, in the columns that the reference's rows have them in, with their age."""
    places = {column: place for place, column in enumerate(reference.on.values())}
    fields = [reference.row_schema.field(column) for column in places]
    schema = pa.schema([*fields, pa.field(age, pa.float64())])
    rows = [(*(key.values[place] for place in places.values()), key.age) for key in pending.keys.values()]
    return frame_of(spark, as_table(rows, schema))


def _key_filter(table: DataFrame, reference: Reference, pending: Pending) -> Column | None:
    """Return a condition on the stored columns that holds for every row of the keys; None if they are too many."""
    if len(pending.keys) > _FILTER_KEYS:
        return None
    found = F.lit(True)
    for place, (event_column, column) in enumerate(reference.on.items()):
        if table.schema[event_column].dataType == to_spark_type(reference.row_schema.field(column).type):
            found = found & F.col(f"`{event_column}`").isin({key.values[place] for key in pending.keys.values()})
    return found


def _joined_again(
    job: EnrichJob, stored: DataFrame, references: list[Reference], snapshots: Mapping[str, Snapshot]
) -> DataFrame:
    """Return the rows as a batch would make them now, the columns that may change also as they are stored."""
    assert job.rewriting is not None  # noqa: S101  (checked by the caller)
    fresh = [name for reference in references for name in reference.columns]
    versions = version_literals(job, snapshots)
    again = {name for name in (*fresh, *job.rewriting.derive, *versions) if name in stored.columns}
    kept = stored.select(
        *(f"`{name}`" for name in stored.columns if name not in again),
        *(F.col(f"`{name}`").alias(_STORED + name) for name in job.rewriting.columns if name in stored.columns),
    )
    events = join(Events.of(kept), references, snapshots, how="left")
    events = derive(events, job.rewriting.derive).with_columns(versions)
    written = [*stored.columns, *(name for name in (*job.rewriting.columns, *versions) if name not in stored.columns)]
    return events.frame.select(
        *(f"`{name}`" for name in written if name != _AGE),
        *(c for c in kept.columns if c.startswith(_STORED)),
        *(_AGE, REASON_COLUMN, DETAIL_COLUMN),
    )


def _differing(job: EnrichJob, rows: DataFrame) -> DataFrame:
    """Return the rows that are not what is stored, the oldest change first; at last those that can't be computed."""
    assert job.rewriting is not None  # noqa: S101  (checked by the caller)
    differs = [
        ~_comparable(rows, name).eqNullSafe(_comparable(rows, _STORED + name))
        if _STORED + name in rows.columns
        else F.col(f"`{name}`").isNotNull()
        for name in job.rewriting.columns
    ]
    written = [name for name in rows.columns if not name.startswith(_STORED)]
    is_failed = F.col(REASON_COLUMN).isNotNull()
    # Last, so that they take no place from those that can.
    ordered = rows.where(reduce(or_, differs, is_failed)).orderBy(is_failed, _AGE)
    return ordered.select(*(f"`{name}`" for name in written))


def _comparable(rows: DataFrame, name: str) -> Column:
    """Return the column in a form that Spark compares: it has no equality of maps."""
    found = F.col(f"`{name}`")
    return F.to_json(F.struct(found)) if "map<" in rows.schema[name].dataType.simpleString() else found


def _measure(rows: DataFrame, most: int) -> tuple[int, int, float | None]:
    """Return how many rows are to be written, how many failed, and from which age on there may be more; None: none."""
    is_good = F.col(REASON_COLUMN).isNull()
    found = rows.agg(F.count_if(is_good), F.count_if(~is_good), F.max(F.when(is_good, F.col(_AGE)))).first()
    assert found is not None  # noqa: S101  (an aggregate without groups has one row)
    count, failed, youngest = int(found[0]), int(found[1]), found[2]
    return count, failed, float(youngest) if count == most else None


def _failing(rows: DataFrame) -> str:
    """Name what made rows fail."""
    names = [row[0] for row in rows.select(DETAIL_COLUMN).distinct().collect() if row[0] is not None]
    return "; ".join(sorted(names)) or "the write"


def _row_id(job: EnrichJob, rows: DataFrame) -> Column:
    """Return what a row is known by in the log: its record's number, and what stands for its key."""
    key = F.to_json(F.struct(*(F.col(f"`{name}`").cast("string") for name in job.table.record_key)))
    number = [F.col(SEQUENCE_COLUMN)] if SEQUENCE_COLUMN in rows.columns else []
    return F.concat_ws("/", *number, F.sha2(key, 256))


def _commit(job: EnrichJob, batch_id: str, chosen: DataFrame, metadata: Mapping[str, str], parallelism: int) -> None:
    good = chosen.where(F.col(REASON_COLUMN).isNull())

    def rows(part: DataFrame) -> DataFrame:
        kept = part.drop(_AGE, REASON_COLUMN, DETAIL_COLUMN)
        # As the table has it: then the commit says what deletions that come late are judged by.
        return kept if job.deletion is None else kept.withColumn(IS_DELETED, F.lit(False))

    try:
        job.writer.commit(rows(good), metadata, parallelism=parallelism)
    except SinkError as error:
        written = Written(batch_id, job.table, good, _row_id(job, good), rows)
        raise FailedRecords(find_unwritable(error, written)) from error
