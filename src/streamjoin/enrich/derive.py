"""Columns that `output.derive` adds: for an event for which an expression raises, the event is rejected."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, ParseException, PySparkException
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.letters.table import letter_id
from streamjoin.records.events import (
    DETAIL_COLUMN,
    REASON_COLUMN,
    RECORD_COLUMN,
    Events,
    Judgement,
    is_deletion,
)
from streamjoin.records.times import within_years
from streamjoin.spark.expressions import attempted
from streamjoin.spark.failures import error_name, first_line

TRIED: Final = "_tried"
"""What `tried` adds: a struct of one field `value`, null for an event for which the expression raises."""

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def derive(events: Events, expressions: Mapping[str, str]) -> Events:
    """Add a column for each SQL expression, in order: a later one sees the earlier ones.

    Reasons: EXPRESSION_FAILED, also of a date or time that is not of the years 1 to 9999. Of what deletes a row the
    column is null in its place.

    Raises:
        SchemaError: An expression can't be parsed, or names a column that isn't there.
    """
    for name, expression in expressions.items():
        found, data_type = tried(events, expression, f"output.derive.{name}: {expression!r}")
        value = F.col(f"{TRIED}.value")
        is_row = ~is_deletion(found.frame)
        failed = Judgement(F.col(TRIED).isNull() & is_row, RejectReason.EXPRESSION_FAILED, F.lit(_detail(name)))
        beyond = Judgement(
            _beyond_years(value, data_type),
            RejectReason.EXPRESSION_FAILED,
            F.lit(f"output.derive.{name}: the expression gives a time that is not of the years 1 to 9999"),
        )
        events = Events(found.judge([failed, beyond], {name: value}).frame.drop(TRIED))
    return events


def tried(events: Events, expression: str, named: str) -> tuple[Events, T.DataType]:
    """Return events with what an expression makes of each, in the column `TRIED`; and the expression's type.

    Args:
        events: What it is computed of.
        expression: SQL.
        named: The expression and its key, for the message.

    Raises:
        SchemaError: It can't be parsed, or names a column that isn't there.
    """
    try:
        found = events.with_columns({TRIED: attempted(F.expr(expression))})
    except (AnalysisException, ParseException) as error:
        message = f"{named} can't be used: {first_line(error)}"
        raise SchemaError(message) from error
    return found, found.frame.select(f"{TRIED}.value").schema[0].dataType


def with_errors(derived: Events, before: Events, expressions: Mapping[str, str]) -> Events:
    """Let the details of what `derive` rejected name the error: of each expression that of the first event.

    Args:
        derived: What `derive` made, and what was made of that.
        before: What was given to it.
        expressions: Those of `derive`.
    """
    detail, earlier = F.col(DETAIL_COLUMN), dict[str, str]()
    for name, expression in expressions.items():
        is_it = (F.col(REASON_COLUMN) == RejectReason.EXPRESSION_FAILED.value) & (F.col(DETAIL_COLUMN) == _detail(name))
        place = derived.frame.where(is_it).select(letter_id(RECORD_COLUMN)).head()
        if place is not None:
            one = Events(before.frame.where(letter_id(RECORD_COLUMN) == place[0]))
            error = _error_of(derive(one, earlier), expression)
            said = f"{_detail(name)}; of the first such event of the batch: {error}"
            detail = F.when(is_it, F.lit(said)).otherwise(detail)
        earlier[name] = expression
    return derived.with_columns({DETAIL_COLUMN: detail})


def _beyond_years(value: Column, data_type: T.DataType) -> Column:
    """Return whether a value is a date or a time that many readers of a table can't take."""
    match data_type:
        case T.DateType():
            first, last = (day.toordinal() - _EPOCH_DAY for day in (date.min, date.max))
            return ~F.unix_date(value).between(first, last)
        case T.TimestampType():
            return value.isNotNull() & within_years(value).isNull()
    return F.lit(False)


def _error_of(events: Events, expression: str) -> str:
    try:
        events.frame.select(F.expr(expression)).collect()
    except (PySparkException, Py4JError) as error:
        return error_name(error)
    return "none, when it was computed again"


def _detail(name: str) -> str:
    return f"output.derive.{name}: the expression raises an error for this event"
