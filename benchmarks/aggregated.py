"""Records as the Kinesis Producer Library packs them into one.

Source: github.com/awslabs/amazon-kinesis-producer, aggregation-format.md.
"""

import hashlib
from collections.abc import Sequence

_MAGIC = b"\xf3\x89\x9a\xc2"


def aggregate(partition_key: str, payloads: Sequence[bytes]) -> bytes:
    """Return one record that holds all payloads, each under the same partition key."""
    records = (_field(3, _varint(1 << 3) + _varint(0) + _field(3, payload)) for payload in payloads)
    message = _field(1, partition_key.encode()) + b"".join(records)
    return _MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
