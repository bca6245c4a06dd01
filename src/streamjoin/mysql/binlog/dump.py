"""The binlog as a server sends it to a replica: raw events, one after the other.

Delivery: from the place asked for, each event once and in order; heartbeats if nothing happens. A lost connection is
a retryable error, never a silent new beginning: the caller goes on from the last transaction's end.
"""

import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.constants import ER

from streamjoin.errors import DataLossError, SourceError
from streamjoin.mysql.address import MysqlAddress, close, connect, errors_of
from streamjoin.mysql.changes import FILE_BEGINS, BinlogPosition
from streamjoin.mysql.gtids import MysqlGtids

HEARTBEAT_SECONDS = 1.0
# Some heartbeats missing: the server is gone, or the way to it is.
READ_TIMEOUT_SECONDS = 30.0

_COM_BINLOG_DUMP, _COM_BINLOG_DUMP_GTID = 0x12, 0x1E
_NON_BLOCKING, _THROUGH_GTID = 0x01, 0x04
_FORMAT_DESCRIPTION, _ROTATE = 15, 4
_TRANSACTION_BEGINS = {33, 34, 42, 162}  # ids of MySQL (its own, none, with tags) and of MariaDB
_CHECKSUM_BYTES = 4
# What COM_BINLOG_DUMP can say; larger binlog files exist if one transaction is as large.
_LARGEST_OFFSET = 0xFFFFFFFF

_HEADER = struct.Struct("<xIBIIIH")
HEADER_BYTES = 19


@dataclass(frozen=True, slots=True)
class BinlogEvent:
    """An event.

    Args:
        type: Its number.
        timestamp: Seconds since 1970, by the server's clock; 0 in what was made for the sending.
        server_id: Of the server on which it happened first.
        size_bytes: In the file.
        end: The lower 32 bits of the offset where it ends. 0 in what isn't in the file and, from MariaDB 11 on,
            in what is inside of a transaction.
        is_artificial: Made by the server for the sending, not in the file.
        body: Without header and checksum.
    """

    type: int
    timestamp: int
    server_id: int
    size_bytes: int
    end: int
    is_artificial: bool
    body: bytes


_SAME_ID = "with the same server"


def _is_gone(error: pymysql.MySQLError) -> bool:
    # The same number stands for an event that is larger than the server may send, and for a replica of our id.
    is_refusal = bool(error.args) and error.args[0] == ER.MASTER_FATAL_ERROR_READING_BINLOG
    return is_refusal and not any(other in str(error) for other in ("max_allowed_packet", _SAME_ID))


class BinlogDump:
    """A connection that gets the binlog.

    Args:
        address: The server.
        server_id: The one we pretend to be; another replica of the same number would be cut off by us, and we by it.
        open_connection: Opens a connection; another one in tests.
    """

    def __init__(
        self, address: MysqlAddress, server_id: int, open_connection: Callable[..., "pymysql.Connection[Any]"] = connect
    ) -> None:
        self._address, self._server_id, self._open = address, server_id, open_connection
        self._connection: pymysql.Connection[Any] | None = None
        self._has_checksum = self._follows = False

    def start(self, position: BinlogPosition, *, is_mariadb: bool, by_gtid: bool, follow: bool = True) -> None:
        """Ask for everything from a position on.

        Args:
            position: File and offset, or its `gtid`.
            is_mariadb: The server is one.
            by_gtid: The position's `gtid` counts, whatever the files are called.
            follow: Wait for what comes later, instead of ending where the binlog does.
        """
        self._follows = follow
        self._connection = self._open(self._address, read_timeout_seconds=READ_TIMEOUT_SECONDS)
        with errors_of(self._address, "asking for the binlog"), self._connection.cursor() as cursor:
            cursor.execute("SELECT @@global.binlog_checksum")
            self._has_checksum = bytes(cursor.fetchone()[0]) != b"NONE"
            cursor.execute("SET @master_binlog_checksum = @@global.binlog_checksum")
            cursor.execute(f"SET @master_heartbeat_period = {int(HEARTBEAT_SECONDS * 1e9)}")
            if is_mariadb:
                # 4: knows MariaDB's own events; else the server would send others in their place.
                cursor.execute("SET @mariadb_slave_capability = 4")
            if is_mariadb and by_gtid:
                cursor.execute("SET @slave_connect_state = %s", (position.gtid,))
                cursor.execute("SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0")
            flags = 0 if follow else _NON_BLOCKING
            if by_gtid and not is_mariadb:
                command, request = _COM_BINLOG_DUMP_GTID, self._gtid_request(position, flags)
            else:
                command, request = _COM_BINLOG_DUMP, self._offset_request(position, flags, by_gtid=by_gtid)
            # The library has no call of its own for this command.
            self._connection._execute_command(command, request)  # type: ignore[attr-defined]  # noqa: SLF001

    def _offset_request(self, position: BinlogPosition, flags: int, *, by_gtid: bool) -> bytes:
        if by_gtid:
            return struct.pack("<IHI", 4, flags, self._server_id)
        if position.offset > _LARGEST_OFFSET:
            message = (
                f"source '{self._address}': the binlog can't be read from {position}: an offset above 4 GiB can't be "
                "asked for without global transaction ids; start with --reload"
            )
            raise SourceError(message)
        return struct.pack("<IHI", position.offset, flags, self._server_id) + position.file.encode()

    def _gtid_request(self, position: BinlogPosition, flags: int) -> bytes:
        sets = list(MysqlGtids(position.gtid or "").items())
        encoded = struct.pack("<Q", len(sets))
        for uuid, intervals in sets:
            encoded += bytes.fromhex(uuid.replace("-", "")) + struct.pack("<Q", len(intervals))
            for first, last in intervals:
                encoded += struct.pack("<QQ", first, last + 1)
        name = struct.pack("<I", 0) + struct.pack("<Q", FILE_BEGINS)
        head = struct.pack("<HI", flags | _THROUGH_GTID, self._server_id)
        return head + name + struct.pack("<I", len(encoded)) + encoded

    def events(self) -> Iterator[BinlogEvent]:
        """Return the events as they come; without an error they end only if `start` was not asked to follow.

        Raises:
            DataLossError: The server no longer has the place asked for.
            SourceError: The server ended the binlog while it was followed, or the connection was lost, which both may
                be tried again; or the server refuses.
        """
        connection = self._connection
        if connection is None:
            return
        read: Callable[[], Any] = connection._read_packet  # noqa: SLF001
        while True:
            try:
                packet = read()
            except pymysql.MySQLError as error:
                if _is_gone(error):
                    message = (
                        f"source '{self._address}': the server can't give the binlog from the place asked for: "
                        f"{error.args[1]}; what lies between may be lost: start with --reload"
                    )
                    raise DataLossError(message) from error
                if _SAME_ID in str(error):
                    message = (
                        f"source '{self._address}': another replica came with the server id {self._server_id}, and the "
                        "server ended the binlog here; the next try has another id"
                    )
                    raise SourceError(message, retryable=True) from error
                with errors_of(self._address, "reading the binlog"):
                    raise
            except (OSError, ValueError, AttributeError) as error:
                # Closed from another thread, or by the network.
                message = f"source '{self._address}': reading the binlog failed: the connection was lost ({error})"
                raise SourceError(message, retryable=True) from error
            if packet.is_eof_packet():
                if self._follows:
                    # So MySQL says goodbye: the connection is of no more use.
                    message = (
                        f"source '{self._address}': the server ended the binlog, which was to be followed: it is being "
                        "shut down, or the connection was ended there (KILL)"
                    )
                    raise SourceError(message, retryable=True)
                return
            yield self._event(packet.get_all_data())

    def first_transaction(self) -> BinlogPosition | None:
        """Return where the first transaction begins; None if the binlog ends before one.

        Raises:
            DataLossError: The server no longer has the place asked for.
        """
        file = ""
        for event in self.events():
            if event.type == _ROTATE:
                file = event.body[8:].decode()
            elif event.type in _TRANSACTION_BEGINS:
                return BinlogPosition(file, event.end - event.size_bytes)
        return None

    def file_created(self) -> int | None:
        """Return when the file was begun of whose beginning `start` asked, in seconds since 1970.

        Raises:
            DataLossError: The server no longer has the file.
        """
        return next((event.timestamp for event in self.events() if event.type == _FORMAT_DESCRIPTION), None)

    def _event(self, data: bytes) -> BinlogEvent:
        timestamp, kind, server_id, size, end, flags = _HEADER.unpack_from(data)
        body = data[HEADER_BYTES + 1 :]
        if kind == _FORMAT_DESCRIPTION:
            # The last byte before its own checksum says whether the events after it have one.
            self._has_checksum = body[-5] == 1
            body = body[:-5]
        elif kind == _ROTATE:
            # One made for the sending stands between two files, which may differ in this.
            if zlib.crc32(data[1:-_CHECKSUM_BYTES]) == int.from_bytes(data[-_CHECKSUM_BYTES:], "little"):
                body = body[:-_CHECKSUM_BYTES]
        elif self._has_checksum:
            if zlib.crc32(memoryview(data)[1:-_CHECKSUM_BYTES]) != int.from_bytes(data[-_CHECKSUM_BYTES:], "little"):
                message = (
                    f"source '{self._address}': an event that ends at {end} of its binlog file has another checksum"
                )
                raise SourceError(message)
            body = body[:-_CHECKSUM_BYTES]
        return BinlogEvent(kind, timestamp, server_id, size, end, bool(flags & 0x20), body)

    def close(self) -> None:
        """Let go of the connection; a thread that waits for an event gets an error."""
        if self._connection is not None:
            sock = getattr(self._connection, "_sock", None)
            if sock is not None:
                with suppress(OSError):
                    # Wakes a thread that reads; closing alone does not.
                    sock.shutdown(socket.SHUT_RDWR)
            close(self._connection)
            self._connection = None
