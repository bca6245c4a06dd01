"""Items that can't become rows, as dead letters: known by table, segment and item, so that a repeat changes nothing."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.dynamodb.change_records import item_key
from streamjoin.dynamodb.read.item_files import ITEM
from streamjoin.dynamodb.service import Item, unpack
from streamjoin.records.change_columns import ITEM_KEY
from streamjoin.records.events import DETAIL_COLUMN, REASON_COLUMN, Events
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.spark.schema import to_spark

_SEGMENT: Final = "_segment"
_KEYED_RECORD: Final = pa.schema([pa.field(ITEM_KEY, pa.string()), *RECORD_SCHEMA])
_NUMBER_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def letters_of(
    rejected: Events, items: DataFrame, *, stream: str, key_names: tuple[str, ...], noted_us: int
) -> DataFrame:
    """Return the dead letters of the rejected ones among `items`.

    Columns in: of `rejected` `_item_key` and the verdict; of `items` `item`, and it is read from the staged files.
    Columns out: those of a record, `reason`, `detail`. `shard_id` is `segment-<n>`, `sequence_number` a number that
        stands for the item's key, `data` the item in DynamoDB JSON, as a line of an export.

    Args:
        rejected: Judged rows.
        items: What they were made of.
        stream: The table's ARN.
        key_names: The attributes of its primary key.
        noted_us: When the items count as having arrived.
    """
    verdicts = rejected.frame.where(F.col(REASON_COLUMN).isNotNull()).select(
        ITEM_KEY, F.col(REASON_COLUMN).alias("reason"), F.col(DETAIL_COLUMN).alias("detail")
    )
    segment = F.regexp_extract(F.input_file_name(), r"/(segment-\d+)/[^/]*$", 1)
    records = items.select(ITEM, segment.alias(_SEGMENT)).mapInArrow(
        _records(stream, key_names, noted_us), to_spark(_KEYED_RECORD)
    )
    return records.join(verdicts, ITEM_KEY).drop(ITEM_KEY)


def _records(
    stream: str, key_names: tuple[str, ...], noted_us: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    arrived = _EPOCH + timedelta(microseconds=noted_us)

    def make(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            segments = map(str, batch.column(_SEGMENT).to_pylist())
            rows = [
                letter_of(unpack(packed.as_py()), segment, stream, key_names, arrived)
                for packed, segment in zip(batch.column(ITEM), segments, strict=True)
            ]
            yield pa.RecordBatch.from_pylist(rows, schema=_KEYED_RECORD)

    return make


def letter_of(
    item: Item, segment: str, stream: str, key_names: tuple[str, ...], arrived: datetime
) -> Mapping[str, object]:
    """Return the item as a record, with its key."""
    key = item_key({name: item[name] for name in key_names})
    digest = hashlib.sha256(key.encode()).digest()[:_NUMBER_BYTES]
    return {
        ITEM_KEY: key,
        "stream": stream,
        "shard_id": segment,
        "sequence_number": str(int.from_bytes(digest, "big")),
        "sub_sequence_number": 0,
        "partition_key": None,
        "approximate_arrival_timestamp": arrived,
        # Binary becomes base64, as in an export.
        "data": msgspec.json.encode({"Item": item}),
    }
