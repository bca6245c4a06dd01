"""Transactions that MySQL 8 compresses as a whole (`binlog_transaction_compression`).

Source: payload_event of MySQL's server: fields of a number, a length and a value, up to the number 0; then the events.
"""

import struct
from collections.abc import Iterator

import zstandard

from streamjoin.mysql.binlog.dump import HEADER_BYTES, BinlogEvent
from streamjoin.mysql.binlog.packed import Bytes

_HEADER = struct.Struct("<IBIIIH")
_END, _COMPRESSION, _ZSTD = 0, 2, 0


def inner_events(event: BinlogEvent) -> Iterator[BinlogEvent]:
    """Return the events of a compressed transaction; each is said to end where the whole does."""
    reader, compression = Bytes(event.body), _ZSTD
    while (kind := reader.packed()) != _END:
        value = Bytes(reader.take(reader.packed()))
        if kind == _COMPRESSION:
            compression = value.packed()
    data = event.body[reader.at :]
    if compression == _ZSTD:
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    at = 0
    while at < len(data):
        timestamp, kind, server_id, size, _, _ = _HEADER.unpack_from(data, at)
        body = data[at + HEADER_BYTES : at + size]
        yield BinlogEvent(kind, timestamp, server_id, size, event.end, is_artificial=False, body=body)
        at += size
