"""Items that can't become rows, as dead letters: known by table, segment and item, so that a repeat changes nothing."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.dynamodb.read.item_files import ITEM
from streamjoin.dynamodb.service import unpack
from streamjoin.letters.columns import DETAIL, REASON
from streamjoin.records.change_columns import ITEM_KEY
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, RECORD_COLUMN, Events
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.spark.schema import to_spark
from streamjoin.spark.workers import map_batches

_LETTER: Final = pa.schema([*RECORD_SCHEMA, pa.field(REASON, pa.string()), pa.field(DETAIL, pa.string())])
_NUMBER_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def item_id(record: str | None = None) -> Column:
    """Return what a staged item is known by until it is written: its content, of which no Python need make sense.

    Args:
        record: The struct that has the columns of a record. Default: the frame has them itself.
    """
    return F.col("sequence_number" if record is None else f"{record}.sequence_number")


def letters_of(rejected: Events, items: DataFrame, *, stream: str, noted_us: int) -> DataFrame:
    """Return the dead letters of the rejected ones among `items`.

    Columns in: of `rejected` `_item_key` (null: it could not be told), `_record` and the verdict; `items` as
        `items_of` gives them.
    Columns out: those of a record, `reason`, `detail`. `shard_id` is `segment-<n>`, `sequence_number` a number that
        stands for the item's key, or for all of the item if it has none, `data` the item in DynamoDB JSON, as a line of
        an export.

    Args:
        rejected: Judged rows.
        items: What they were made of.
        stream: The table's ARN.
        noted_us: When the items count as having arrived.
    """
    verdicts = rejected.frame.where(F.col(REASON_COLUMN).isNotNull()).select(
        item_id(RECORD_COLUMN), ITEM_KEY, F.col(REASON_COLUMN).alias(REASON), F.col(DETAIL_COLUMN).alias(DETAIL)
    )
    found = items.join(verdicts, "sequence_number")
    return map_batches(found, _letters(stream, _EPOCH + timedelta(microseconds=noted_us)), to_spark(_LETTER))


def _letters(stream: str, arrived: datetime) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_letter(row, stream, arrived) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist(rows, schema=_LETTER)

    return make


def _letter(row: Mapping[str, Any], stream: str, arrived: datetime) -> Mapping[str, object]:
    known_by = row[ITEM] if row[ITEM_KEY] is None else row[ITEM_KEY].encode()
    digest = hashlib.sha256(known_by).digest()[:_NUMBER_BYTES]
    return {
        "stream": stream,
        "shard_id": row["shard_id"],
        "sequence_number": str(int.from_bytes(digest, "big")),
        "sub_sequence_number": 0,
        "partition_key": None,
        "approximate_arrival_timestamp": arrived,
        # Binary becomes base64, as in an export.
        "data": msgspec.json.encode({"Item": unpack(row[ITEM])}),
        REASON: row[REASON],
        DETAIL: row[DETAIL],
    }
