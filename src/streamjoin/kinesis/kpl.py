"""Unpack records that the Kinesis Producer Library aggregated. Pure functions; no protobuf package.

Source: the library's aggregation format (github.com/awslabs/amazon-kinesis-producer, aggregation-format.md):
four magic bytes, a protobuf message (1: partition keys, 2: explicit hash keys, 3: records, each with 1: index of its
partition key, 2: index of its explicit hash key, 3: data, 4: tags), the message's MD5.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"\xf3\x89\x9a\xc2"
_MD5_BYTES = 16
_VARINT_MAX_BYTES = 10
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_WIDTH_BYTES = {_FIXED64: 8, _FIXED32: 4}

# message fields
_PARTITION_KEY, _RECORD = 1, 3
# record fields
_KEY_INDEX, _DATA = 1, 3


class UserRecord(NamedTuple):
    """A record as its producer gave it."""

    partition_key: str
    data: bytes


class _MalformedError(Exception):
    """The bytes aren't an aggregate after all."""


def unpack(partition_key: str, data: bytes) -> list[UserRecord]:
    """Return the user records of one stream record: those packed into it, else the record itself.

    Bytes that begin like an aggregate but fail its checksum, its format or hold no record are a plain record, as for
    the Kinesis Client Library. So at least one record comes out, never an exception.

    User records whose hash key is not of the shard's range are kept. The producer library sends them again after a
    split, so that they are there twice; what is known by its key comes to the same. Other producers pack records of any
    key together and send nothing again: theirs would be lost.

    Args:
        partition_key: That of the stream record.
        data: That of the stream record.
    """
    plain = [UserRecord(partition_key, data)]
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + _MD5_BYTES:
        return plain
    message = memoryview(data)[len(MAGIC) : -_MD5_BYTES]
    if hashlib.md5(message, usedforsecurity=False).digest() != data[-_MD5_BYTES:]:
        return plain
    try:
        return _user_records(message) or plain
    except (_MalformedError, UnicodeDecodeError):
        return plain


def _user_records(message: memoryview) -> list[UserRecord]:
    keys: list[str] = []
    packed: list[tuple[int, bytes]] = []
    for number, value in _fields(message):
        if number == _PARTITION_KEY:
            keys.append(str(_content(value), "utf-8"))
        elif number == _RECORD:
            packed.append(_packed_record(_content(value)))
    if any(index >= len(keys) for index, _ in packed):
        raise _MalformedError
    return [UserRecord(keys[index], data) for index, data in packed]


def _packed_record(record: memoryview) -> tuple[int, bytes]:
    index: int | None = None
    data: bytes | None = None
    for number, value in _fields(record):
        if number == _KEY_INDEX:
            if not isinstance(value, int):
                raise _MalformedError
            index = value
        elif number == _DATA:
            data = bytes(_content(value))
    if index is None or data is None:
        raise _MalformedError
    return index, data


def _content(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _MalformedError
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field: an int for a varint, bytes for the rest.

    Source: protobuf.dev/programming-guides/encoding. Groups (wire types 3 and 4) don't occur in this format.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise _MalformedError
        if wire_type == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            length, at = _varint(message, at)
        elif wire_type in _FIXED_WIDTH_BYTES:
            length = _FIXED_WIDTH_BYTES[wire_type]
        else:
            raise _MalformedError
        if length > len(message) - at:
            raise _MalformedError
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(message[at : at + _VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at + count + 1
    raise _MalformedError
