"""A question to the tables of a job, or to one table.

Shown is the newest committed row of every record key, with Hudi's five `_hoodie_…` columns, as Athena shows it. Not
shown is `_hoodie_is_deleted`, by which a commit says which rows it deletes: no row that is there has it true.
"""

import re

import pyarrow as pa

from streamjoin.errors import SinkError
from streamjoin.query.reading import read_table
from streamjoin.query.sql import run_sql_on
from streamjoin.query.tables import QueryTables
from streamjoin.records.change_columns import IS_DELETED


def query(target: str | QueryTables, sql: str) -> pa.Table:
    """Run `sql` on the newest commits of Hudi tables.

    Args:
        target: A table's base path, or the tables of a job.
        sql: A single table is called `t`; those of a job by their `sink.table_name`. Read-only in effect: what a
            statement makes is gone with the answer.

    Columns out: those of the query; times with zone are UTC.

    Raises:
        SinkError: There is no Hudi table, it can't be read, or DuckDB refuses the SQL.
    """
    tables = QueryTables.of_path(target) if isinstance(target, str) else target
    found = {base_path: _shown(read_table(base_path)) for base_path in _needed(tables, sql)}
    by_name = {name: found[path] for name, path in tables.by_name.items() if path in found}
    try:
        return run_sql_on(by_name, sql)
    except SinkError as error:
        # Of one table the engine names whatever it has.
        if tables.only is not None or "does not exist" not in str(error):
            raise
        known = ", ".join(sorted(tables.by_name)) or "none yet"
        message = f"{error}\nThe job has these tables: {known}"
        raise SinkError(message) from error


def _shown(table: pa.Table) -> pa.Table:
    return table.drop_columns([IS_DELETED]) if IS_DELETED in table.column_names else table


def _needed(tables: QueryTables, sql: str) -> list[str]:
    """Return the base paths of the tables that `sql` may name; a job may have many, and each is read whole."""
    if tables.only is not None:
        return [tables.only]
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    if twice := sorted(words & tables.ambiguous.keys()):
        paths = ", ".join(tables.ambiguous[twice[0]])
        message = f"several tables are named '{twice[0]}', in {paths}; query one of them by its path"
        raise SinkError(message)
    return list(dict.fromkeys(path for name, path in tables.by_name.items() if name in words))
