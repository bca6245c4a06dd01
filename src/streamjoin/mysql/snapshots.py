"""Places of the binlog for rows that are about to be read: everything before them is in the rows.

A transaction is in the binlog a moment before others see it. A place taken from the binlog's end alone may therefore
lie behind a row that is still the old one, which would then pass for the newer of the two. MariaDB gives the place of
a snapshot. MySQL does not. There we wait until what was on its way has arrived, or, without ids to wait for, take the
place where the binlog's newest file begins: a server goes on to a new file only when all transactions of the one before
are committed in the engine, because after a crash it looks for those that aren't in the newest file alone. If we may,
we have it begin one, so that less is replayed.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamjoin.errors import SourceError
from streamjoin.mysql.address import DENIED_PRIVILEGE, text
from streamjoin.mysql.changes import FILE_BEGINS, BinlogPosition
from streamjoin.mysql.positions import end_position, file_begins
from streamjoin.mysql.session import Session, code_of

log = logging.getLogger(__name__)

ARRIVAL_TIMEOUT_SECONDS = 60.0
# What may be replayed rather than to have a new binlog file for each of many tables.
REPLAYED_BYTES = 1 << 20
_POLL_SECONDS = 0.005

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class Snapshots:
    """Snapshots of one load.

    Args:
        session: The connection that will read the rows.
        settled: Returns, given the binlog's end, the last place before it of which everything is surely visible; asked
            where commits can't be waited for.
        replayed_bytes: How long the binlog's newest file may be before a new one is begun. Default: `REPLAYED_BYTES`.
        sleep: Waits so many seconds.
        monotonic: The clock's seconds.
    """

    def __init__(
        self,
        session: Session,
        settled: Callable[[BinlogPosition], BinlogPosition] = file_begins,
        *,
        replayed_bytes: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._replayed_bytes = REPLAYED_BYTES if replayed_bytes is None else replayed_bytes
        self._session, self._settled, self._sleep, self._monotonic = session, settled, sleep, monotonic
        self._held: BinlogPosition | None = None
        self._is_told = False

    @contextmanager
    def snapshot(self) -> Iterator[BinlogPosition]:
        """Begin a transaction that sees one state; give a place of the binlog that is in it; end the transaction."""
        ask = self._session.ask
        ask("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        position = None if self._session.is_mariadb else self._arrived()
        ask(_BEGIN)
        yield position or self._of_snapshot()
        ask("COMMIT")

    def _of_snapshot(self) -> BinlogPosition:
        found = {text(name): text(value) for name, value in self._session.ask("SHOW STATUS LIKE 'binlog_snapshot_%'")}
        return BinlogPosition(found["Binlog_snapshot_file"], int(found["Binlog_snapshot_position"]))

    def _arrived(self) -> BinlogPosition:
        """Return a place of MySQL's binlog before which everything is visible."""
        if text(self._session.ask("SELECT @@global.gtid_mode")[0][0]) == "ON":
            return self._told(self._wait_for_owned(), "GTID, what was being committed has arrived")
        # Without ids there is nothing to wait for. One place at the beginning of the load is enough: rows of later
        # chunks then pass for older than they are, which the binlog mends.
        if self._held is not None:
            return self._held
        way = "RELOAD, a new binlog file" if self._begins_file() else "neither GTID nor RELOAD, the binlog file"
        self._held = self._settled(end_position(self._session))
        return self._told(self._held, f"{way}'s beginning or a later ALTER or TRUNCATE")

    def _told(self, position: BinlogPosition, way: str) -> BinlogPosition:
        """Return `position`; the first one of a load is logged."""
        if not self._is_told:
            log.info("source=%s loaded rows count as of %s (%s)", self._session.address, position, way)
            self._is_told = True
        return position

    def _wait_for_owned(self) -> BinlogPosition:
        position, deadline = end_position(self._session), self._monotonic() + ARRIVAL_TIMEOUT_SECONDS
        # An id is owned from before its transaction is in the binlog until others see it.
        owned = self._owned()
        while owned:
            if self._monotonic() > deadline:
                message = (
                    f"source '{self._session.address}': a transaction has been committing for "
                    f"{ARRIVAL_TIMEOUT_SECONDS:.0f} s; what is to be read would not be in order with it"
                )
                raise SourceError(message, retryable=True)
            self._sleep(_POLL_SECONDS)
            owned &= self._owned()
        return position

    def _owned(self) -> set[str]:
        """Return the transactions that are being committed; `uuid:number#thread` each, by server."""
        found: set[str] = set()
        uuid = ""
        for part in text(self._session.ask("SELECT @@global.gtid_owned")[0][0]).replace("\n", "").split(","):
            server, _, numbers = part.partition(":")
            uuid = server or uuid
            found.update(f"{uuid}:{number}" for number in numbers.split(":") if number)
        return found

    def _begins_file(self) -> bool:
        """Have the server begin a binlog file, if it is worth that and the user may; tell whether."""
        if end_position(self._session).offset <= FILE_BEGINS + self._replayed_bytes:
            return False
        try:
            # It waits for commits alone. `FLUSH TABLES WITH READ LOCK` waits for whatever runs, and all wait for it.
            self._session.ask("FLUSH BINARY LOGS")
        except SourceError as error:
            if code_of(error) in DENIED_PRIVILEGE:
                return False
            raise
        return True
