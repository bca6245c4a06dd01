"""Records as the Kinesis Producer Library packs them, whole or spoilt by a test."""

import hashlib


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delimited(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def sealed(message: bytes) -> bytes:
    return b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()


def aggregate(records: list[tuple[str, bytes]], hash_keys: list[str] | None = None, *, tag: bool = False) -> bytes:
    """Pack records of (partition key, data) into one, as the producer library does."""
    keys = sorted({key for key, _ in records})
    message = b"".join(delimited(1, key.encode()) for key in keys)
    message += b"".join(delimited(2, key.encode()) for key in hash_keys or [])
    for key, data in records:
        record = varint(1 << 3) + varint(keys.index(key))
        if hash_keys:
            record += varint(2 << 3) + varint(0)
        record += delimited(3, data)
        if tag:
            record += delimited(4, delimited(1, b"name") + delimited(2, b"value"))
        message += delimited(3, record)
    return sealed(message)
