"""The order of events with one record key: one number decides, on a tie the place in the shard."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.events import REASON_COLUMN, RECORD_COLUMN, SUPERSEDED_COLUMN, Events, Judgement
from streamjoin.records.times import to_instant
from streamjoin.schema.columns import SEQUENCE_NUMBER_DIGITS

# One bigint: text compares wrongly ("2/15/11" beats "12/2/12"), and later Hudi versions fail on dates.
ORDERING_COLUMN = "_ordering_us"
# Written beside it: a tie is decided by it when a dead letter comes back later, and a row can be traced to its record.
SEQUENCE_COLUMN = "_sequence_number"


def require_key(events: Events, record_key: Sequence[str]) -> Events:
    """Reject events whose record key has a null or empty part, as MISSING_RECORD_KEY."""
    judgements = []
    for column in record_key:
        value = F.col(f"`{column}`")
        detail = F.lit(f"column '{column}' of the record key is null or empty")
        empty = value.isNull() | (value.cast("string") == "")
        judgements.append(Judgement(empty, RejectReason.MISSING_RECORD_KEY, detail))
    return events.judge(judgements)


def with_ordering(events: Events, column: str | None = None, format: str | None = None) -> Events:
    """Add the ordering field; reject events that have none, as INVALID_ORDERING.

    Columns in: `column`, or of `_record` the arrival time.
    Columns out: `_ordering_us` (bigint): microseconds since 1970, or the integer itself.

    Args:
        events: Decoded events.
        column: What orders the events of one record key: a string with a time, a date, a timestamp, or an integer.
            Default: when the record arrived.
        format: Pattern of a string column; default: ISO 8601.

    Raises:
        SchemaError: The column's type has no exact order as a bigint.
    """
    if column is None:
        arrived = F.unix_micros(F.col(f"{RECORD_COLUMN}.approximate_arrival_timestamp"))
        return events.with_columns({ORDERING_COLUMN: F.coalesce(arrived, F.lit(0).cast("bigint"))})
    found, data_type = F.col(f"`{column}`"), events.frame.schema[column].dataType
    if isinstance(data_type, T.IntegralType):
        value = found.cast("bigint")
    else:
        try:
            value = F.unix_micros(to_instant(found, data_type, format=format))
        except SchemaError as error:
            message = (
                f"sink.hudi.ordering.column '{column}': {error}; "
                "use a string with a time, a date, a timestamp or an integer"
            )
            raise SchemaError(message) from error
    expected = f"a time in the format {format}" if format else "a value to order by"
    detail = F.concat(
        F.lit(f"column '{column}': expected {expected}, found "), F.coalesce(found.cast("string"), F.lit("null"))
    )
    return events.judge([Judgement(value.isNull(), RejectReason.INVALID_ORDERING, detail)], {ORDERING_COLUMN: value})


def with_sequence_number(events: Events) -> Events:
    """Add the place of each event's record in its shard.

    Columns in: `_record`.
    Columns out: `_sequence_number` (string): the record's sequence number; of an aggregated record `<number>/<n>`, n
        being the place in it, but for the first (0). Null if the record is not of a stream.
    """
    number = F.col(f"{RECORD_COLUMN}.sequence_number")
    sub = F.col(f"{RECORD_COLUMN}.sub_sequence_number")
    return events.with_columns({SEQUENCE_COLUMN: F.when(sub > 0, F.concat(number, F.lit("/"), sub)).otherwise(number)})


def sequence_order(number: Column) -> Column:
    """Return what orders values of `_sequence_number` as their records are in a shard; null for a null.

    Both parts are compared as numbers: text order would put "99" after "100", and "7/10" before "7/9".
    """
    parts = F.split(number, "/")
    sub = F.coalesce(F.get(parts, F.lit(1)).cast("bigint"), F.lit(0))
    padded = F.lpad(F.get(parts, F.lit(0)), SEQUENCE_NUMBER_DIGITS, "0")
    return F.when(number.isNotNull(), F.struct(padded.alias("number"), sub.alias("sub")))


def mark_superseded(events: Events, record_key: Sequence[str]) -> Events:
    """Mark all but the newest event of each record key.

    Columns in: the record key, `_ordering_us`, `_sequence_number`, `_record`.
    Columns out: the same; `_superseded` is true if a newer event of the same key is in the frame.

    The greatest ordering value wins; on a tie the one later in its shard, which has the greater sequence number. Of
    records without a place the greater bytes win, of one record's events the last: so that a repeat chooses the same.
    """
    rejected = F.col(REASON_COLUMN).isNotNull()
    place = [F.col(f"{RECORD_COLUMN}.{part}") for part in ("shard_id", "sequence_number", "sub_sequence_number")]
    # Rejected rows have no key: spread by their place, else they would all meet in one task.
    group = [
        *(F.when(~rejected, F.col(f"`{column}`")) for column in record_key),
        rejected,
        *(F.when(rejected, part) for part in place),
    ]
    without_place = [
        F.when(F.col(SEQUENCE_COLUMN).isNull(), F.col(f"{RECORD_COLUMN}.{part}")).desc_nulls_last()
        for part in ("data", "sub_sequence_number")
    ]
    newest_first = [
        F.col(ORDERING_COLUMN).desc(),
        sequence_order(F.col(SEQUENCE_COLUMN)).desc_nulls_last(),
        *without_place,
    ]
    rank = F.row_number().over(Window.partitionBy(*group).orderBy(*newest_first))
    return events.with_columns({SUPERSEDED_COLUMN: ~rejected & (rank > 1)})


def superseded(
    keys: Sequence[tuple[object, ...]], kept: Sequence[bool], ranks: Sequence[tuple[int, str | None]]
) -> list[bool]:
    """Tell of each event of a batch whether a newer one of its record key is there, as `mark_superseded` marks them.

    Args:
        keys: Their record keys.
        kept: Which of them are not rejected.
        ranks: Their `_ordering_us` and `_sequence_number`.
    """
    newest = dict[tuple[object, ...], tuple[tuple[int, str, int], int]]()
    old = [False] * len(keys)
    for place, (parts, is_kept, (ordering, sequence)) in enumerate(zip(keys, kept, ranks, strict=True)):
        if not is_kept:
            continue
        # In Python no NaN is equal to another one, in Spark each is.
        key = tuple("NaN" if part != part else part for part in parts)  # noqa: PLR0124
        number, _, sub = (sequence or "").partition("/")
        rank = (ordering, number.zfill(SEQUENCE_NUMBER_DIGITS), int(sub or 0))
        before = newest.get(key)
        if before is not None:
            old[before[1] if rank > before[0] else place] = True
        if before is None or rank > before[0]:
            newest[key] = rank, place
    return old


def keep_latest(
    events: DataFrame | Events,
    record_key: Sequence[str],
    *,
    ordering: str | None = None,
    format: str | None = None,
) -> DataFrame:
    """Keep the newest event of each record key.

    Columns in: the record key; `ordering`, or `_ordering_us` if it is there; for ties `_sequence_number`,
        or `_record` if it is known.
    Columns out: the event's own, `_ordering_us` and `_sequence_number`, as a job's table has them; one row a record
        key. Events without a key or an ordering are not among them: `require_key` and `with_ordering` reject them with
        a reason.

    Args:
        events: Decoded or enriched events, or any frame.
        record_key: The columns that identify a row.
        ordering: The column that orders the events of one key. Default: `_ordering_us`, else when the record arrived.
        format: Pattern of a string column; default: ISO 8601.
    """
    events = require_key(Events.of(events), record_key)
    if ordering is not None or ORDERING_COLUMN not in events.columns:
        events = with_ordering(events, ordering, format)
    if SEQUENCE_COLUMN not in events.columns:
        events = with_sequence_number(events)
    return mark_superseded(events, record_key).latest
