"""Places of the binlog for rows that are about to be read: everything before them is in the rows.

A transaction is in the binlog a moment before others see it. A place taken from the binlog's end alone may therefore
lie behind a row that is still the old one, which would then pass for the newer of the two. MariaDB gives the place of
a snapshot. MySQL does not: there we wait until what was on its way has arrived, or stop the commits for a moment.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamjoin.errors import SourceError
from streamjoin.mysql.address import DENIED_PRIVILEGE, text
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.mysql.positions import end_position
from streamjoin.mysql.session import Session, code_of

ARRIVAL_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.005

_BEGIN = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class Snapshots:
    """Snapshots of one load.

    Args:
        session: The connection that will read the rows.
        sleep: Waits so many seconds.
        monotonic: The clock's seconds.
    """

    def __init__(
        self,
        session: Session,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._sleep, self._monotonic = session, sleep, monotonic
        self._held: BinlogPosition | None = None

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
            return self._wait_for_owned()
        # Without ids there is nothing to wait for. One stop at the beginning of the load is enough: rows of later
        # chunks then pass for older than they are, which the binlog mends.
        if self._held is None:
            self._held = self._lock()
        return self._held

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

    def _lock(self) -> BinlogPosition:
        try:
            self._session.ask("FLUSH TABLES WITH READ LOCK")
        except SourceError as error:
            if code_of(error) not in DENIED_PRIVILEGE:
                raise
            message = (
                f"source '{self._session.address}': without gtid_mode=ON a load has to stop commits for a moment, "
                "which needs GRANT RELOAD ON *.*; grant it, or switch gtid_mode on"
            )
            raise SourceError(message) from error
        try:
            return end_position(self._session)
        finally:
            self._session.ask("UNLOCK TABLES")
