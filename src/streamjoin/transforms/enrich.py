"""Events joined with one reference: a broadcast join that keeps every event, and never makes two of one."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.transforms.events import UNMATCHED_COLUMN, Events, Judgement

_JOIN_PREFIX = "_reference_"
_MATCHED = "_matched"


def enrich(
    events: DataFrame | Events,
    reference: DataFrame,
    *,
    on: Mapping[str, str],
    columns: Sequence[str],
    how: Literal["left", "inner"] = "left",
    name: str = "reference",
) -> Events:
    """Add the columns of `reference` to every event.

    Columns in: of `events`, those that `on` names; of `reference`, its join columns and `columns`, one row a join key.
    Columns out: the event's, and `columns`, null where nothing matched; `name` in
    `_unmatched` there.

    Args:
        events: Decoded events, or any frame.
        reference: One version of the reference, the same for the whole batch. More than one row for a join key would
            double events: `load_reference` makes sure that there is one.
        on: Event column to reference column; several make a composite key. A null matches nothing.
        columns: The columns of `reference` to add.
        how: With `inner`, an event without a match is rejected as UNMATCHED_REFERENCE, not lost.
        name: The reference's name in counts and dead letters.

    Raises:
        SchemaError: A join column is missing, or its two sides can't be compared exactly.
    """
    events = Events.of(events)
    keys = {column: f"{_JOIN_PREFIX}{attribute}" for column, attribute in on.items()}
    renamed = reference.select(
        *(
            _comparable(events.frame, reference, column, attribute).alias(keys[column])
            for column, attribute in on.items()
        ),
        *(F.col(f"`{added}`") for added in columns),
        F.lit(True).alias(_MATCHED),
    )
    condition = None
    for column, key in keys.items():
        equal = F.col(f"`{column}`") == F.col(f"`{key}`")
        condition = equal if condition is None else condition & equal
    joined = Events(events.frame.join(F.broadcast(renamed), condition, "left"))
    unmatched = F.col(_MATCHED).isNull()
    names = F.when(unmatched, F.concat(UNMATCHED_COLUMN, F.array(F.lit(name)))).otherwise(F.col(UNMATCHED_COLUMN))
    missing = Judgement(
        unmatched, RejectReason.UNMATCHED_REFERENCE, F.lit(f"no row of reference '{name}' for {', '.join(on)}")
    )
    marked = joined.judge([missing] if how == "inner" else [], {UNMATCHED_COLUMN: names})
    return Events(marked.frame.drop(*keys.values(), _MATCHED))


def _comparable(events: DataFrame, reference: DataFrame, column: str, attribute: str) -> Column:
    """Return the reference's side of the join, in a type that is equal to the event's exactly when the values are."""
    try:
        left, right = events.schema[column].dataType, reference.schema[attribute].dataType
    except KeyError as error:
        message = (
            f"join {column} = {attribute}: there is no column {error}; `on` maps event columns to reference columns"
        )
        raise SchemaError(message) from error
    found = F.col(f"`{attribute}`")
    if left == right or (isinstance(left, T.NumericType) and isinstance(right, T.NumericType)):
        return found
    if isinstance(left, T.StringType) and isinstance(right, T.IntegralType):
        return found.cast("string")
    if isinstance(right, T.StringType) and isinstance(left, T.IntegralType):
        # Only a text that is the number's own form is equal to it: "007" is not 7.
        number = found.cast(left)
        return F.when(number.cast("string") == found, number)
    message = (
        f"join {column} = {attribute}: the event's {left.simpleString()} can't be compared with the reference's "
        f"{right.simpleString()}; declare one of them otherwise in payload.schema or the reference's schema"
    )
    raise SchemaError(message)
