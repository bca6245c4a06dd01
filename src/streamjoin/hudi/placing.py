"""Where the rows of a batch go, if a row may move to another partition: what Hudi's own index can't tell.

A bucket index finds a row in its own partition alone, and so costs what the batch is. The record-level index says in
which partition the row of a key is: if it is another one, the batch also deletes it there, in the same commit.
See docs/adr/0034-a-record-level-index-of-our-own.md.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.hudi.record_index.entries import KEY_HASH, entry_columns, partition_values, with_hash
from streamjoin.hudi.record_index.index import Found, RecordIndex
from streamjoin.hudi.record_index.segment import COLUMNS, HIGH, LOW, ORDER, PARTITION, Flags
from streamjoin.hudi.table import HudiTable
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.spark.frames import collected, frame_of

_IS_LEFT_OUT: Final = "_is_left_out"
_FROM: Final = "_from_partition"


@dataclass(frozen=True)
class Placed:
    """Rows as they are to be written.

    Args:
        rows: Those given, without what is older than the table's, with a deletion for each row that moves away.
        deletions: How many of them delete.
        entries: What the index is to be told of them.
    """

    rows: DataFrame
    deletions: int
    entries: pa.Table


def place(rows: DataFrame, table: HudiTable, index: RecordIndex) -> Placed:
    """Say where rows go, so that each record key keeps one row, the newest.

    Columns in: those of the table; with `_hoodie_is_deleted` a row may be a deletion, in whatever partition.
    Columns out: those of the table and `_hoodie_is_deleted`, one row a record key and partition.

    Args:
        rows: One row a record key.
        table: Where they go; no other process is writing it.
        index: The table's, as of its newest commit.
    """
    rows = rows if IS_DELETED in rows.columns else rows.withColumn(IS_DELETED, F.lit(False))
    columns = {**entry_columns(table), IS_DELETED: F.coalesce(F.col(IS_DELETED), F.lit(False))}
    batch = collected(rows.select(*(column.alias(name) for name, column in columns.items())))
    found = index.find(*(batch[name].to_numpy() for name in (HIGH, LOW)))
    decided = _decide(batch, found)
    deletes = batch[IS_DELETED].to_numpy()

    told = pa.table({name: batch[name].combine_chunks() for name in COLUMNS})
    nowhere: Any = pc.if_else(pa.array(deletes), pa.scalar(None, pa.string()), told[PARTITION])
    told = told.set_column(told.schema.get_field_index(PARTITION), PARTITION, nowhere)
    # Of a row that is older than the one in its partition Hudi keeps nothing: the index says what it said before.
    told = told.filter(pa.array(~(decided.is_left_out | decided.is_late)))
    if decided.is_left_out.any() or decided.moves.any():
        rows = _as_decided(rows, table, batch, decided)
    return Placed(rows, int(np.count_nonzero((deletes | decided.moves) & ~decided.is_left_out)), told)


@dataclass(frozen=True)
class _Decided:
    """What becomes of each row.

    Args:
        is_late: Whether the table has a newer one.
        is_left_out: Whether it isn't written.
        moves: Whether the table's row is to be deleted in another partition.
        origin: Which that is, as JSON text; null if it doesn't move.
    """

    is_late: Flags
    is_left_out: Flags
    moves: Flags
    origin: "pa.Array[Any]"


def _decide(batch: pa.Table, found: Found) -> _Decided:
    is_known, deletes = found.is_known, batch[IS_DELETED].to_numpy()
    known = batch.filter(pa.array(is_known))
    is_late, is_elsewhere = is_older(batch[ORDER], found), np.zeros(len(is_known), dtype=bool)
    other: Any = pc.not_equal(known[PARTITION], found.partition)
    is_elsewhere[is_known] = other.to_numpy()
    # With a row of its own partition Hudi compares it, but for deletions.
    is_left_out = (is_late & (is_elsewhere | deletes)) | (deletes & ~is_known)
    moves = is_elsewhere & ~is_left_out
    origins = np.full(len(is_known), None, dtype=object)
    origins[is_known] = found.partition.to_pylist()
    origins[~moves] = None
    return _Decided(is_late, is_left_out, moves, pa.array(list(origins), pa.string()))


def is_older(order: "pa.ChunkedArray[Any]", found: Found) -> Flags:
    """Tell of each row whether the table's row is newer than it; one of an earlier version without an order isn't."""
    flags = np.zeros(len(found.is_known), dtype=bool)
    known = order.filter(pa.array(found.is_known))
    older: Any = pc.less(known, found.order.cast(known.type))
    flags[found.is_known] = older.fill_null(False).to_numpy()
    return flags


def _as_decided(rows: DataFrame, table: HudiTable, batch: pa.Table, decided: _Decided) -> DataFrame:
    told: dict[str, Any] = {
        **dict(zip(KEY_HASH, (batch[name].combine_chunks() for name in (HIGH, LOW)), strict=True)),
        _IS_LEFT_OUT: pa.array(decided.is_left_out),
        _FROM: decided.origin,
    }
    few = pa.table(told).filter(pa.array(decided.is_left_out | decided.moves))
    hashed = with_hash(rows, table)
    joined = hashed.join(F.broadcast(frame_of(rows.sparkSession, few)), list(KEY_HASH), "left")
    is_deleted, moves = F.coalesce(F.col(IS_DELETED), F.lit(False)), F.col(_FROM).isNotNull()
    # What deletes its row goes where that is; what moves is a row here and a deletion there.
    stays = joined.where(~F.coalesce(F.col(_IS_LEFT_OUT), F.lit(False)) & ~(is_deleted & moves))
    origin = partition_values(F.col(_FROM), table, rows.schema)
    leaves = joined.where(moves).withColumns({**origin, IS_DELETED: F.lit(True)})
    return stays.select(rows.columns).unionByName(leaves.select(rows.columns))
