"""The columns of the table: derived, dropped, selected."""

from collections.abc import Mapping, Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F

from streamjoin.errors import SchemaError
from streamjoin.records.events import Events


def derive(events: Events, expressions: Mapping[str, str]) -> Events:
    """Add a column for each SQL expression, in order: a later one sees the earlier ones.

    Raises:
        SchemaError: An expression can't be parsed, or names a column that isn't there.
    """
    for name, expression in expressions.items():
        try:
            events = events.with_columns({name: F.expr(expression)})
        except (AnalysisException, ParseException) as error:
            message = f"output.derive.{name}: {expression!r} can't be used: {_first_line(error)}"
            raise SchemaError(message) from error
    return events


def output_columns(found: Sequence[str], *, drop: Sequence[str] = (), select: Sequence[str] | None = None) -> list[str]:
    """Return the names of the columns that are written, in the table's order."""
    return list(select) if select is not None else [c for c in found if c not in set(drop)]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
