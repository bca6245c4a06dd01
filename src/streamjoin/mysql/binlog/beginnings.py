"""What an event says that begins a transaction: its id, when it was committed, and how it ends."""

import struct
from typing import NamedTuple

from streamjoin.mysql.binlog.dump import BinlogEvent

_STANDALONE, _PREPARED_XA = 0x01, 0x40
_MARIADB_GTID_BODY = struct.Struct("<QIB")
_COMMITTED_AT, _COMMITTED_END = 42, 49


class MariaDbBeginning(NamedTuple):
    """What MariaDB's event says.

    Args:
        gtid: Domain, server, number.
        is_standalone: One statement follows, which has no end of its own.
        is_prepared: What follows is prepared, not committed: MySQL says so by a statement, `XA START`.
    """

    gtid: tuple[int, int, int]
    is_standalone: bool
    is_prepared: bool


def of_mariadb(event: BinlogEvent) -> MariaDbBeginning:
    """Read MariaDB's event."""
    number, domain, flags = _MARIADB_GTID_BODY.unpack_from(event.body)
    return MariaDbBeginning((domain, event.server_id, number), bool(flags & _STANDALONE), bool(flags & _PREPARED_XA))


def mysql_gtid(body: bytes) -> tuple[str, int]:
    """Return the server and the number of MySQL's event."""
    uuid = body[1:17].hex()
    text = "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
    return text, int.from_bytes(body[17:25], "little")


def committed_ms(body: bytes) -> int | None:
    """Return when the transaction of MySQL's event was committed on this server; None before 8.0."""
    if len(body) < _COMMITTED_END:
        return None
    # In microseconds; the first bit says that another server's time follows.
    return (int.from_bytes(body[_COMMITTED_AT:_COMMITTED_END], "little") & (1 << 55) - 1) // 1000
