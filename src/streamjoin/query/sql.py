"""SQL on Arrow tables, by a DuckDB that reaches nothing else."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

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
        except duckdb.Error as error:
            message = f"the query can't be answered: {str(error).strip()}"
            raise SinkError(message) from error


def _result(connection: "duckdb.DuckDBPyConnection", sql: str) -> pa.Table:
    relation = connection.sql(sql)
    # A statement without a result (CREATE VIEW, an empty text) has no relation.
    if relation is None:
        return pa.table({})
    result: pa.Table = relation.to_arrow_table()
    return result
