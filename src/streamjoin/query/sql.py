"""SQL on Arrow tables, by a DuckDB that reaches nothing else."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from streamjoin.errors import SinkError

if TYPE_CHECKING:
    import duckdb

# A query reads the table that it was given and nothing else: no files, no network, no extensions, no Python variables.
_SEALED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


_QUOTED: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\r\n]*""")


def run_sql(table: pa.Table, names: Iterable[str], sql: str) -> pa.Table:
    """Run `sql` on an Arrow table that is known under `names`.

    Raises:
        SinkError: DuckDB refuses the SQL; the text is DuckDB's.
    """
    return run_sql_on(dict.fromkeys(names, table), sql)


def run_sql_on(tables: Mapping[str, pa.Table], sql: str) -> pa.Table:
    """Run `sql` on Arrow tables by name; errors as those of `run_sql`."""
    import duckdb  # noqa: PLC0415  (0.2 s)

    with duckdb.connect(":memory:", config=_SEALED) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        for name, table in tables.items():
            connection.register(name, table)
        try:
            return _result(connection, sql)
        except duckdb.ParserException as error:
            raise _refused(error, _reserved(connection, tables, sql)) from error
        except duckdb.Error as error:
            raise _refused(error) from error


def _refused(error: Exception, reserved: Sequence[str] = ()) -> SinkError:
    message = f"the query can't be answered: {str(error).strip()}"
    if reserved:
        names = ", ".join(f'"{name}"' for name in reserved)
        are = "is a reserved word" if len(reserved) == 1 else "are reserved words"
        message = f"{message}\nAs the name of a column {names} {are} of SQL: write it in double quotes, as here."
    return SinkError(message)


def _reserved(connection: "duckdb.DuckDBPyConnection", tables: Mapping[str, pa.Table], sql: str) -> list[str]:
    """Return the columns that `sql` names without quotes, though the name alone is another word of SQL."""
    keywords = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
    words = {row[0] for row in connection.execute(keywords).fetchall()}
    bare = {word.lower() for word in re.findall(r"\w+", _QUOTED.sub("", sql))}
    columns = {name for table in tables.values() for name in table.column_names if f'"{name}"' not in sql}
    return sorted(name for name in columns if name.lower() in words & bare)


def _result(connection: "duckdb.DuckDBPyConnection", sql: str) -> pa.Table:
    relation = connection.sql(sql)
    # A statement without a result (CREATE VIEW, an empty text) has no relation.
    if relation is None:
        return pa.table({})
    result: pa.Table = relation.to_arrow_table()
    return result
