"""Tells Hudi in which file each row of a batch is, or is to be, so that a commit writes again what it must and no more.

Of a copy-on-write table Hudi writes a file again for each file with a row of the batch. By the hash of a key those
are all files. The record-level index knows the file of each row that is there; new rows go to one that isn't full.
See docs/adr/0038-told-files.md.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.hudi.placing import Placed, is_older
from streamjoin.hudi.record_index.entries import KEY_HASH, entry_columns, with_hash
from streamjoin.hudi.record_index.index import RecordIndex
from streamjoin.hudi.record_index.segment import HIGH, LOW, ORDER, PARTITION
from streamjoin.hudi.table import HudiTable
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.spark.frames import collected, frame_of, quoted

# So many new rows, and one more file takes some of them beside: a task writes them in about half a second.
_ROWS_PER_FILE: Final = 50_000
HUDI_COLUMNS: Final = (
    "_hoodie_commit_time",
    "_hoodie_commit_seqno",
    "_hoodie_record_key",
    "_hoodie_partition_path",
    "_hoodie_file_name",
)
"""What Hudi stores with each row, in this order."""
_FILE: Final = "_streamjoin_file"
_STAYS: Final = "_streamjoin_stays"

# Hudi takes record key and file from the columns that it stores with each row. Source: HoodieCreateRecordUtils of Hudi
# 1.0.2 and 0.15.0, as for its own UPDATE and MERGE INTO. Columns that are missing would be looked for among those.
TOLD: Final = {
    "_hoodie.spark.sql.writes.prepped": "true",
    "hoodie.write.set.null.for.missing.columns": "false",
}
# The first rows of a table go where Hudi puts them, up to the size of a file each.
FIRST_ROWS: Final = {"hoodie.datasource.write.operation": "insert", "hoodie.combine.before.insert": "false"}
# A row that its own class calls deleted leaves its new file empty; rows as Spark's ask `_hoodie_is_deleted` alone.
_OPENING: Final = {
    **FIRST_ROWS,
    "hoodie.write.record.merge.custom.implementation.classes": "org.apache.hudi.common.model.HoodieAvroRecordMerger",
    "hoodie.payload.delete.marker": "0",
    "hoodie.copyonwrite.insert.auto.split": "false",
}
_ROWS_TO_OPEN: Final = 4


def files_wanted(new_rows: int, parallelism: int) -> int:
    """Return into how many files so many new rows go."""
    return min(parallelism, math.ceil(new_rows / _ROWS_PER_FILE))


class Telling:
    """Rows of one batch, and what the index says of them.

    Columns in: those of the table; with `_hoodie_is_deleted` a row may be a deletion.

    Args:
        rows: One row a record key.
        table: Where they go; no other process is writing it.
        index: The table's, as of its newest commit.

    Attributes:
        new_rows: How many rows are to be added.
    """

    def __init__(self, rows: DataFrame, table: HudiTable, index: RecordIndex) -> None:
        self._rows, self._table = rows, table
        deletes = F.coalesce(F.col(IS_DELETED), F.lit(False)) if IS_DELETED in rows.columns else F.lit(False)
        columns = {**entry_columns(table), IS_DELETED: deletes}
        del columns[PARTITION]
        self._batch = batch = collected(rows.select(*(column.alias(name) for name, column in columns.items())))
        found = index.find(*(batch[name].to_numpy() for name in (HIGH, LOW)))
        self._deletes, self._is_known = batch[IS_DELETED].to_numpy(), found.is_known
        # Hudi would keep the newer row and write its file again.
        self._is_left_out = is_older(batch[ORDER], found) | (self._deletes & ~found.is_known)
        self._files = np.full(batch.num_rows, None, dtype=object)
        self._files[found.is_known] = found.partition.to_pylist()
        self.new_rows = int(np.count_nonzero(~found.is_known & ~self._deletes))

    def placed(self, open_files: Sequence[str]) -> Placed:
        """Return the rows with Hudi's columns, which say where each is; without those older than the table's.

        Columns out: Hudi's five, then those of the table.

        Args:
            open_files: Where new rows go; at least one if there are any.
        """
        files, is_new, stays = self._files.copy(), ~self._is_known, ~self._is_left_out
        count = len(open_files)
        if count:
            at = self._batch[HIGH].to_numpy() % count
            files[is_new] = np.array(open_files, dtype=object)[at[is_new]]
        high, low = (self._batch[name].combine_chunks() for name in (HIGH, LOW))
        file_ids = pa.array(list(files), pa.string())
        rows, file = self._rows, F.lit(open_files[0] if count else "")
        is_given = self._is_known | self._is_left_out
        if count > 1 or is_given.any():
            rows = with_hash(rows, self._table)
        if count > 1:
            number = F.pmod(F.col(KEY_HASH[0]), F.lit(count)).cast("int")
            file = F.get(F.array(*map(F.lit, open_files)), number)
        if is_given.any():
            columns = {**dict(zip(KEY_HASH, (high, low), strict=True)), _FILE: file_ids, _STAYS: pa.array(stays)}
            given = frame_of(rows.sparkSession, pa.table(columns).filter(pa.array(is_given)))
            rows = rows.join(F.broadcast(given), list(KEY_HASH), "left").where(F.coalesce(_STAYS, F.lit(True)))
            file = F.coalesce(F.col(_FILE), file)
        told = rows.select(*_hudi_columns(self._table, file), *(quoted(name) for name in self._rows.columns))
        nowhere: Any = pc.if_else(pa.array(self._deletes), pa.scalar(None, pa.string()), file_ids)
        entries = pa.table({HIGH: high, LOW: low, ORDER: self._batch[ORDER].combine_chunks(), PARTITION: nowhere})
        deletions = int(np.count_nonzero(self._deletes & stays))
        return Placed(told, deletions, entries.filter(pa.array(stays)))


def opening_rows(rows: DataFrame, table: HudiTable, files: int) -> tuple[DataFrame, dict[str, str]]:
    """Return rows, and options of a write, that leave so many files without a row, now and then fewer.

    Args:
        rows: A batch; theirs are its columns.
        table: Where they go.
        files: How many.
    """
    count = 1 if files == 1 else files * _ROWS_TO_OPEN
    number = F.col("id")

    def value(field: T.StructField) -> Column:
        if field.name == table.ordering:
            return F.lit(0).cast(field.dataType)
        if field.name not in table.record_key:
            return F.lit(None).cast(field.dataType)
        if isinstance(field.dataType, T.DateType):
            return F.date_add(F.lit("1970-01-01"), number.cast("int"))
        return number.cast("string" if isinstance(field.dataType, T.BinaryType) else "bigint").cast(field.dataType)

    numbers = rows.sparkSession.range(0, count, 1, 1)
    options = {**_OPENING, "hoodie.payload.delete.field": table.ordering}
    options["hoodie.copyonwrite.insert.split.size"] = str(_ROWS_TO_OPEN)
    return numbers.select(*(value(field).alias(field.name) for field in rows.schema)), options


def _hudi_columns(table: HudiTable, file: Column) -> list[Column]:
    # As Hudi's own key generator for tables without partitions.
    parts = [F.col(quoted(column)).cast("string") for column in table.record_key]
    named = [F.concat(F.lit(f"{column}:"), part) for column, part in zip(table.record_key, parts, strict=True)]
    key = parts[0] if len(parts) == 1 else F.concat_ws(",", *named)
    # By the file alone Hudi finds it.
    told = (F.lit("0"), F.lit(""), key, F.lit(""), F.concat(file, F.lit("_0")))
    return [column.alias(name) for name, column in zip(HUDI_COLUMNS, told, strict=True)]
