"""Places in a server's binlog: its end now, and whether one that was noted is still there."""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from streamjoin.errors import DataLossError, SourceError
from streamjoin.mysql.address import text
from streamjoin.mysql.changes import FILE_BEGINS, BinlogPosition
from streamjoin.mysql.gtids import MariaDbGtids, MysqlGtids
from streamjoin.mysql.session import Session
from streamjoin.mysql.sql_text import quoted_text

# MySQL 8.4 has the first alone, all others the second alone.
_STATUS = ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS")


class StartBy(StrEnum):
    """How to ask for the binlog from a position."""

    OFFSET = "offset"
    GTID = "gtid"


def file_begins(position: BinlogPosition) -> BinlogPosition:
    """Return where the file of a position begins."""
    return BinlogPosition(position.file, FILE_BEGINS)


def end_position(session: Session) -> BinlogPosition:
    """Return where the binlog ends now.

    Raises:
        SourceError: There is no binlog.
    """
    found = session.ask_first(*_STATUS)
    if not found:
        message = f"source '{session.address}': the server writes no binlog: set log_bin, and restart it"
        raise SourceError(message)
    file, offset = text(found[0][0]), int(found[0][1])
    if session.is_mariadb:
        return BinlogPosition(file, offset, _mariadb_gtids(session, file, offset))
    gtids = text(found[0][4]) if len(found[0]) > 4 else ""
    return BinlogPosition(file, offset, _normal(gtids))


def _normal(gtids: str) -> str | None:
    try:
        return str(MysqlGtids(gtids)) or None
    except ValueError:
        # With tags (MySQL 8.3) they are left alone: file and offset lead to the same place.
        return None


def _mariadb_gtids(session: Session, file: str, offset: int) -> str | None:
    found = session.ask(f"SELECT BINLOG_GTID_POS({quoted_text(file)}, {offset})")[0][0]
    return str(MariaDbGtids(text(found))) if found else None


def start_by(
    session: Session,
    position: BinlogPosition,
    first_after: Callable[[BinlogPosition], BinlogPosition],
    file_created: Callable[[BinlogPosition], int | None] = lambda position: None,
) -> StartBy:
    """Return how to go on from a position.

    File and offset come first, checked by the ids that belong there: after `RESET MASTER`, or with another server
    behind the name, a file of the same name is another one. Ids alone serve if the files have other names, as long
    as they lead to no earlier place: versions of rows are made of files and offsets, and only grow.

    Args:
        session: The server.
        position: Where to go on.
        first_after: Asks the server by the position's ids where the next transaction is.
        file_created: Asks the server when the position's file was begun.

    Raises:
        DataLossError: The server no longer has the place, or never had.
    """
    files = {text(row[0]): int(row[1]) for row in session.ask("SHOW BINARY LOGS")}
    is_there = position.offset <= files.get(position.file, -1)
    if position.gtid is None:
        is_same = is_there and (position.created is None or file_created(position) == position.created)
    else:
        is_same = is_there and _fits(session, position, position.gtid)
    if is_same:
        return StartBy.OFFSET
    if position.gtid is not None:
        with suppress(DataLossError):
            if first_after(position).order >= position.order:
                return StartBy.GTID
    first = next(iter(files), "")
    found = "what stands there now is another transaction" if is_there else f"its first file is '{first}'"
    message = (
        f"source '{session.address}': the binlog no longer has the position {position}; {found}. Changes since then "
        "are lost to this job: start with --reload, and keep the binlog for longer (binlog_expire_logs_seconds)"
    )
    raise DataLossError(message)


def _fits(session: Session, position: BinlogPosition, gtid: str) -> bool:
    if session.is_mariadb:
        here = _mariadb_gtids(session, position.file, position.offset)
        return here is None or here == str(MariaDbGtids(gtid))
    return _has_executed(session, gtid)


def _has_executed(session: Session, gtid: str) -> bool:
    return bool(int(session.ask(f"SELECT GTID_SUBSET({quoted_text(gtid)}, @@global.gtid_executed)")[0][0]))
