"""What an index says of a row, computed from its columns: of a batch's rows and of a table's alike."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.hudi.record_index.segment import HIGH, LOW, ORDER, PARTITION, Segment, hash_ranges
from streamjoin.hudi.stored import stored_rows
from streamjoin.hudi.table import HudiTable
from streamjoin.spark.frames import collected, persisted, quoted

# A table may have columns that are called `high` and `low`.
KEY_HASH: Final = ("_streamjoin_high", "_streamjoin_low")
_HALVES: Final = "halves"
_HASH_BYTES: Final = 16


def entry_columns(table: HudiTable) -> dict[str, Column]:
    """Return the columns of an entry, of a frame with the table's columns: `high`, `low`, `order`, `partition`."""
    return {**key_hash(table.record_key), ORDER: F.col(quoted(table.ordering)), PARTITION: partition_of(table)}


def with_hash(rows: DataFrame, table: HudiTable) -> DataFrame:
    """Add `KEY_HASH`, the two halves of the hash, whose names are no columns of a table's."""
    halves = key_hash(table.record_key)
    return rows.withColumns(dict(zip(KEY_HASH, (halves[HIGH], halves[LOW]), strict=True)))


def key_hash(record_key: Sequence[str]) -> dict[str, Column]:
    """Return the two halves of a record key's hash."""
    digest = _digest(record_key)
    # -10: as the number with a sign that has the same 64 bits.
    return {name: F.conv(F.substring(digest, at, 16), 16, -10).cast("bigint") for name, at in ((HIGH, 1), (LOW, 17))}


def _digest(record_key: Sequence[str]) -> Column:
    """Return what a record key's hash is taken from, as hexadecimal text."""
    parts = [F.col(quoted(column)).cast("string") for column in record_key]
    # With its length before it, no part can pass for the end of another.
    text = parts[0] if len(parts) == 1 else F.concat(*(F.concat(F.length(p), F.lit(":"), p) for p in parts))
    return F.sha2(text, 256)


def partition_of(table: HudiTable) -> Column:
    """Return the partition columns' values as JSON text; a null and an empty text, which share a folder, are alike."""
    texts = [F.nullif(F.col(quoted(c)).cast("string"), F.lit("")).alias(c) for c in table.partition_by]
    return F.to_json(F.struct(*texts))


def partition_values(text: Column, table: HudiTable, types: T.StructType) -> dict[str, Column]:
    """Return the partition columns that `partition_of` was made of."""
    schema = T.StructType([T.StructField(column, T.StringType()) for column in table.partition_by])
    values = F.from_json(text, schema)
    return {c: values.getField(c).cast(types[c].dataType) for c in table.partition_by}


def stored_entries(spark: SparkSession, table: HudiTable) -> Iterator[pa.Table]:
    """Yield the entries of all rows of a table, sorted, in slices that fit the driver's memory."""
    stored = stored_rows(spark, table.base_path)
    partition = F.substring_index("_hoodie_file_name", "_", 1) if table.tells_files else partition_of(table)
    # Numbers are made of it in the driver: that Spark makes them takes longer than all else.
    halves = F.unhex(F.substring(_digest(table.record_key), 1, 2 * _HASH_BYTES)).alias(_HALVES)
    entries = stored.select(halves, F.col(quoted(table.ordering)).alias(ORDER), partition.alias(PARTITION))
    ranges = list(hash_ranges(stored.count()))
    # To keep entries takes longer than to compute them, and to look at their hashes as well: one slice needs neither.
    with persisted(entries, needed=len(ranges) > 1):
        for first, last in ranges:
            is_in = F.col(_HALVES).between(_bound(first, b"\x00"), _bound(last, b"\xff"))
            yield Segment.of(_numbered(collected(entries.where(is_in) if len(ranges) > 1 else entries))).entries


def _bound(high: int, filled: bytes) -> Column:
    """Return the least or greatest hash with this first half. None of several ranges has both signs."""
    start = high.to_bytes(_HASH_BYTES // 2, "big", signed=True)
    return F.lit(bytearray(start + filled * (_HASH_BYTES - len(start))))


def _numbered(entries: pa.Table) -> pa.Table:
    """Return entries with the halves of their hashes as numbers."""
    halves: Any = entries[_HALVES].cast(pa.binary(_HASH_BYTES)).combine_chunks()
    high, low = np.frombuffer(halves.buffers()[1], ">i8", 2 * len(halves)).astype(np.int64).reshape(-1, 2).T
    columns: dict[str, Any] = {HIGH: high, LOW: low, ORDER: entries[ORDER], PARTITION: entries[PARTITION]}
    return pa.table(columns)
