"""Records, or the items of a scan, to changes: parsed once a batch, whatever tables they are of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from streamjoin.dynamodb.change_records import Change, change_id, change_order, item_key, parse_unpacked, unpack_payload
from streamjoin.dynamodb.change_wrappers import ChangeSplitter
from streamjoin.dynamodb.service import Item, unpack
from streamjoin.records.change_columns import CHANGE, CHANGE_ID, CHANGED_AT, INSERT, ITEM_KEY, OPERATION, ORDER, TABLE
from streamjoin.records.decode import record_struct
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, Events, nothing_yet
from streamjoin.records.splitting import split_batch
from streamjoin.records.values import Rejected
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

CHANGE_SCHEMA: Final = parse_schema(
    f"{TABLE} string, {OPERATION} string, {ITEM_KEY} string, {ORDER} string, {CHANGE_ID} string, "
    f"{CHANGED_AT} timestamp, {CHANGE} binary, {REASON_COLUMN} string, {DETAIL_COLUMN} string"
)
"""A change's own columns, and the verdict on it."""

# Made at a time: a batch of small compressed payloads may be a thousand times as large unpacked.
_MAX_UNPACKED_BYTES: Final = 32 * 1024 * 1024

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Images:
    """What is packed in the column `_change`."""

    keys: Item
    new_image: Item | None
    old_image: Item | None
    removed_by: str | None = None


def pack_images(change: Change) -> bytes:
    """Return the change's keys and images, and who removed the item, in a small part of the memory of their dicts."""
    return msgspec.msgpack.encode((change.keys, change.new_image, change.old_image, change.removed_by))


def unpack_images(packed: bytes) -> Images:
    """Return the keys and images that were packed."""
    return Images(*msgspec.msgpack.decode(packed))


def read_changes(records: DataFrame, *, is_split: bool = False) -> Events:
    """Parse the change records of `records` in the executors.

    A row for each change: what is around several of them is taken away, and each has `data` and `sub_sequence_number`
    of its own.

    Columns in: `data` (binary); the other columns of a record if they are known.
    Columns out: `_table`, `operation`, `_item_key`, `_order`, `_change_id`, `changed_at`, `_change` (binary: keys and
        images); `_record`. A rejected one has nulls in all but `_record`. Reasons: EMPTY_PAYLOAD,
        MALFORMED_COMPRESSION, TOO_LARGE, NOT_UTF8, MALFORMED_JSON, NOT_AN_OBJECT, NOT_A_CHANGE.

    Args:
        records: Records of a stream.
        is_split: Whether their reader has taken away what is around changes already.
    """
    read = read_batches if is_split else read_whole_batches
    changes = map_batches(records, read, StructType([*records.schema.fields, *to_spark(CHANGE_SCHEMA).fields]))
    return Events(changes.select(*CHANGE_SCHEMA.names, record_struct(records.schema), *nothing_yet()))


def changes_of_items(items: DataFrame, table: str, key_names: Sequence[str], noted_us: int) -> Events:
    """Turn the items of a scan into changes that are older than all that happened since the scan was noted.

    Columns in: `item` (binary, as `dynamodb.pack` makes it); columns of a record if they are known.
    Columns out: as those of `read_changes`; `operation` is INSERT.

    Args:
        items: The items, all of one table.
        table: Its name.
        key_names: The attributes of its primary key.
        noted_us: Before the scan began, in microseconds since 1970: when every item counts as changed.
    """
    known = [field for field in items.schema.fields if field.name != "item"]
    reader = _item_reader(table, tuple(key_names), noted_us)
    changes = map_batches(items, reader, StructType([*known, *to_spark(CHANGE_SCHEMA).fields]))
    return Events(changes.select(*CHANGE_SCHEMA.names, record_struct(items.schema), *nothing_yet()))


def read_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield record batches with a change's columns behind their own, in parts that each fit into memory."""
    for batch in batches:
        yield from read_batch(batch)


def read_whole_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same of records that may have several changes each."""
    for batch in batches:
        yield from read_batches(split_batch(batch, ChangeSplitter().parts))


def read_batch(batch: pa.RecordBatch, max_unpacked_bytes: int = _MAX_UNPACKED_BYTES) -> Iterator[pa.RecordBatch]:
    """Yield `batch` with the columns of its changes.

    Args:
        batch: Records, with their column `data`.
        max_unpacked_bytes: A part ends with the record that reaches it, unpacked.
    """
    numbers = _column(batch, "sequence_number", None), _column(batch, "sub_sequence_number", 0)
    start, rows, size_bytes = 0, list[Row](), 0
    for index, data in enumerate(batch.column("data")):
        content = unpack_payload(data.as_py())
        change = content if isinstance(content, Rejected) else parse_unpacked(content)
        rows.append(_row(change, numbers[0][index], numbers[1][index] or 0))
        size_bytes += 0 if isinstance(content, Rejected) else len(content)
        if size_bytes >= max_unpacked_bytes:
            yield _with_changes(batch.slice(start, len(rows)), rows)
            start, rows, size_bytes = index + 1, [], 0
    if rows or not batch.num_rows:
        yield _with_changes(batch.slice(start), rows)


def _column(batch: pa.RecordBatch, name: str, unknown: Any) -> list[Any]:
    if name in batch.schema.names:
        return batch.column(name).to_pylist()
    return [unknown] * batch.num_rows


def _row(change: Change | Rejected, record_number: str | None, sub_sequence_number: int) -> Row:
    """Return the values of CHANGE_SCHEMA."""
    if isinstance(change, Rejected):
        return (None,) * 7 + (change.reason.value, change.detail)
    # Of its own number, the place in a Kinesis record tells nothing: a repeat stands at another one.
    is_own = change.sequence_number is not None
    order = change_order(
        change.created_us,
        change.sequence_number if is_own else record_number,
        0 if is_own else sub_sequence_number,
    )
    return (
        *(change.table, change.operation, item_key(change.keys), order, change_id(change)),
        *(change.created_us, pack_images(change), None, None),
    )


def _with_changes(batch: pa.RecordBatch, rows: list[Row]) -> pa.RecordBatch:
    made = _to_arrow(rows)
    return pa.RecordBatch.from_arrays(
        [*batch.columns, *made.columns], names=[*batch.schema.names, *CHANGE_SCHEMA.names]
    )


def _to_arrow(rows: list[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(CHANGE_SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, CHANGE_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=CHANGE_SCHEMA)


def _item_reader(
    table: str, key_names: tuple[str, ...], noted_us: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            items = (unpack(packed.as_py()) for packed in batch.column("item"))
            changes = (
                Change(table, INSERT, {name: item[name] for name in key_names}, item, None, noted_us, None)
                for item in items
            )
            yield _with_changes(batch.drop_columns(["item"]), [_row(change, None, 0) for change in changes])

    return read
