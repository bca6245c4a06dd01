"""Columns of any time-like type to one timestamp, invalid values to null."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import SchemaError

# A bare time of day is not a time: Spark would take today's date for it.
_ISO_START = r"^[+-]?\d{4}-\d{2}-\d{2}"
# From these magnitudes on an epoch number is in ms, and in microseconds: 1e11 s is the year 5138, 1e11 ms is 1973.
_FIRST_MS, _FIRST_US = 10**11, 10**14


def to_instant(column: Column, data_type: T.DataType, *, format: str | None = None) -> Column:
    """Return `column` as a timestamp in UTC; what isn't one is null.

    Args:
        column: A string (ISO 8601, or in `format`), an integer (epoch in s, ms or microseconds), a date or a timestamp.
        data_type: The column's type.
        format: Pattern of a string column, as Spark's datetime patterns.

    Raises:
        SchemaError: The type has no time in it.
    """
    match data_type:
        case T.TimestampType() | T.TimestampNTZType() | T.DateType():
            return column.cast("timestamp")
        case T.StringType():
            if format is not None:
                return F.to_timestamp(column, format)
            return F.when(column.rlike(_ISO_START), F.to_timestamp(column))
        case T.LongType() | T.IntegerType():
            number, size = column.cast("bigint"), F.abs(column.cast("bigint"))
            return (
                F.when(size >= _FIRST_US, F.timestamp_micros(number))
                .when(size >= _FIRST_MS, F.timestamp_millis(number))
                .otherwise(F.timestamp_seconds(number))
            )
    message = f"no time can be read from a column of type '{data_type.simpleString()}'"
    raise SchemaError(message)
