"""Query events of the binlog: a statement, its session's database and character set."""

import struct
from dataclasses import dataclass

from streamjoin.mysql.binlog.charsets import Charsets, decode_utf8
from streamjoin.mysql.binlog.rows import uncompressed

_HEAD = struct.Struct("<IIBHH")
# Status variables that stand before the character set, by number: their length. They have no length of their own, so
# that reading ends at the first unknown one.
_FLAGS, _SQL_MODE, _CATALOG_OLD, _AUTO_INCREMENT, _CHARSET, _TIME_ZONE, _CATALOG = 0, 1, 2, 3, 4, 5, 6
_STATUS_BYTES = {_FLAGS: 4, _SQL_MODE: 8, _AUTO_INCREMENT: 4, _CHARSET: 6}


@dataclass(frozen=True)
class Query:
    """A statement of the binlog.

    Args:
        schema: The session's database; empty if it had none.
        sql: As it was typed.
    """

    schema: str
    sql: str


def read_query(body: bytes, charsets: Charsets, *, compressed: bool = False, more_header_bytes: int = 0) -> Query:
    """Read the body of a query event.

    Args:
        body: Without header and checksum.
        charsets: Decoders by collation: a statement is in the character set of its client.
        compressed: It is one of MariaDB's compressed ones.
        more_header_bytes: How much longer its fixed part is, as in the event of LOAD DATA.
    """
    _, _, schema_bytes, _, status_bytes = _HEAD.unpack_from(body)
    at = _HEAD.size + more_header_bytes
    status = body[at : at + status_bytes]
    at += status_bytes
    schema = body[at : at + schema_bytes].decode("utf-8", "replace")
    text = body[at + schema_bytes + 1 :]
    if compressed:
        text = uncompressed(text)
    collation = _client_collation(status)
    decode = charsets.decoder(collation) if collation is not None else None
    return Query(schema, (decode or decode_utf8)(text))


def _client_collation(status: bytes) -> int | None:
    at = 0
    while at < len(status):
        kind = status[at]
        at += 1
        if kind == _CHARSET:
            return int.from_bytes(status[at : at + 2], "little")
        if kind == _CATALOG:
            at += 1 + status[at]
        elif kind == _CATALOG_OLD:
            at += 2 + status[at]
        elif kind in _STATUS_BYTES:
            at += _STATUS_BYTES[kind]
        else:
            break
    return None
