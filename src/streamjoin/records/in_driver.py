"""Records that the driver has fetched, decoded in its own process; bounded so that no record can end it.

See docs/adr/0035-small-batches-stay-in-the-driver.md.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from streamjoin.errors import RejectReason
from streamjoin.records.case_watch import CaseWatch
from streamjoin.records.decode import EVENT_COLUMN, decode_batch, nullable
from streamjoin.records.decoder import PayloadDecoder, PayloadFormat
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, RECORD_COLUMN
from streamjoin.schema.columns import RECORD_FIELDS, RECORD_SCHEMA

log = logging.getLogger(__name__)

# What a payload, or a batch, may weigh: its bytes, unpacked, times the values that the fewest of them can make. Of one
# payload Python's objects take up to 50 times as much, of a batch Arrow's columns up to 3 times as much.
_MOST_OF_A_PAYLOAD: Final = 1024 * 1024
_MOST_OF_A_BATCH: Final = 128 * 1024 * 1024
# A row costs so much for each of its columns, however short its payload.
_BYTES_OF_A_VALUE: Final = 16
# Decoded at a time: Python's objects of so many payloads are in memory together.
_MOST_OF_A_PART: Final = 4 * 1024 * 1024
# A decoder raises none of them on any bytes; if one does, workers lose one record by it, not the job.
UNFORESEEN: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    pa.ArrowException,
)


def decode_in_driver(
    records: pa.Table, schema: pa.Schema, payload: PayloadFormat, watch: CaseWatch | None = None
) -> pa.RecordBatch | None:
    """Decode the payloads of `records` as `decode` does, in this process; None if that is for workers to do.

    Columns in: those of a record; each payload has one event.
    Columns out: those of `schema`; `_record`, `_reason`, `_detail`.

    Args:
        records: What the driver has fetched.
        schema: The events' columns.
        payload: What the payloads are.
        watch: As in `decode`.
    """
    columns = nullable(schema)
    weight, width = max(1, _repeated(columns)), sum(map(_leaves, columns.types))
    most, left = _MOST_OF_A_PAYLOAD // weight, _MOST_OF_A_BATCH - records.num_rows * width * _BYTES_OF_A_VALUE
    sizes = pc.binary_length(records["data"])
    if not records.num_rows or (pc.max(sizes).as_py() or 0) > most or (pc.sum(sizes).as_py() or 0) * weight > left:
        return None
    decoder = PayloadDecoder(columns, replace(payload, max_unpacked_bytes=min(payload.max_unpacked_bytes, most)))
    parts = []
    try:
        for part in _decoded(records, decoder, columns, _MOST_OF_A_PART // weight):
            # By the bound that is made for this process, not by the user's.
            is_too_large = RejectReason.TOO_LARGE.value in part.column(REASON_COLUMN).to_pylist()
            if decoder.decoded_bytes * weight > left or is_too_large:
                return None
            if watch is not None:
                watch.look(part.column(EVENT_COLUMN), decoder.take_case_twins())
            parts.append(part)
    except UNFORESEEN as error:
        log.warning("a payload can't be decoded here, workers find out which: %s", type(error).__name__)
        return None
    (whole,) = pa.Table.from_batches(parts).combine_chunks().to_batches()
    place = pa.StructArray.from_arrays([whole.column(name) for name in RECORD_FIELDS], fields=list(RECORD_SCHEMA))
    event: Any = whole.column(EVENT_COLUMN)
    return pa.RecordBatch.from_arrays(
        [*event.flatten(), place, whole.column(REASON_COLUMN), whole.column(DETAIL_COLUMN)],
        schema=pa.schema(
            [
                *columns,
                pa.field(RECORD_COLUMN, place.type),
                pa.field(REASON_COLUMN, pa.string()),
                pa.field(DETAIL_COLUMN, pa.string()),
            ]
        ),
    )


def _decoded(
    records: pa.Table, decoder: PayloadDecoder, columns: pa.Schema, part_bytes: int
) -> Iterator[pa.RecordBatch]:
    for batch in records.to_batches():
        yield from decode_batch(batch, decoder, columns, part_bytes)


def _leaves(data_type: pa.DataType) -> int:
    match data_type:
        case pa.ListType():
            return _leaves(data_type.value_type)
        case pa.MapType():
            return _leaves(data_type.key_type) + _leaves(data_type.item_type)
        case pa.StructType():
            return sum(_leaves(field.type) for field in data_type)
    return 1


def _repeated(fields: pa.Schema | pa.StructType) -> int:
    """Return how many values an element of the columns' lists and maps has, the widest one: `{}` may be one."""
    widths = [0]
    for field in fields:
        if isinstance(field.type, pa.ListType | pa.MapType):
            widths.append(_leaves(field.type))
        elif isinstance(field.type, pa.StructType):
            widths.append(_repeated(field.type))
    return max(widths)
