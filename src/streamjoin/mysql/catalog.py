"""What a server's `information_schema` says of its tables."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.errors import SourceError
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


def tables(session: Session, selects: Callable[[str, str], bool]) -> tuple[SourceTable, ...]:
    """Return the selected base tables, by schema and name.

    Raises:
        SourceError: Some are of a kind, or have columns, that can't be replicated; lists all of them.
    """
    found = session.ask("SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES ORDER BY 1, 2")
    names, problems = defaultdict(list), []
    for schema, name, kind in ((text(row[0]), text(row[1]), text(row[2])) for row in found):
        if schema.lower() in SYSTEM_SCHEMAS or not selects(schema, name):
            continue
        if kind == "BASE TABLE":
            names[schema].append(name)
        elif kind == "SYSTEM VERSIONED":
            problems.append(
                f"'{schema}.{name}' is system-versioned: its binlog has rows of the past; exclude the table"
            )
    described = [table for schema in names for table in _describe(session, schema, names[schema], problems)]
    if problems:
        raise _refusal(session, problems)
    return tuple(described)


def table(session: Session, schema: str, name: str) -> SourceTable | None:
    """Return one base table; None if there is none of this name.

    Raises:
        SourceError: It has columns that can't be replicated.
    """
    kinds = session.ask(
        "SELECT TABLE_TYPE FROM information_schema.TABLES "  # noqa: S608
        f"WHERE TABLE_SCHEMA = {quoted_text(schema)} AND TABLE_NAME = {quoted_text(name)}"
    )
    if not kinds or text(kinds[0][0]) != "BASE TABLE":
        return None
    problems: list[str] = []
    described = _describe(session, schema, [name], problems)
    if problems:
        raise _refusal(session, problems)
    return described[0] if described else None


def _refusal(session: Session, problems: Sequence[str]) -> SourceError:
    noun = "table" if len(problems) == 1 else "tables"
    lines = [f"source '{session.address}': {len(problems)} selected {noun} can't be replicated", *problems]
    return SourceError("\n  - ".join(lines))


def _describe(session: Session, schema: str, names: Sequence[str], problems: list[str]) -> list[SourceTable]:
    wanted = f"TABLE_SCHEMA = {quoted_text(schema)} AND TABLE_NAME IN ({', '.join(map(quoted_text, names))})"
    columns: dict[str, list[SourceColumn]] = defaultdict(list)
    for row in session.ask(
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE FROM information_schema.COLUMNS "  # noqa: S608
        f"WHERE {wanted} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        name, column, kind, declared = map(text, row)
        problem = _problem(kind.lower(), declared.lower())
        if problem:
            problems.append(f"column '{column}' of '{schema}.{name}' {problem}; exclude the table")
        else:
            columns[name].append(SourceColumn(column, _KINDS[kind.lower()], declared))
    keys: dict[str, list[str]] = defaultdict(list)
    for row in session.ask(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS "  # noqa: S608
        f"WHERE {wanted} AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
    ):
        keys[text(row[0])].append(text(row[1]))
    return [SourceTable(schema, name, tuple(columns[name]), tuple(keys[name])) for name in _present(names, columns)]


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
