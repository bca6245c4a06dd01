"""Events joined with one reference: a join that keeps every event, and never makes two of one."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.events import UNMATCHED_COLUMN, Events, Judgement, is_deletion
from streamjoin.reference.probe import KeyedRows

_JOIN_PREFIX = "_reference_"
_MATCHED = "_matched"


def enrich(
    events: DataFrame | Events,
    reference: DataFrame | KeyedRows,
    *,
    on: Mapping[str, str],
    columns: Sequence[str],
    how: Literal["left", "inner"] = "left",
    name: str = "reference",
) -> Events:
    """Add the columns of `reference` to every event.

    Columns in: of `events`, those that `on` names; of `reference`, its join columns and `columns`, one row a join key.
    Columns out: the event's, and `columns`, null if nothing matched; `name` in
    `_unmatched` there.

    Args:
        events: Decoded events, or any frame.
        reference: One version of the reference, the same for the whole batch: a frame, which is broadcast, or rows that
            executors hold. More than one row for a join key would double events: `load_reference` makes sure that there
            is one.
        on: Event column to reference column; several make a composite key. A null matches nothing.
        columns: The columns of `reference` to add.
        how: With `inner`, an event without a match is rejected as UNMATCHED_REFERENCE, not lost.
        name: The reference's name in counts and dead letters.

    Raises:
        SchemaError: A join column is missing, or its two sides can't be compared exactly.
    """
    events = Events.of(events)
    check_comparable(events.frame.schema, reference.schema, on)
    if isinstance(reference, KeyedRows):
        joined = Events(reference.attach(events.frame, on, columns, _MATCHED))
    else:
        joined = _broadcast_join(events, reference, on, columns)
    return mark_unmatched(joined, on, how=how, name=name)


def mark_unmatched(
    joined: Events, on: Mapping[str, str], *, how: Literal["left", "inner"], name: str, matched: str = _MATCHED
) -> Events:
    """Say of joined events which had no row of the reference; the arguments are those of `enrich`.

    Columns in: `matched` (boolean; a null counts as false).
    Columns out: the others.
    """
    found = F.coalesce(F.col(matched), F.lit(False))
    # What deletes its row needs nothing of a reference.
    unmatched = ~found & ~is_deletion(joined.frame)
    names = F.when(unmatched, F.concat(UNMATCHED_COLUMN, F.array(F.lit(name)))).otherwise(F.col(UNMATCHED_COLUMN))
    missing = Judgement(
        unmatched, RejectReason.UNMATCHED_REFERENCE, F.lit(f"no row of reference '{name}' for {', '.join(on)}")
    )
    marked = joined.judge([missing] if how == "inner" else [], {UNMATCHED_COLUMN: names})
    return Events(marked.frame.drop(matched))


def _broadcast_join(events: Events, reference: DataFrame, on: Mapping[str, str], columns: Sequence[str]) -> Events:
    keys = {column: f"{_JOIN_PREFIX}{attribute}" for column, attribute in on.items()}
    renamed = reference.select(
        *(
            _comparable(events.frame.schema[column].dataType, reference, attribute).alias(keys[column])
            for column, attribute in on.items()
        ),
        *(F.col(f"`{added}`") for added in columns),
        F.lit(True).alias(_MATCHED),
    )
    condition = None
    for column, key in keys.items():
        equal = F.col(f"`{column}`") == F.col(f"`{key}`")
        condition = equal if condition is None else condition & equal
    return Events(events.frame.join(F.broadcast(renamed), condition, "left").drop(*keys.values()))


def _comparable(left: T.DataType, reference: DataFrame, attribute: str) -> Column:
    """Return the reference's side of the join, in a type that is equal to the event's exactly when the values are."""
    found, right = F.col(f"`{attribute}`"), reference.schema[attribute].dataType
    if isinstance(left, T.StringType) and isinstance(right, T.IntegralType):
        return found.cast("string")
    if isinstance(right, T.StringType) and isinstance(left, T.IntegralType):
        # Only a text that is the number's own form is equal to it: "007" is not 7.
        number = found.cast(left)
        return F.when(number.cast("string") == found, number)
    return found


def check_comparable(events: T.StructType, reference: T.StructType, on: Mapping[str, str]) -> None:
    """Make sure that the columns of a join can be compared.

    Raises:
        SchemaError: One is missing, or its two sides can't be compared exactly.
    """
    for column, attribute in on.items():
        _check_pair(events, reference, column, attribute)


def _check_pair(events: T.StructType, reference: T.StructType, column: str, attribute: str) -> None:
    try:
        left, right = events[column].dataType, reference[attribute].dataType
    except KeyError as error:
        message = (
            f"join {column} = {attribute}: there is no column {error}; `on` maps event columns to reference columns"
        )
        raise SchemaError(message) from error
    both = (left, right)
    numbers = all(isinstance(each, T.NumericType) for each in both)
    texts_and_integers = all(isinstance(each, T.StringType | T.IntegralType) for each in both)
    if left != right and not numbers and not texts_and_integers:
        message = (
            f"join {column} = {attribute}: the event's {left.simpleString()} can't be compared with the reference's "
            f"{right.simpleString()}; declare one of them otherwise in payload.schema or the reference's schema"
        )
        raise SchemaError(message)
