"""A batch of changes, divided into the tables that they go to, and what is left."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from streamjoin.capture.job import CaptureJob
from streamjoin.capture.table import CapturedTable
from streamjoin.errors import RejectReason
from streamjoin.history.counts import BatchCounts, TableCounts
from streamjoin.records.change_columns import IS_DELETED, TABLE
from streamjoin.records.events import REASON_COLUMN, SUPERSEDED_COLUMN, Events, Judgement
from streamjoin.spark.frames import persisted

_NAME: Final = "table_name"
_IS_REMOVED: Final = "is_removed"


@dataclass(frozen=True)
class Part:
    """The changes of one table in a batch, as rows of it."""

    table: CapturedTable
    rows: Events

    @property
    def verdicts(self) -> DataFrame:
        """Return what became of each change."""
        is_removed = F.col(IS_DELETED) if self.table.layout.is_current else F.lit(False)
        return _verdicts(self.rows, F.lit(self.table.name), is_removed)


@dataclass(frozen=True)
class BatchParts:
    """A whole batch: each of its records is in one part, or in the rest.

    Args:
        tables: Those that the batch has changes of.
        rest: What is in no part, all of it rejected: what is no change, and changes of unlisted tables.
        ignores_unlisted: Whether the latter are left out in place of becoming dead letters.
    """

    tables: tuple[Part, ...]
    rest: Events | None
    ignores_unlisted: bool

    def count(self) -> BatchCounts:
        """Count the batch in one pass over all tables, which also fills the caches that later steps read."""
        verdicts = [part.verdicts for part in self.tables]
        verdicts += [_verdicts(self.rest, F.lit(None).cast("string"), F.lit(False))] if self.rest else []
        is_superseded, is_removed = F.col(SUPERSEDED_COLUMN), F.col(_IS_REMOVED)
        found = reduce(DataFrame.unionAll, verdicts).groupBy(_NAME, REASON_COLUMN)
        counted = found.agg(
            F.count(F.lit(1)).alias("records"),
            F.count_if(is_superseded).alias("superseded"),
            F.count_if(is_removed & ~is_superseded).alias("removed"),
        )
        return _counts(counted.collect(), ignores_unlisted=self.ignores_unlisted)

    def rejected(self) -> DataFrame:
        """Return the dead letters of the batch. Columns out: those of a record, `reason`, `detail`."""
        events = [*(part.rows for part in self.tables), *([self.rest] if self.rest else [])]
        found = reduce(DataFrame.unionAll, [each.rejected for each in events])
        return found.where(F.col("reason") != RejectReason.UNLISTED_TABLE) if self.ignores_unlisted else found


def divide(job: CaptureJob, changes: Events, batch_id: str, kept: ExitStack) -> BatchParts:
    """Give each change to its table, as a row of it; reject those of tables that aren't listed, or can't be made.

    Args:
        job: The job's parts.
        changes: As `read_changes` gives them.
        batch_id: Names the batch.
        kept: Ends the caches of changes and rows.

    Raises:
        SinkError: A table can't be opened.
    """
    spark, ignores = changes.frame.sparkSession, job.unlisted_tables == "ignore"
    listed = job.tables.listed
    if len(listed) == 1 and not job.tables.has_template:
        # All in one pass: with one table nothing has to be read twice.
        table = job.tables.find(listed[0], spark)
        assert table is not None  # noqa: S101  (it is listed)
        # But to find columns first.
        kept.enter_context(persisted(changes.frame, needed=table.layout.undeclared == "evolve"))
        rows = table.rows(_judged(changes, listed), batch_id)
        kept.enter_context(persisted(rows.frame))
        return BatchParts((Part(table, rows),), None, ignores)
    kept.enter_context(persisted(changes.frame))
    names = sorted(str(row[0]) for row in changes.kept.select(TABLE).distinct().collect())
    # Of two tables with one name by the template the other one has it already.
    conflicts = {name: problem for name in names if (problem := job.tables.conflict(name)) is not None}
    free = [name for name in names if name not in conflicts]
    tables = [table for name in free if (table := job.tables.find(name, spark)) is not None]
    judged, parts = _judged(changes, [table.name for table in tables], conflicts), []
    is_kept = F.col(REASON_COLUMN).isNull()
    for table in tables:
        rows = table.rows(Events(judged.frame.where(is_kept & (F.col(TABLE) == table.name))), batch_id)
        kept.enter_context(persisted(rows.frame))
        parts.append(Part(table, rows))
    return BatchParts(tuple(parts), Events(judged.frame.where(~is_kept)), ignores)


def _judged(changes: Events, names: Sequence[str], conflicts: Mapping[str, str] = {}) -> Events:
    judgements = [
        Judgement(F.col(TABLE) == name, RejectReason.TABLE_CONFLICT, F.lit(problem))
        for name, problem in conflicts.items()
    ]
    detail = F.format_string("table '%s' is not listed in tables, which has no template '*' either", F.col(TABLE))
    unlisted = Judgement(~F.col(TABLE).isin(*names), RejectReason.UNLISTED_TABLE, detail)
    return changes.judge([*judgements, unlisted])


def _verdicts(events: Events, name: Column, is_removed: Column) -> DataFrame:
    # Of a change that is in no part: the table that isn't listed.
    name = F.when(F.col(REASON_COLUMN) == RejectReason.UNLISTED_TABLE, F.col(TABLE)).otherwise(name)
    columns = [name.alias(_NAME), F.col(REASON_COLUMN), F.col(SUPERSEDED_COLUMN), is_removed.alias(_IS_REMOVED)]
    return events.frame.select(*columns)


def _counts(rows: Sequence[Row], *, ignores_unlisted: bool) -> BatchCounts:
    tables: dict[str, TableCounts] = {}
    rejected, unlisted = Counter[str](), dict[str, int]()
    for name, reason, records, superseded, removed in rows:
        if reason == RejectReason.UNLISTED_TABLE:
            unlisted[name] = records
        if reason is not None:
            rejected[reason] += records
        else:
            tables[name] = TableCounts(records - superseded, superseded, removed)
    return BatchCounts(
        read=sum(int(row["records"]) for row in rows),
        kept=sum(table.kept for table in tables.values()),
        superseded=sum(table.superseded for table in tables.values()),
        ignored=rejected.pop(RejectReason.UNLISTED_TABLE, 0) if ignores_unlisted else 0,
        ignored_tables=unlisted if ignores_unlisted else {},
        rejected=rejected.total(),
        rejected_by_reason=dict(rejected),
        removed=sum(table.removed for table in tables.values()),
        tables=tables,
    )
