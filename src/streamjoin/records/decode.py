"""Records to events: every payload becomes a typed event, or is rejected with a reason."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.records.case_watch import CaseWatch
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat, Rejected
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, RECORD_COLUMN, Events, nothing_yet
from streamjoin.records.splitting import split_batch
from streamjoin.spark.schema import RECORD_STRUCT, declared, to_spark
from streamjoin.spark.workers import map_batches

EVENT_COLUMN: Final = "_event"
"""What `decode_batch` adds: a struct of the event's columns."""

_JSON: Final = PayloadFormat()
# Decoded at a time: a batch of small compressed payloads may be a thousand times as large unpacked.
_MAX_DECODED_BYTES: Final = 32 * 1024 * 1024


def decode(
    records: DataFrame,
    schema: str | pa.Schema | T.StructType,
    payload: PayloadFormat = _JSON,
    *,
    is_split: bool = False,
    watch: CaseWatch | None = None,
) -> Events:
    """Decode the payloads of `records` in the executors.

    Columns in: `data` (binary); the other columns of a record if they are known.
    Columns out: those of `schema`; `_record`. Reasons: EMPTY_PAYLOAD, MALFORMED_COMPRESSION, TOO_LARGE, WRONG_TYPE; of
    text NOT_UTF8; of json MALFORMED_JSON, NOT_AN_OBJECT, NO_EVENT; of csv MALFORMED_CSV; of avro MALFORMED_AVRO,
    UNKNOWN_SCHEMA. A row for each event: with `payload.records` many, `data` of `_record` has that event alone, and
    `sub_sequence_number` counts the record's events.

    Args:
        records: A frame as `read_kinesis` gives it, or any with a column `data`.
        schema: The events' columns, as DDL text, Arrow's schema or Spark's.
        payload: What the payloads are.
        is_split: Whether their reader has taken those with several events apart already.
        watch: Is told of columns without a value while an attribute differs by case alone.

    Raises:
        SchemaError: The schema can't be parsed, or has a type that the format can't have.
    """
    columns = nullable(declared(schema))
    # What is wrong with the schema is said here, not by an executor.
    PayloadDecoder(columns, payload)
    out = T.StructType(
        [
            *(T.StructField(f.name, f.dataType) for f in records.schema.fields),
            T.StructField(EVENT_COLUMN, to_spark(columns)),
            T.StructField(REASON_COLUMN, T.StringType()),
            T.StructField(DETAIL_COLUMN, T.StringType()),
        ]
    )
    decoded = map_batches(records, _batch_decoder(columns, payload, watch, is_split=is_split), out)
    decoded = decoded.select(
        f"{EVENT_COLUMN}.*", record_struct(records.schema), REASON_COLUMN, DETAIL_COLUMN, *nothing_yet()
    )
    return Events(decoded)


def nullable(schema: pa.Schema) -> pa.Schema:
    """Return the columns of events: any of them is null in an event that was rejected."""
    return pa.schema([field.with_nullable(True) for field in schema]).with_metadata(schema.metadata)


def record_struct(found: T.StructType) -> Column:
    """Return the struct that says where an event came from; what the frame doesn't know is null."""
    if found.names == RECORD_STRUCT.names:
        return F.struct(*found.names).alias(RECORD_COLUMN)
    known = set(found.names)
    columns = [(F.col(f.name) if f.name in known else F.lit(None)).cast(f.dataType) for f in RECORD_STRUCT.fields]
    named = [column.alias(name) for column, name in zip(columns, RECORD_STRUCT.names, strict=True)]
    return F.struct(*named).alias(RECORD_COLUMN)


def _batch_decoder(
    schema: pa.Schema, payload: PayloadFormat, watch: CaseWatch | None, *, is_split: bool
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    splitter = None if is_split else payload.splitter(schema)

    def decode_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        decoder = PayloadDecoder(schema, payload)
        for batch in batches:
            for part in [batch] if splitter is None else split_batch(batch, splitter.parts):
                for decoded in decode_batch(part, decoder, schema):
                    if watch is not None:
                        watch.look(decoded.column(EVENT_COLUMN), decoder.take_case_twins())
                    yield decoded

    return decode_batches


def decode_batch(
    batch: pa.RecordBatch, decoder: PayloadDecoder, schema: pa.Schema, max_decoded_bytes: int = _MAX_DECODED_BYTES
) -> Iterator[pa.RecordBatch]:
    """Yield `batch` with the columns `_event`, `_reason` and `_detail`, in parts that each fit into memory.

    Args:
        batch: Records, with their column `data`.
        decoder: That of their payloads.
        schema: The events' columns.
        max_decoded_bytes: A part ends with the payload that reaches it, unpacked.
    """
    start, rows, end_bytes = 0, [], decoder.decoded_bytes + max_decoded_bytes
    for index, payload in enumerate(batch.column("data")):
        rows.append(decoder(payload.as_py()))
        if decoder.decoded_bytes >= end_bytes:
            yield _append_events(batch.slice(start, len(rows)), rows, schema)
            start, rows, end_bytes = index + 1, [], decoder.decoded_bytes + max_decoded_bytes
    if rows or not batch.num_rows:
        yield _append_events(batch.slice(start), rows, schema)


def _append_events(batch: pa.RecordBatch, rows: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    """Return `batch` with the verdicts on its payloads."""
    nothing = [None] * len(schema)
    values = list(zip(*(nothing if isinstance(row, Rejected) else row for row in rows), strict=True))
    if not rows:
        values = [()] * len(schema)
    event = pa.StructArray.from_arrays(
        [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)], fields=list(schema)
    )
    reasons = pa.array([row.reason.value if isinstance(row, Rejected) else None for row in rows], pa.string())
    details = pa.array([row.detail if isinstance(row, Rejected) else None for row in rows], pa.string())
    return pa.RecordBatch.from_arrays(
        [*batch.columns, event, reasons, details],
        names=[*batch.schema.names, EVENT_COLUMN, REASON_COLUMN, DETAIL_COLUMN],
    )
