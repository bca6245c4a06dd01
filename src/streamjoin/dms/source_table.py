"""What is known of a table that is replicated, and what its columns' values are."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

Value: TypeAlias = int | float | Decimal | str | bytes | None
"""A column's value, the same from a full load and from the binlog.

Integers, YEAR and BIT are int; DECIMAL is Decimal with the column's scale; text, ENUM, SET (members joined by commas)
and JSON (compact text) are str; binary is bytes; DATE, TIME, DATETIME and TIMESTAMP (in UTC) are the server's text,
with the digits of a second that the column has.
"""


class ColumnKind(StrEnum):
    """What a column is, as far as an item cares."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    TEXT = "text"
    ENUM = "enum"
    SET = "set"
    JSON = "json"
    BINARY = "binary"
    BIT = "bit"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    TIMESTAMP = "timestamp"


@dataclass(frozen=True)
class SourceColumn:
    """A column.

    Args:
        name: As the server spells it.
        kind: What its values are.
        declared: The server's own words for the type, such as `int(10) unsigned`.
        charset: The server's name for the character set of its texts, as far as it was asked; None if it has none.
    """

    name: str
    kind: ColumnKind
    declared: str = ""
    charset: str | None = None


@dataclass(frozen=True)
class SourceTable:
    """A table.

    Args:
        schema: Its database.
        name: Its own name.
        columns: In the table's order.
        primary_key: Column names in the key's order; empty if it has none.
        problems: Why its rows can't be read from the binlog, a line each.
    """

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    problems: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def __str__(self) -> str:
        return table_name(self.schema, self.name)


def table_name(schema: str, name: str) -> str:
    """Return what a table is called: `schema.table`; a schema with a dot has backticks, to be told from the table's."""
    if "." in schema or schema.startswith("`"):
        schema = f"`{schema.replace('`', '``')}`"
    return f"{schema}.{name}"


def schema_and_table(name: str) -> tuple[str, str]:
    """Return the schema and the table's own name of what `table_name` gave."""
    if not name.startswith("`"):
        schema, _, table = name.partition(".")
        return schema, table
    schema, _, table = name[1:].replace("``", "\0").partition("`.")
    return schema.replace("\0", "`"), table.replace("\0", "``")
