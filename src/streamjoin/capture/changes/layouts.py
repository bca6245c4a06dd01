"""Changes of one table to its rows: the columns of its layout, and which of the rows is the newest."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.capture.changes.read import unpack_images
from streamjoin.capture.changes.rows import INSTANT_PREFIX, RowMaker
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.errors import RejectReason
from streamjoin.hudi.partition import MAX_FOLDER_BYTES, folder_bytes, formatted
from streamjoin.records.change_columns import CHANGE, CHANGE_ID, CHANGED_AT, ITEM_KEY, OPERATION, ORDER
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, RECORD_COLUMN, SUPERSEDED_COLUMN, Events, Judgement
from streamjoin.records.values import Rejected
from streamjoin.spark.frames import quoted
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

_VERDICT: Final = (REASON_COLUMN, DETAIL_COLUMN)


def to_rows(changes: Events, layout: ChangeLayout) -> Events:
    """Add the columns of a table's rows, in one pass over its changes in the executors.

    Columns in: those of `read_changes`, of one table.
    Columns out: the same without `_change`, and all of `layout.row_schema`; if the row has a column called
        `operation` or `changed_at` (of a `current` row an attribute's), it takes the place of the change's own.
        `_superseded` is true of what leaves its row as it is.
        Reasons: WRONG_TYPE, MISSING_RECORD_KEY, INVALID_PARTITION; in `current` NOT_A_CHANGE, if there is no image.

    Of two attributes that differ in upper and lower case alone, only one can have a column: the declared one, or with
    `undeclared: evolve` the one found first. The other one stays in `_attributes`, as do attributes whose name no
    column can have.

    Raises:
        SchemaError: A declared column has a type that no DynamoDB value can have.
    """
    maker, frame = RowMaker(layout), changes.frame
    # Spark takes names that differ by case alone as one.
    made = {name.lower() for name in maker.schema.names}
    passed = [
        each for each in frame.schema.fields if each.name not in (CHANGE, *_VERDICT) and each.name.lower() not in made
    ]
    verdict = [T.StructField(name, T.StringType()) for name in _VERDICT]
    rows = Events(
        map_batches(
            frame,
            _row_batches(layout, [each.name for each in passed]),
            T.StructType([*passed, *verdict, *to_spark(maker.schema).fields]),
        )
    )
    return _with_formatted_partitions(rows, layout)


def mark_latest(rows: Events, layout: ChangeLayout) -> Events:
    """Mark what a newer row of the same frame makes superfluous.

    Columns in: `_item_key`, `_change_id`, `_order`, `_record`.
    Columns out: the same. `_superseded` stays true where it was; it becomes so, in `current`, of all but the newest
        change of an item; in `changelog` of all but one delivery of a change.
    """
    is_out = F.col(REASON_COLUMN).isNotNull() | F.col(SUPERSEDED_COLUMN)
    place = [F.col(f"{RECORD_COLUMN}.{part}") for part in ("shard_id", "sequence_number", "sub_sequence_number")]
    # What is out already is spread by its place: the keys may all be null, and they would meet in one task.
    known_by = F.col(ITEM_KEY if layout.is_current else CHANGE_ID)
    group = [F.when(~is_out, known_by), is_out, *(F.when(is_out, part) for part in place)]
    newest_first = Window.partitionBy(*group).orderBy(F.col(ORDER).desc(), F.col(CHANGE_ID).desc())
    return rows.with_columns(
        {SUPERSEDED_COLUMN: F.col(SUPERSEDED_COLUMN) | (~is_out & (F.row_number().over(newest_first) > 1))}
    )


def table_rows(rows: Events, layout: ChangeLayout) -> DataFrame:
    """Return what is upserted: the newest rows that were not rejected.

    Columns out: those of `layout.row_schema`.
    """
    return rows.latest.select(*map(quoted, layout.row_schema.names))


def _with_formatted_partitions(rows: Events, layout: ChangeLayout) -> Events:
    """Add the partition columns that are formatted times."""
    judgements, values = [], {}
    for each in layout.text_partitions:
        if each.format is None:
            continue
        instant = F.col(quoted(INSTANT_PREFIX + each.name))
        value = formatted(instant, each)
        size = folder_bytes(each.name, value)
        too_long = F.format_string(
            f"partition column '{each.name}': expected a folder of at most {MAX_FOLDER_BYTES} bytes, found %d", size
        )
        no_year = F.lit(f"partition column '{each.name}': expected a year from 1 to 9999 in zone {each.zone}")
        judgements.append(Judgement(instant.isNotNull() & value.isNull(), RejectReason.INVALID_PARTITION, no_year))
        judgements.append(Judgement(size > MAX_FOLDER_BYTES, RejectReason.INVALID_PARTITION, too_long))
        values[each.name] = value
    if not values:
        return rows
    judged = rows.judge(judgements, values)
    return Events(judged.frame.drop(*(INSTANT_PREFIX + name for name in values)))


def _row_batches(
    layout: ChangeLayout, passed: list[str]
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    def make_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        maker = RowMaker(layout)
        for batch in batches:
            yield row_batch(batch, maker, passed)

    return make_rows


def row_batch(batch: pa.RecordBatch, maker: RowMaker, passed: list[str]) -> pa.RecordBatch:
    """Return the columns `passed` of a batch of changes, the verdict on each, and what `maker` makes of it."""
    nothing = [None] * len(maker.schema)
    left_as_is = set[int]()
    reasons, details = (batch.column(name).to_pylist() for name in _VERDICT)
    operations: list[Any] = batch.column(OPERATION).to_pylist()
    created: list[Any] = batch.column(CHANGED_AT).cast(pa.int64()).to_pylist()
    rows: list[list[Any]] = []
    for index, packed in enumerate(batch.column(CHANGE)):
        if reasons[index] is not None:
            rows.append(nothing)
            continue
        row = maker(operations[index], created[index], unpack_images(packed.as_py()))
        if isinstance(row, Rejected):
            reasons[index], details[index] = row.reason.value, row.detail
            row = nothing
        if row is None:
            left_as_is.add(index)
            row = nothing
        rows.append(row)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(maker.schema)
    arrays = [pa.array(column, each.type) for column, each in zip(columns, maker.schema, strict=True)]
    verdict = [pa.array(reasons, pa.string()), pa.array(details, pa.string())]
    is_left = pa.array([index in left_as_is for index in range(batch.num_rows)])
    own = [is_left if name == SUPERSEDED_COLUMN and left_as_is else batch.column(name) for name in passed]
    return pa.RecordBatch.from_arrays([*own, *verdict, *arrays], names=[*passed, *_VERDICT, *maker.schema.names])
