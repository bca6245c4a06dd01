"""Changes that came after their row was removed: told by tombstones, so that they don't bring it back."""

from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.hudi.tombstones import Tombstones
from streamjoin.records.change_columns import IS_DELETED, ITEM_KEY, ORDER
from streamjoin.records.events import SUPERSEDED_COLUMN, Events

_STONE_KEY: Final = "_hoodie_tombstone_key"
_STONE_ORDER: Final = "_hoodie_tombstone_order"


def mark_late(rows: Events, tombstones: Tombstones, key: Column, order: Column) -> Events:
    """Mark as superseded what is no newer than the removal of its row.

    Columns in: those of `key` and `order`; `_hoodie_is_deleted`.
    Columns out: the same.

    Args:
        rows: Changes of the table's rows.
        tombstones: The table's.
        key: Text by which a row is known.
        order: Text that orders the changes of a row.
    """
    found = tombstones.frame(rows.frame.sparkSession)
    if found is None:
        return rows
    stone = found.select(F.col(ITEM_KEY).alias(_STONE_KEY), F.col(ORDER).alias(_STONE_ORDER))
    joined = rows.frame.join(stone, key == F.col(_STONE_KEY), "left")
    # A removal may meet its own tombstone, of a batch that died before its commit: it is still to be done.
    is_own = (order == F.col(_STONE_ORDER)) & F.col(IS_DELETED)
    is_late = F.coalesce((order <= F.col(_STONE_ORDER)) & ~is_own, F.lit(False))
    marked = joined.withColumn(SUPERSEDED_COLUMN, F.col(SUPERSEDED_COLUMN) | is_late)
    return Events(marked.drop(_STONE_KEY, _STONE_ORDER))


def removals(rows: DataFrame, key: Column, order: Column) -> pa.Table:
    """Return the removals among `rows`, for `Tombstones.add`.

    Columns in: those of `key` and `order`; `_hoodie_is_deleted`.
    Columns out: `_item_key`, `_order`.
    """
    found = rows.where(F.col(IS_DELETED)).select(key, order).collect()
    columns = [pa.array([row[at] for row in found], pa.string()) for at in (0, 1)]
    return pa.table(columns, names=[ITEM_KEY, ORDER])
