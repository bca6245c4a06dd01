"""Frames of any source as the records of a batch, by the names that Spark's sources give their columns."""

from collections.abc import Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import SchemaError
from streamjoin.spark.frames import quoted
from streamjoin.spark.schema import RECORD_STRUCT

# What a record's column may be called, the best name first: ours; of the Kinesis connectors of AWS and Databricks; of
# Spark's Kafka source; of Glue's. Columns of other names are left alone.
NAMES: Final[Mapping[str, Sequence[str]]] = {
    "data": ("data", "value"),
    "stream": ("stream", "streamName", "topic"),
    "shard_id": ("shard_id", "shardId", "partition"),
    "sequence_number": ("sequence_number", "sequenceNumber", "offset"),
    "sub_sequence_number": ("sub_sequence_number", "subSequenceNumber"),
    "partition_key": ("partition_key", "partitionKey", "key"),
    "approximate_arrival_timestamp": (
        "approximate_arrival_timestamp",
        "approximateArrivalTimestamp",
        "timestamp",
        "__src_timestamp",
    ),
}
_TEXT: Final = (T.StringType, T.BinaryType, T.IntegralType)
# What each may be, as far as it is not what a record has. Times of other types would be guesses.
_TYPES: Final[Mapping[str, tuple[type[T.DataType], ...]]] = {
    "data": (T.BinaryType, T.StringType),
    "approximate_arrival_timestamp": (T.TimestampType, T.TimestampNTZType, T.StringType),
    "sub_sequence_number": (T.IntegralType,),
}


def records_of(frame: DataFrame) -> DataFrame:
    """Return the records that a frame holds.

    A record has a place if its number is known. One of Kafka counts only beside its partition: without, records of two
    partitions would have one place.

    Columns in: `data` (or `value`), binary or string; of `NAMES` what is there.
    Columns out: those of a record; what the frame doesn't have is null.

    Raises:
        SchemaError: There is no payload, or a column has another type.
    """
    found = {name: next((each for each in names if each in frame.columns), None) for name, names in NAMES.items()}
    if found["data"] is None:
        message = (
            f"the frame of a streaming query has no column 'data' (binary or string), nor 'value'; found "
            f"{_listed(frame.schema.fields)}. Select the payload as 'data'; of columns that are parsed already: "
            "to_json(struct(*)) as data"
        )
        raise SchemaError(message)
    if found["sequence_number"] == "offset" and found["shard_id"] is None:
        found["sequence_number"] = None
    if wrong := [
        field
        for name, column in found.items()
        if column is not None and not isinstance((field := frame.schema[column]).dataType, _TYPES.get(name, _TEXT))
    ]:
        message = (
            f"the frame of a streaming query: found {_listed(wrong)}; expected a payload of binary or string, a time "
            "of timestamp, and text or whole numbers for the rest. Rename or drop what is something else"
        )
        raise SchemaError(message)
    return frame.select(*(_cast(found[field.name], field) for field in RECORD_STRUCT.fields)).withColumn(
        "sub_sequence_number",
        F.when(F.col("sequence_number").isNotNull(), F.coalesce("sub_sequence_number", F.lit(0).cast("bigint"))),
    )


def _cast(column: str | None, field: T.StructField) -> Column:
    found = F.lit(None) if column is None else F.col(quoted(column))
    return found.cast(field.dataType).alias(field.name)


def _listed(fields: Sequence[T.StructField]) -> str:
    return ", ".join(f"'{field.name}' ({field.dataType.simpleString()})" for field in fields) or "no column"
