"""Partition columns derived from a time in the event."""

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import RejectReason
from streamjoin.records.events import Events, Judgement, is_deletion
from streamjoin.records.times import to_instant, within_years

# NAME_MAX of Linux and macOS; the same on S3, where only the whole key is bounded, so that a table can be copied.
MAX_FOLDER_BYTES = 255
# Written as %XX in a path. Source: PartitionPathEncodeUtils of Hudi 1.0.2.
ESCAPED = r"[\x00-\x1f\x7f\"#%'*/:=?\\\\{}\[\]^]"


@dataclass(frozen=True)
class PartitionColumn:
    """How one partition column comes about.

    Args:
        name: The column, and the name in the path (`name=value`).
        source: The event column it is derived from; None: the event has the column itself.
        format: Pattern of the derived value, such as `yyyyMMdd`; None: the source's own text.
        zone: Time zone of the derived value.
    """

    name: str
    source: str | None = None
    format: str | None = None
    zone: str = "UTC"


def with_partitions(events: Events, columns: list[PartitionColumn], *, is_global: bool = True) -> Events:
    """Add the partition columns; reject events for which one has no value or no folder, as INVALID_PARTITION.

    Columns in: the sources.
    Columns out: a column a partition; derived ones are strings.

    Args:
        events: What gets them.
        columns: How they come about.
        is_global: Whether a row is found by its key alone: then what deletes one needs no value.
    """
    judgements, values = [], {}
    needs_none = is_deletion(events.frame) if is_global else F.lit(False)
    for column in columns:
        source = column.source or column.name
        found, data_type = F.col(f"`{source}`"), events.frame.schema[source].dataType
        value = found
        if column.format is not None:
            value = formatted(to_instant(found, data_type), column)
        else:
            if isinstance(data_type, T.DateType | T.TimestampType | T.TimestampNTZType):
                value = F.when(to_instant(found, data_type).isNotNull(), found)
            if column.source is not None:
                value = value.cast("string")
        if column.name not in events.frame.columns:
            # A step of its own: it is judged several times, and Spark would compile and compute each of them.
            events = events.with_columns({column.name: value})
            value = F.col(f"`{column.name}`")
        found_text = F.coalesce(found.cast("string"), F.lit("null"))
        expected = F.lit(f"partition column '{column.name}': no value from column '{source}', found ")
        empty = (value.isNull() | (value.cast("string") == "")) & ~needs_none
        judgements.append(Judgement(empty, RejectReason.INVALID_PARTITION, F.concat(expected, found_text)))
        size = folder_bytes(column.name, value.cast("string"))
        too_long = F.format_string(
            f"partition column '{column.name}': expected a folder of at most {MAX_FOLDER_BYTES} bytes, found %d", size
        )
        judgements.append(Judgement(size > MAX_FOLDER_BYTES, RejectReason.INVALID_PARTITION, too_long))
        values[column.name] = value
    return events.judge(judgements, values) if judgements else events


def formatted(instant: Column, partition: PartitionColumn) -> Column:
    """Return the text of a time in the partition's zone and format; null if its year there is not 1 to 9999."""
    return F.date_format(within_years(F.from_utc_timestamp(instant, partition.zone)), partition.format or "")


def folder_bytes(name: str, value: Column) -> Column:
    """Return how many bytes the folder `name=value` takes, escaped."""
    escaped = F.length(value) - F.length(F.regexp_replace(value, ESCAPED, ""))
    return F.lit(len(name.encode()) + 1) + F.octet_length(value) + 2 * escaped
