"""Deletions that came late: older than the row that they would delete.

On a copy-on-write table Hudi 1.0.2 deletes what is there, however new (rows as Spark's). On a merge-on-read table they
go into the log beside newer rows, and not every reader compares the two: with text as ordering Spark's and compaction
delete the newer row (Hudi 1.0.2 compares text of two Java classes), and older readers delete whatever is in the base
file. So they are not written. See docs/adr/0017-order-of-changes.md.
"""

from dataclasses import dataclass
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.aws.storage import open_path
from streamjoin.hudi.stored import stored_rows
from streamjoin.hudi.table import HudiTable
from streamjoin.hudi.timeline import Timeline
from streamjoin.records.change_columns import IS_DELETED

NEWEST_ORDER: Final = "newest_order"
"""Under this key a commit says what the greatest order of all rows is that were written up to it."""

_STORED = "_stored_order"


@dataclass(frozen=True)
class Checked:
    """Rows that may be written.

    Args:
        rows: Those given, without late deletions.
        deletions: How many deletions were among those given.
        newest_order: What the commit is to say as `NEWEST_ORDER`; None if there was never a row.
    """

    rows: DataFrame
    deletions: int
    newest_order: str | None


def leave_out_late_deletes(rows: DataFrame, table: HudiTable) -> Checked:
    """Leave out late deletions.

    The table is read only if a deletion is older than the newest row written so far, or that isn't known.

    Columns in: those of the table, with `_hoodie_is_deleted`.
    Columns out: the same.

    Args:
        rows: One row a record key.
        table: Where they go; no other process is writing it.
    """
    timeline = Timeline.read(*open_path(table.base_path))
    known, is_first = newest_order(timeline), not timeline.commits
    order, is_deleted = F.col(table.ordering), F.coalesce(F.col(IS_DELETED), F.lit(False))
    before = F.lit(known).cast(rows.schema[table.ordering].dataType)
    may_be_late = is_deleted & F.coalesce(order < before, F.lit(not is_first))
    newest = F.greatest(F.max(F.when(~is_deleted, order)), before)
    found = rows.agg(newest.cast("string"), F.count_if(is_deleted), F.count_if(may_be_late)).head()
    reached, deletions, suspects = found if found is not None else (None, 0, 0)
    if suspects == 0 and (known is not None or is_first):
        return Checked(rows, deletions, reached)
    stored = stored_rows(rows.sparkSession, table.base_path)
    stored = stored.select(*table.record_key, F.col(table.ordering).alias(_STORED))
    if known is None:
        orders = stored.select(_STORED).union(rows.where(~is_deleted).select(order))
        found = orders.agg(F.max(_STORED).cast("string")).head()
        reached = found[0] if found is not None else None
    suspected = F.broadcast(rows.where(may_be_late).select(*table.record_key, table.ordering))
    newer = stored.join(suspected, list(table.record_key)).where(F.col(_STORED) > order)
    late = newer.select(*table.record_key).collect() if suspects else []
    if late:
        keys = rows.sparkSession.createDataFrame(late, rows.select(*table.record_key).schema)
        rows = rows.join(F.broadcast(keys), list(table.record_key), "left_anti").select(rows.columns)
    return Checked(rows, deletions, reached)


def newest_order(timeline: Timeline) -> str | None:
    """Return the newest order as the newest commit of ours says it; None if it doesn't."""
    for instant in sorted(timeline.commits, reverse=True):
        metadata = timeline.metadata(instant)
        # Compactions say nothing.
        if metadata:
            return metadata.get(NEWEST_ORDER)
    return None
