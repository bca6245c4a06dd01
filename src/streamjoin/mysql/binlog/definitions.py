"""What a binlog without names doesn't say of columns, from a definition of the table that is known to be of that place.

MySQL 5.7 has no `binlog_row_metadata`, and MySQL 8 has it MINIMAL by default: then the binlog has the types of columns,
their lengths and some signs, and nothing else.
"""

import re
from collections.abc import Sequence

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.mysql.binlog.charsets import BINARY_COLLATION
from streamjoin.mysql.binlog.column_types import ColumnType
from streamjoin.mysql.binlog.raw_columns import RawColumn

_TYPES: dict[str, set[int]] = {
    "tinyint": {ColumnType.TINY},
    "smallint": {ColumnType.SHORT},
    "mediumint": {ColumnType.INT24},
    "int": {ColumnType.LONG},
    "bigint": {ColumnType.LONGLONG},
    "year": {ColumnType.YEAR},
    "float": {ColumnType.FLOAT},
    "double": {ColumnType.DOUBLE},
    "decimal": {ColumnType.NEWDECIMAL},
    "char": {ColumnType.STRING},
    "binary": {ColumnType.STRING},
    "varchar": {ColumnType.VARCHAR, ColumnType.VAR_STRING},
    "varbinary": {ColumnType.VARCHAR, ColumnType.VAR_STRING},
    "enum": {ColumnType.ENUM},
    "set": {ColumnType.SET},
    "bit": {ColumnType.BIT},
    "vector": {ColumnType.VECTOR, ColumnType.BLOB},
    # MariaDB's JSON is a text.
    "json": {ColumnType.JSON, ColumnType.BLOB},
    "date": {ColumnType.DATE},
    # Columns from before MySQL 5.6 keep their old form until the table is altered.
    "time": {ColumnType.TIME2, ColumnType.TIME},
    "datetime": {ColumnType.DATETIME2, ColumnType.DATETIME},
    "timestamp": {ColumnType.TIMESTAMP2, ColumnType.TIMESTAMP},
}
# Their names are many (`mediumtext`, `geometrycollection`), their form is one.
_OF_KIND: dict[ColumnKind, set[int]] = {
    ColumnKind.TEXT: {ColumnType.BLOB},
    ColumnKind.BINARY: {ColumnType.BLOB, ColumnType.GEOMETRY},
}

_MEMBER = re.compile(r"'((?:[^'\\]|''|\\.)*)'", re.DOTALL)
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES = {"0": "\0", "n": "\n", "r": "\r"}


class OtherDefinitionError(ValueError):
    """Rows of the binlog have other columns than the definition."""


def complete(columns: Sequence[RawColumn], table: SourceTable) -> list[int]:
    """Put names, signs, character sets and members into `columns`; return the primary key's indexes.

    Columns of the server's own, which stand behind those of the table and are in no definition, get a name that hides
    them.

    Raises:
        OtherDefinitionError: The table has more columns, or columns of other types.
    """
    if len(columns) < len(table.columns):
        message = f"a row of '{table}' has {len(columns)} columns in the binlog, and the table has {len(table.columns)}"
        raise OtherDefinitionError(message)
    for column, known in zip(columns, table.columns, strict=False):
        if column.type not in _types(known):
            message = (
                f"column '{known.name}' of '{table}' has the type {ColumnType.name_of(column.type)} in the binlog, and "
                f"is declared '{known.declared}'"
            )
            raise OtherDefinitionError(message)
        declared = known.declared.lower()
        column.name, column.charset = known.name, known.charset
        column.unsigned = "unsigned" in declared or "zerofill" in declared
        if known.kind in (ColumnKind.ENUM, ColumnKind.SET):
            # The declaration is in UTF-8, whatever the column's character set is.
            column.charset, column.collation, column.members = None, BINARY_COLLATION, members(known.declared)
    for index, column in enumerate(columns[len(table.columns) :]):
        column.name = f"!hidden!{index}"
    return [table.column_names.index(name) for name in table.primary_key]


def _types(column: SourceColumn) -> set[int]:
    word = re.split(r"[( ]", column.declared.lower(), maxsplit=1)[0]
    return _TYPES.get(word) or _OF_KIND.get(column.kind, set())


def members(declared: str) -> list[bytes]:
    """Return the members of `enum('a','b')` or `set('a','b')`, in UTF-8.

    Source: append_unescaped() of MySQL's server, by which it writes them.
    """
    found = (_ESCAPED.sub(_unescaped, member) for member in _MEMBER.findall(declared))
    return [member.encode() for member in found]


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    return "'" if escaped is None else _ESCAPES.get(escaped, escaped)
