"""What the MariaDB of the tests can't show: events as MySQL writes them, and a connection that answers as told."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import pymysql
from pymysql.protocol import MysqlPacket

from streamjoin.mysql import MysqlAddress
from streamjoin.mysql.binlog.charsets import Charsets
from streamjoin.mysql.binlog.dump import BinlogEvent
from streamjoin.mysql.session import Session

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
CHARSETS = Charsets({255: "utf8mb4", 8: "latin1", 28: "gbk"}, lambda name: "".join(map(chr, range(256))))
QUERY, XID, TABLE_MAP, WRITE_V2 = 2, 16, 19, 30


def packed(number: int) -> bytes:
    return bytes([number]) if number < 251 else b"\xfc" + struct.pack("<H", number)


def field(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + packed(len(data)) + data


def table_map(types: Sequence[tuple[int, bytes]], names: Sequence[str], *fields: bytes, table: str = "t") -> bytes:
    """Return the body of a table map event: types with their metadata, names, and further fields."""
    metadata = b"".join(meta for _, meta in types)
    head = (7).to_bytes(6, "little") + b"\1\0" + b"\4shop\0" + bytes([len(table)]) + table.encode() + b"\0"
    columns = packed(len(types)) + bytes(kind for kind, _ in types) + packed(len(metadata)) + metadata
    nulls = bytes((len(types) + 7) // 8)
    named = field(4, b"".join(packed(len(name)) + name.encode() for name in names))
    return head + columns + nulls + named + b"".join(fields)


def rows_v2(columns: int, *images: bytes, bitmaps: int = 1, extra: bytes = b"") -> bytes:
    """Return the body of one of MySQL's row events, all columns present and none null."""
    bitmap = ((1 << columns) - 1).to_bytes((columns + 7) // 8, "little")
    head = (7).to_bytes(6, "little") + b"\1\0" + struct.pack("<H", 2 + len(extra)) + extra + packed(columns)
    null_bytes = bytes((columns + 7) // 8)
    return head + bitmap * bitmaps + b"".join(null_bytes + image for image in images)


def query(sql: str, schema: str = "shop", status: bytes = b"") -> bytes:
    head = struct.pack("<IIBHH", 1, 0, len(schema), 0, len(status))
    return head + status + schema.encode() + b"\0" + sql.encode()


def gtid(number: int, committed_us: int | None = None) -> bytes:
    body = b"\1" + bytes.fromhex(UUID.replace("-", "")) + struct.pack("<Q", number) + b"\2" + bytes(16)
    return body if committed_us is None else body + committed_us.to_bytes(7, "little")


class Binlog:
    """Events in order, with their offsets added up as a server does."""

    def __init__(self, offset: int = 4) -> None:
        self.offset, self.events = offset, list[BinlogEvent]()

    def add(self, kind: int, body: bytes, timestamp: int = 1_700_000_000) -> "Binlog":
        size = 19 + len(body) + 4
        self.offset += size
        end = self.offset & 0xFFFFFFFF
        self.events.append(BinlogEvent(kind, timestamp, 1, size, end, is_artificial=False, body=body))
        return self


class FakeConnection:
    """Answers statements by the first of `answers` whose key is in them: rows, or an error's number."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.asked = answers, list[str]()

    def cursor(self) -> "FakeConnection":
        return self

    def __enter__(self) -> "FakeConnection":
        return self

    def __exit__(self, *error: object) -> None:
        return

    def close(self) -> None:
        return

    def execute(self, sql: str) -> None:
        self.asked.append(sql)
        found = next((answer for key, answer in self.answers.items() if key in sql), [])
        if callable(found):
            found = found()
        if isinstance(found, int):
            raise pymysql.err.OperationalError(found, f"no: {sql}")
        self._rows = found

    def fetchall(self) -> Sequence[Any]:
        return self._rows


END_PACKET = b"\xfe\0\0\2\0"


class DumpConnection(FakeConnection):
    """A connection that is asked for the binlog, and gets these packets, or errors; then it is lost."""

    def __init__(self, *packets: bytes | tuple[int, str]) -> None:
        super().__init__({"binlog_checksum": [(b"NONE",)]})
        self.packets = list(packets)

    def fetchone(self) -> Any:
        return self._rows[0]

    def _execute_command(self, command: int, request: bytes) -> None:
        self.asked.append(f"command {command}")

    def _read_packet(self) -> MysqlPacket:
        if not self.packets:
            raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
        packet = self.packets.pop(0)
        if isinstance(packet, tuple):
            raise pymysql.err.OperationalError(*packet)
        return MysqlPacket(packet, "utf8")


def event_packet(kind: int, body: bytes, end: int = 0) -> bytes:
    """Return an event as the server sends it to a replica, without checksum."""
    return b"\0" + struct.pack("<IBIIIH", 1_700_000_000, kind, 1, 19 + len(body), end, 0) + body


def fake_session(answers: dict[str, Sequence[Any] | int | Callable[[], Any]]) -> tuple[Session, FakeConnection]:
    """Return a session of a MySQL server that answers as told, and what was asked of it."""
    connection = FakeConnection({"SELECT VERSION()": [(b"8.0.36",)], **answers})
    address = MysqlAddress("db.example", 3306, "reader", "a secret")
    return Session(address, lambda _: connection), connection  # type: ignore[arg-type, return-value]
