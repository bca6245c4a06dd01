"""What a server's `information_schema` says of its tables."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.mysql.address import text
from streamjoin.mysql.binlog.known_tables import SYSTEM_SCHEMAS
from streamjoin.mysql.session import Session
from streamjoin.mysql.sql_text import quoted_text

_SPATIAL = (
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
)
_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), ColumnKind.INTEGER),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), ColumnKind.TEXT),
    **dict.fromkeys(
        ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector", *_SPATIAL), ColumnKind.BINARY
    ),
    **dict.fromkeys(("float", "double"), ColumnKind.FLOAT),
    "decimal": ColumnKind.DECIMAL,
    "enum": ColumnKind.ENUM,
    "set": ColumnKind.SET,
    "json": ColumnKind.JSON,
    "bit": ColumnKind.BIT,
    "date": ColumnKind.DATE,
    "time": ColumnKind.TIME,
    "datetime": ColumnKind.DATETIME,
    "timestamp": ColumnKind.TIMESTAMP,
}


# Actions of a foreign key that change rows of the table that has it.
_UNSEEN = {"CASCADE", "SET NULL", "SET DEFAULT"}


def names(session: Session) -> list[tuple[str, str]]:
    """Return schema and name of all base tables, by these."""
    return list(_kinds(session))


def tables(session: Session, selects: Callable[[str, str], bool]) -> tuple[SourceTable, ...]:
    """Return the selected base tables, by schema and name; those that can't be replicated say why."""
    selected = {place: kind for place, kind in _kinds(session).items() if selects(*place)}
    problems: dict[tuple[str, str], list[str]] = defaultdict(list)
    of_schema: dict[str, list[str]] = defaultdict(list)
    for (schema, name), kind in selected.items():
        of_schema[schema].append(name)
        if kind != "BASE TABLE":
            problems[schema, name].append("it is system-versioned: its binlog has rows of the past; exclude the table")
    if selected:
        _find_cascades(session, problems)
    return tuple(table for schema in of_schema for table in _describe(session, schema, of_schema[schema], problems))


def table(session: Session, schema: str, name: str) -> SourceTable | None:
    """Return one base table; None if there is none of this name."""
    found = tables(session, lambda *place: place == (schema, name))
    return found[0] if found else None


def _kinds(session: Session) -> dict[tuple[str, str], str]:
    found = session.ask("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES ORDER BY 1, 2")
    return {
        (schema, name): kind
        for schema, name, kind in (tuple(map(text, row)) for row in found)
        if schema.lower() not in SYSTEM_SCHEMAS and kind in ("BASE TABLE", "SYSTEM VERSIONED")
    }


def _find_cascades(session: Session, problems: dict[tuple[str, str], list[str]]) -> None:
    """Note the foreign keys by which the storage engine changes rows of tables, unseen by the binlog.

    Source: dev.mysql.com/doc/refman/8.4/en/innodb-and-mysql-replication.html.
    """
    rows = session.ask(
        "SELECT constraint_schema, table_name, constraint_name, delete_rule, update_rule "
        "FROM information_schema.referential_constraints ORDER BY 1, 2, 3"
    )
    for schema, name, key, on_delete, on_update in (tuple(map(text, row)) for row in rows):
        both = (("DELETE", on_delete), ("UPDATE", on_update))
        rules = [f"ON {what} {rule}" for what, rule in both if rule in _UNSEEN]
        if rules:
            problems[schema, name].append(
                f"its foreign key '{key}' has {' and '.join(rules)}, and what that changes is not in the binlog; "
                "exclude the table, or let the application change these rows (RESTRICT)"
            )


def _describe(
    session: Session, schema: str, names: Sequence[str], problems: dict[tuple[str, str], list[str]]
) -> list[SourceTable]:
    wanted = f"TABLE_SCHEMA = {quoted_text(schema)} AND TABLE_NAME IN ({', '.join(map(quoted_text, names))})"
    columns: dict[str, list[SourceColumn]] = defaultdict(list)
    for row in session.ask(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM information_schema.COLUMNS "  # noqa: S608
        f"WHERE {wanted} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        name, column, kind, declared = map(text, row)
        problem = _problem(kind.lower(), declared.lower())
        if problem:
            problems[schema, name].append(f"column '{column}' {problem}; exclude the table")
        columns[name].append(SourceColumn(column, _KINDS.get(kind.lower(), ColumnKind.BINARY), declared))
    keys: dict[str, list[str]] = defaultdict(list)
    for row in session.ask(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS "  # noqa: S608
        f"WHERE {wanted} AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
    ):
        keys[text(row[0])].append(text(row[1]))
    return [
        SourceTable(schema, name, tuple(columns[name]), tuple(keys[name]), tuple(problems.get((schema, name), ())))
        for name in _present(names, columns)
    ]


def _present(names: Iterable[str], columns: dict[str, list[SourceColumn]]) -> list[str]:
    # One that was dropped between two questions has no columns.
    return [name for name in names if name in columns]


def _problem(kind: str, declared: str) -> str | None:
    if kind not in _KINDS:
        return f"has the type '{declared}', which is read neither from the table nor from the binlog"
    if "compressed" in declared.partition("/*")[2]:
        return f"is stored compressed ('{declared}'), which can't be read from the binlog"
    if "mariadb-5.3" in declared and "(" in declared:
        return f"has the type '{declared}' of MariaDB 5.3, which has no digits in the binlog: ALTER TABLE … FORCE it"
    return None
