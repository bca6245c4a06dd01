"""Whether a server's settings and a user's privileges allow a replication."""

from collections.abc import Callable
from typing import TypeAlias

from streamjoin.errors import SourceError
from streamjoin.mysql import catalog
from streamjoin.mysql.address import DENIED_PRIVILEGE, text
from streamjoin.mysql.binlog.dump import BinlogDump
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.mysql.positions import end_position
from streamjoin.mysql.session import Session, code_of
from streamjoin.mysql.sql_text import quoted_name

_REPLICATION = "REPLICATION SLAVE, REPLICATION CLIENT"
# A replica's number for the one question whether we may be one.
_PROBE_SERVER_ID = 0x7FFFFFFE

_WANTED = {
    "binlog_format": ("ROW", "the binlog has statements instead of rows"),
    "binlog_row_image": ("FULL", "the binlog has only some columns of a row"),
    "binlog_row_metadata": ("FULL", "the binlog has neither names nor signs of columns"),
}


TableFilter: TypeAlias = Callable[[str, str], bool]


def check(session: Session, selects: TableFilter, requires: TableFilter) -> None:
    """Check everything and raise once.

    Args:
        session: The server.
        selects: Whether a table is to be replicated.
        requires: Whether a selected table that can't be is refused; what is wrong with another one is for the caller.

    Raises:
        SourceError: With a line for each problem, and the statements to run.
    """
    problems = _settings(session)
    schemas, found = _tables(session, selects, requires)
    problems += found
    denied = "the server writes no binlog" in " ".join(problems)
    privileges = [] if denied else _privileges(session)
    if privileges or not schemas:
        user = _user(session)
        problems += privileges
        if not schemas:
            problems.append("no selected table is to be seen: there is none, or SELECT is not granted")
        grants = [f"GRANT {_REPLICATION} ON *.* TO {user};"]
        grants += [f"GRANT SELECT ON {quoted_name(schema)}.* TO {user};" for schema in schemas or ["<schema>"]]
        problems.append("run as an administrator:\n      " + "\n      ".join(grants))
    if problems:
        message = "\n  - ".join([f"source '{session.address}' can't be replicated", *problems])
        raise SourceError(message)


def _settings(session: Session) -> list[str]:
    variables = session.variables()
    problems = []
    if variables.get("log_bin", "OFF") not in ("ON", "1"):
        problems.append("log_bin is OFF: the server writes no binlog; set log_bin and restart it")
    for name, (wanted, consequence) in _WANTED.items():
        value = variables.get(name)
        if value is None:
            problems.append(f"{name} isn't known to the server: MySQL 8.0.1 or MariaDB 10.5 is needed")
        elif value.upper() != wanted:
            problems.append(f"{name} is {value}: {consequence}; run SET GLOBAL {name} = {wanted} (and in its my.cnf)")
    if variables.get("binlog_row_value_options"):
        problems.append("binlog_row_value_options is set: JSON is logged in parts; run SET GLOBAL … = ''")
    is_replica_without_binlog = "OFF" in (variables.get("log_slave_updates"), variables.get("log_replica_updates"))
    if is_replica_without_binlog and _is_replica(session):
        problems.append("log_slave_updates is OFF: a replica writes only its own changes to its binlog; set it to ON")
    return problems


def _is_replica(session: Session) -> bool:
    try:
        return bool(session.ask_first("SHOW REPLICA STATUS", "SHOW SLAVE STATUS"))
    except SourceError as error:
        # It needs a privilege that nothing else needs.
        if code_of(error) in DENIED_PRIVILEGE:
            return False
        raise


def _tables(session: Session, selects: TableFilter, requires: TableFilter) -> tuple[list[str], list[str]]:
    """Return the schemas of the selected tables, and what is wrong with these."""
    found = catalog.tables(session, selects)
    problems = []
    for table in found:
        unreadable = _unreadable(session, quoted_name(table.schema, table.name))
        if unreadable:
            problems.append(f"table '{table}' can't be read: {unreadable}")
        if requires(table.schema, table.name):
            problems += [f"table '{table}': {problem}" for problem in table.problems]
    return sorted({table.schema for table in found}), problems


def _unreadable(session: Session, name: str) -> str | None:
    try:
        session.ask(f"SELECT * FROM {name} LIMIT 0")  # noqa: S608  (quoted)
    except SourceError as error:
        if code_of(error) in DENIED_PRIVILEGE:
            return "SELECT is not granted"
        raise
    return None


def _privileges(session: Session) -> list[str]:
    """Return which of the two privileges of a replica are missing, by trying what needs them."""
    try:
        position = end_position(session)
    except SourceError as error:
        if code_of(error) not in DENIED_PRIVILEGE:
            raise
        return ["REPLICATION CLIENT is not granted"]
    return [] if _may_dump(session, position) else ["REPLICATION SLAVE is not granted"]


def _may_dump(session: Session, position: BinlogPosition) -> bool:
    dump = BinlogDump(session.address, _PROBE_SERVER_ID)
    try:
        dump.start(position, is_mariadb=session.is_mariadb, by_gtid=False, follow=False)
        for _ in dump.events():
            return True
    except SourceError as error:
        if code_of(error) in DENIED_PRIVILEGE:
            return False
        raise
    finally:
        dump.close()
    return True


def _user(session: Session) -> str:
    name, _, host = text(session.ask("SELECT CURRENT_USER()")[0][0]).rpartition("@")
    return f"'{name}'@'{host}'"
