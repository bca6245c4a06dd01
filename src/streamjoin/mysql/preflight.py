"""Whether a server's settings and a user's privileges allow a replication."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from streamjoin.errors import SourceError
from streamjoin.mysql import catalog
from streamjoin.mysql.address import DENIED_PRIVILEGE, text
from streamjoin.mysql.binlog.dump import BinlogDump
from streamjoin.mysql.changes import FILE_BEGINS, BinlogPosition
from streamjoin.mysql.positions import end_position
from streamjoin.mysql.retention import retention
from streamjoin.mysql.session import Session, code_of
from streamjoin.mysql.settings import Settings
from streamjoin.mysql.sql_text import quoted_name

log = logging.getLogger(__name__)

# A replica's number for the one question whether we may be one.
_PROBE_SERVER_ID = 0x7FFFFFFE
_NO_TABLE = "no selected table is to be seen: there is none, or SELECT is not granted"
_NOT_GRANTED = "SELECT is not granted; or there is none, then take its rules out"
# Where the first binlog file begins, whatever its name is.
_FIRST = BinlogPosition("", FILE_BEGINS)


TableFilter: TypeAlias = Callable[[str, str], bool]
Place: TypeAlias = tuple[str | None, str | None]


def check(
    session: Session,
    selects: TableFilter,
    requires: TableFilter,
    wanted: Sequence[Place] = (),
    *,
    may_have_none: bool = False,
) -> None:
    """Check everything and raise once; log for how long the job may stop.

    Args:
        session: The server.
        selects: Whether a table is to be replicated.
        requires: Whether a selected table that can't be is refused; what is wrong with another one is for the caller.
        wanted: Schema and table of the rules for which no table is seen; a wildcard is None. One that is named in full
            and can't be read is refused.
        may_have_none: Whether it is all right if there is no table any more.

    Raises:
        SourceError: With a line for each problem, and the statements that are missing on this server.
    """
    settings = Settings(session)
    problems, statements = settings.problems()
    privileges = _missing_privileges(session) if settings.has_binlog else []
    problems += [f"{privilege} is not granted" for privilege in privileges]
    missing = [f"{', '.join(privileges)} ON *.*"] if privileges else []
    tables = catalog.tables(session, selects)
    named = [table for table in tables if requires(table.schema, table.name)]
    problems += [f"table '{table}': {problem}" for table in named for problem in table.problems]
    unreadable = [table for table in named if catalog.unreadable(table.schema, table.name) in table.problems]
    unseen = [
        (schema, name)
        for schema, name in dict.fromkeys(wanted)
        if schema and name and selects(schema, name) and not catalog.is_readable(session, schema, name)
    ]
    problems += [f"table '{schema}.{name}' is not seen: {_NOT_GRANTED}" for schema, name in unseen]
    grants = [_quoted(place) for place in (*((table.schema, table.name) for table in unreadable), *unseen)]
    if not tables and not may_have_none:
        problems.append(_NO_TABLE)
        grants += map(_quoted, wanted)
    missing += [f"SELECT ON {name}" for name in dict.fromkeys(grants)]
    if missing:
        user = _user(session)
        statements += [f"GRANT {what} TO {user};" for what in missing]
    kept = retention(settings)
    if problems:
        if kept.is_short:
            problems.append(str(kept))
            statements.append(kept.remedy)
        if statements:
            problems.append("run as an administrator:\n      " + "\n      ".join(statements))
        message = "\n  - ".join([f"source '{session.address}' can't be replicated", *problems])
        raise SourceError(message)
    if not tables:
        log.warning("source '%s': %s", session.address, _NO_TABLE)
    if kept.is_short:
        log.warning(
            "source '%s': %s. To keep it for a week, run as an administrator: %s", session.address, kept, kept.remedy
        )
    else:
        log.info("source '%s': %s", session.address, kept)


def _quoted(place: Place) -> str:
    schema, table = (None if name is None else quoted_name(name) for name in place)
    return f"{schema or '*'}.{(schema and table) or '*'}"


def _missing_privileges(session: Session) -> list[str]:
    """Return which of the two privileges of a replica are missing, by trying what needs them."""
    missing = [] if _may_dump(session) else ["REPLICATION SLAVE"]
    try:
        end_position(session)
    except SourceError as error:
        if code_of(error) not in DENIED_PRIVILEGE:
            raise
        missing.append("REPLICATION CLIENT")
    return missing


def _may_dump(session: Session) -> bool:
    dump = BinlogDump(session.address, _PROBE_SERVER_ID)
    try:
        dump.start(_FIRST, is_mariadb=session.is_mariadb, by_gtid=False, follow=False)
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
