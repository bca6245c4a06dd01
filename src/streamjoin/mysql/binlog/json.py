"""MySQL's binary JSON as compact text, the same that the text of a load is brought to.

Source: json_binary.h of MySQL's server describes the format: a byte for the type, then for objects and arrays
the count, the size, entries of offsets, and the values.
"""

import base64
import json
import struct
from decimal import Decimal
from typing import Any

from streamjoin.mysql.binlog.temporal import packed_datetime, packed_time
from streamjoin.mysql.binlog.values import decimal_decoder

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY = 0, 1, 2, 3
_LITERAL, _STRING, _OPAQUE = 4, 12, 15
_LITERALS = {0: None, 1: True, 2: False}
_NUMBERS = {
    5: struct.Struct("<h"),
    6: struct.Struct("<H"),
    7: struct.Struct("<i"),
    8: struct.Struct("<I"),
    9: struct.Struct("<q"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<d"),
}
_INT16, _UINT16, _INT32, _UINT32, _DOUBLE = 5, 6, 7, 8, 11
# How many digits before the point, and zeros behind it, a double may have without an exponent.
_MOST_DIGITS, _LEAST_POINT = 15, -14
_COUNT_16, _COUNT_32 = struct.Struct("<H"), struct.Struct("<I")

_dumps = json.JSONEncoder(ensure_ascii=False).encode

# Column types of opaque values, which JSON itself doesn't have.
_NEWDECIMAL, _DATE, _TIME, _DATETIME, _TIMESTAMP = 246, 10, 11, 12, 7


class _Number(str):
    """A number by its digits: Python's own numbers have none at their end, and other exponents."""


def compact(value: Any) -> str:
    """Return a document as compact text, members in the order they have."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{_dumps(name)}:{compact(member)}' for name, member in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(compact, value))}]"
    return value if isinstance(value, _Number) else _dumps(value)


def from_text(data: bytes) -> str:
    """Return the server's own text of a document as compact text.

    Numbers are as the server prints them, but for `.0` at their end: only MySQL 8 prints it after a double.
    """
    return compact(json.loads(data, parse_float=_number, parse_int=_Number))


def _number(printed: str) -> _Number:
    return _Number(printed.removesuffix(".0"))


def _double(value: float) -> _Number:
    """Return a double with the fewest digits that make it, and an exponent where MySQL prints one.

    Source: my_gcvt in strings/dtoa.cc of MySQL's server, for the field width that its JSON has.
    """
    shortest = Decimal(repr(value))
    sign, all_digits, _ = shortest.as_tuple()
    digits = "".join(map(str, all_digits)).strip("0")
    # Where the point is, counted from the first digit.
    point = shortest.adjusted() + 1
    if value == 0 or _LEAST_POINT <= point <= _MOST_DIGITS or 0 < point < len(digits):
        return _number(format(shortest, "f"))
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return _Number(f"{'-' * sign}{digits[0]}{fraction}e{point - 1}")


def from_binary(data: bytes) -> str:
    """Return a document of the binlog as compact text. No bytes at all are the document `null`."""
    return compact(_value(data[0], data, 1)) if data else "null"


def _value(kind: int, data: bytes, at: int) -> Any:
    if kind <= _LARGE_ARRAY:
        return _container(kind, data, at)
    if kind == _LITERAL:
        return _LITERALS[data[at]]
    if kind == _DOUBLE:
        return _double(_NUMBERS[kind].unpack_from(data, at)[0])
    if kind in _NUMBERS:
        return _NUMBERS[kind].unpack_from(data, at)[0]
    if kind == _STRING:
        length, at = _length(data, at)
        return data[at : at + length].decode("utf-8", "replace")
    if kind == _OPAQUE:
        length, start = _length(data, at + 1)
        return _opaque(data[at], data[start : start + length])
    message = f"unknown type {kind} in a JSON document"
    raise ValueError(message)


def _container(kind: int, data: bytes, at: int) -> Any:
    is_small = kind in (_SMALL_OBJECT, _SMALL_ARRAY)
    count_of, size = (_COUNT_16, 2) if is_small else (_COUNT_32, 4)
    count = count_of.unpack_from(data, at)[0]
    entry = at + 2 * size
    keys = []
    if kind in (_SMALL_OBJECT, _LARGE_OBJECT):
        for _ in range(count):
            offset = at + count_of.unpack_from(data, entry)[0]
            length = _COUNT_16.unpack_from(data, entry + size)[0]
            keys.append(data[offset : offset + length].decode("utf-8", "replace"))
            entry += size + 2
    values = []
    for _ in range(count):
        member = data[entry]
        # Literals and numbers that fit stand in the entry itself.
        inline = member in (_LITERAL, _INT16, _UINT16) or (not is_small and member in (_INT32, _UINT32))
        where = entry + 1 if inline else at + count_of.unpack_from(data, entry + 1)[0]
        values.append(_value(member, data, where))
        entry += 1 + size
    return dict(zip(keys, values, strict=True)) if kind in (_SMALL_OBJECT, _LARGE_OBJECT) else values


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Read a length of seven bits a byte; return it and where the rest begins."""
    length = shift = 0
    while True:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if not byte & 0x80:
            return length, at


def _opaque(column_type: int, data: bytes) -> Any:
    if column_type == _NEWDECIMAL:
        value, _ = decimal_decoder(data[0], data[1])(data, 2)
        return _number(format(value, "f"))
    if column_type == _TIME:
        return packed_time(struct.unpack("<q", data)[0])
    if column_type in (_DATE, _DATETIME, _TIMESTAMP):
        text = packed_datetime(struct.unpack("<q", data)[0])
        return text[:10] if column_type == _DATE else text
    return f"base64:type{column_type}:{base64.b64encode(data).decode()}"
