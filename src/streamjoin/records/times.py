"""Columns of any time-like type to one timestamp, invalid values to null."""

from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import SchemaError
from streamjoin.moments import FIRST_EPOCH_MS, FIRST_EPOCH_US, FIRST_US, ISO_FORM, LAST_US

_ISO: Final = rf"^{ISO_FORM}\z"
_MINUTE: Final = "[T ][0-9]{2}:[0-9]{2}(?!:)"


def to_instant(column: Column, data_type: T.DataType, *, format: str | None = None) -> Column:
    """Return `column` as a timestamp in UTC; what isn't one, or not of the years 1 to 9999, is null.

    Args:
        column: A string (ISO 8601 as `moments.iso_moment` takes it, or in `format`), an integer (epoch in s, ms or
            microseconds), a date or a timestamp.
        data_type: The column's type.
        format: Pattern of a string column, as Spark's datetime patterns.

    Raises:
        SchemaError: The type has no time in it.
    """
    return within_years(_instant(column, data_type, format))


def within_years(instant: Column) -> Column:
    """Return a timestamp that is of the years 1 to 9999, else null: others can't be read everywhere."""
    return F.when(F.unix_micros(instant).between(F.lit(FIRST_US), F.lit(LAST_US)), instant)


def _instant(column: Column, data_type: T.DataType, format: str | None) -> Column:
    match data_type:
        case T.TimestampType() | T.TimestampNTZType() | T.DateType():
            return column.cast("timestamp")
        case T.StringType():
            if format is not None:
                return F.to_timestamp(column, format)
            # Before a zone Spark wants the seconds too.
            return F.when(column.rlike(_ISO), F.to_timestamp(F.regexp_replace(column, _MINUTE, "$0:00")))
        case T.LongType() | T.IntegerType():
            number = column.cast("bigint")
            # Not by their absolute value: the lowest bigint has none, and as seconds it would end the job.
            return (
                F.when(~number.between(1 - FIRST_EPOCH_US, FIRST_EPOCH_US - 1), F.timestamp_micros(number))
                .when(~number.between(1 - FIRST_EPOCH_MS, FIRST_EPOCH_MS - 1), F.timestamp_millis(number))
                .otherwise(F.timestamp_seconds(number))
            )
    message = f"no time can be read from a column of type '{data_type.simpleString()}'"
    raise SchemaError(message)
