"""What a server's `information_schema` says of its tables."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from pymysql.constants import ER

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.errors import SourceError
from streamjoin.mysql.address import DENIED_PRIVILEGE, text
from streamjoin.mysql.binlog.known_tables import SYSTEM_SCHEMAS
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.mysql.positions import end_position
from streamjoin.mysql.session import Session, code_of
from streamjoin.mysql.sql_text import quoted_name, quoted_text

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


# There is no table of a name: nothing, nor its database, or a view of something that is gone.
_NO_TABLE = {ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR, ER.VIEW_INVALID}
# Actions of a foreign key that change rows of the table that has it.
_UNSEEN = {"CASCADE", "SET NULL", "SET DEFAULT"}


def names(session: Session) -> list[tuple[str, str]]:
    """Return schema and name of all base tables, by these."""
    return list(_kinds(session))


def tables(session: Session, selects: Callable[[str, str], bool]) -> tuple[SourceTable, ...]:
    """Return the selected base tables, by schema and name; those that can't be replicated say why."""
    return _tables(session, {place: kind for place, kind in _kinds(session).items() if selects(*place)})


def _tables(session: Session, selected: Mapping[tuple[str, str], str]) -> tuple[SourceTable, ...]:
    problems: dict[tuple[str, str], list[str]] = defaultdict(list)
    of_schema: dict[str, list[str]] = defaultdict(list)
    for (schema, name), kind in selected.items():
        of_schema[schema].append(name)
        if kind != "BASE TABLE":
            problems[schema, name].append("it is system-versioned: its binlog has rows of the past; exclude the table")
        if not is_readable(session, schema, name):
            problems[schema, name].append(unreadable(schema, name))
    if selected:
        _find_cascades(session, problems)
    return tuple(table for schema in of_schema for table in _describe(session, schema, of_schema[schema], problems))


def is_readable(session: Session, schema: str, name: str) -> bool:
    """Tell whether the user has SELECT on a table, or there is none of this name."""
    try:
        session.ask(f"SELECT * FROM {quoted_name(schema, name)} LIMIT 0")  # noqa: S608  (quoted)
    except SourceError as error:
        if code_of(error) not in {*DENIED_PRIVILEGE, ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR}:
            raise
        return code_of(error) not in DENIED_PRIVILEGE
    return True


def unreadable(schema: str, name: str) -> str:
    """Return what is wrong with a table that is not readable."""
    return f"the user may not read it: GRANT SELECT ON {quoted_name(schema, name)}, or exclude the table"


def table(session: Session, schema: str, name: str) -> SourceTable | None:
    """Return one base table; None if there is none of this name."""
    here = f" WHERE TABLE_SCHEMA = {quoted_text(schema)} AND TABLE_NAME = {quoted_text(name)}"
    # What a server with case compares without it.
    same = {place: kind for place, kind in _kinds(session, here).items() if place == (schema, name)}
    found = _tables(session, same)
    return found[0] if found else None


def table_and_place(session: Session, schema: str, name: str) -> tuple[SourceTable | None, BinlogPosition]:
    """Return one base table, if there is one of this name, and a place of the binlog where it is just that.

    A transaction that has read the table keeps statements that change it waiting; those that came before are in the
    binlog by the time they are over. One that the user may not read has that as its problem.
    """
    session.ask("START TRANSACTION READ ONLY")
    try:
        session.ask(f"SELECT 1 FROM {quoted_name(schema, name)} LIMIT 0")  # noqa: S608  (quoted)
    except SourceError as error:
        if code_of(error) == ER.TABLEACCESS_DENIED_ERROR:
            return SourceTable(schema, name, (), (), (unreadable(schema, name),)), end_position(session)
        if code_of(error) not in _NO_TABLE:
            raise
        return None, end_position(session)
    found = table(session, schema, name), end_position(session)
    session.ask("COMMIT")
    return found


def _kinds(session: Session, where: str = "") -> dict[tuple[str, str], str]:
    columns = "TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE"
    found = session.ask(f"SELECT {columns} FROM information_schema.TABLES{where} ORDER BY 1, 2")  # noqa: S608
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
        "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME FROM information_schema.COLUMNS "  # noqa: S608
        f"WHERE {wanted} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    ):
        name, column, kind, declared = map(text, row[:4])
        problem = _problem(kind.lower(), declared.lower())
        if problem:
            problems[schema, name].append(f"column '{column}' {problem}; exclude the table")
        charset = None if row[4] is None else text(row[4])
        columns[name].append(SourceColumn(column, _KINDS.get(kind.lower(), ColumnKind.BINARY), declared, charset))
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
