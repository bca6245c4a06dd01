"""Values out of the bytes of an Avro record: strict, and never more than the bytes hold.

A reader takes the bytes and where it begins, and returns the value and where it ended. Nothing is made for a length or
a count before its bytes are there: every value takes at least one (`schema` refuses what takes none), so however many
items a block says that it has, reading them ends where the bytes do.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

Read = Callable[[bytes, int], tuple[Any, int]]

_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")
_VARINT_MAX_BYTES: Final = 10
_MAX_INT: Final = 2**31


class MalformedError(Exception):
    """The bytes are no record of the schema."""


class NotOfTypeError(Exception):
    """The bytes are well formed, but the value has no place in its column."""


class NotTextError(Exception):
    """The bytes of a string are not UTF-8."""


def _malformed(at: int, problem: str) -> MalformedError:
    return MalformedError(f"byte {at}: {problem}")


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Read a zigzag varint of up to 64 bits."""
    if at < len(data) and (byte := data[at]) < 0x80:
        # Most lengths, branches and counts are one byte.
        return (byte >> 1) ^ -(byte & 1), at + 1
    value = 0
    for count, byte in enumerate(data[at : at + _VARINT_MAX_BYTES]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value >> 64:
                break
            return (value >> 1) ^ -(value & 1), at + count + 1
    raise _malformed(at, "a number that is cut short, or has more than 64 bits")


def read_int(data: bytes, at: int) -> tuple[int, int]:
    """Read a zigzag varint of up to 32 bits."""
    value, end = read_long(data, at)
    if not -_MAX_INT <= value < _MAX_INT:
        raise _malformed(at, "an int that has more than 32 bits")
    return value, end


def read_boolean(data: bytes, at: int) -> tuple[bool, int]:
    """Read a byte of 0 or 1."""
    byte = data[at : at + 1]
    if byte not in (b"\x00", b"\x01"):
        raise _malformed(at, "expected a boolean, which is a byte of 0 or 1")
    return byte == b"\x01", at + 1


def read_float(data: bytes, at: int) -> tuple[float, int]:
    """Read four bytes."""
    if len(data) - at < _FLOAT.size:
        raise _malformed(at, "a float that is cut short")
    return _FLOAT.unpack_from(data, at)[0], at + _FLOAT.size


def read_double(data: bytes, at: int) -> tuple[float, int]:
    """Read eight bytes."""
    if len(data) - at < _DOUBLE.size:
        raise _malformed(at, "a double that is cut short")
    return _DOUBLE.unpack_from(data, at)[0], at + _DOUBLE.size


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Read bytes behind their length."""
    length, start = read_long(data, at)
    end = start + length
    if not start <= end <= len(data):
        raise _malformed(at, f"expected {length} bytes, found {len(data) - start}")
    return data[start:end], end


def read_string(data: bytes, at: int) -> tuple[str, int]:
    """Read text behind its length in bytes."""
    content, end = read_bytes(data, at)
    return as_text(content), end


def as_text(content: bytes) -> str:
    """Return UTF-8 as text.

    Raises:
        NotTextError: It is none.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} of a string is not UTF-8: {error.reason}"
        raise NotTextError(message) from None


def fixed_reader(size_bytes: int) -> Read:
    """Return the reader of so many bytes."""

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        end = at + size_bytes
        if end > len(data):
            raise _malformed(at, f"expected {size_bytes} bytes, found {len(data) - at}")
        return data[at:end], end

    return read


def enum_reader(symbols: Sequence[Any]) -> Read:
    """Return the reader of an index into `symbols`; one of None has no place in its column."""

    def read(data: bytes, at: int) -> tuple[Any, int]:
        index, end = read_int(data, at)
        if not 0 <= index < len(symbols):
            raise _malformed(at, f"symbol {index} of an enum of {len(symbols)}")
        if symbols[index] is None:
            raise NotOfTypeError("expected a symbol of the enum, found one that an older schema had")
        return symbols[index], end

    return read


def union_reader(branches: Sequence[bool], read_value: Read, *, takes_null: bool) -> Read:
    """Return the reader of a union.

    Args:
        branches: Which of its branches are null.
        read_value: The reader of the other branch.
        takes_null: Whether the column's own type has null.
    """

    def read(data: bytes, at: int) -> tuple[Any, int]:
        index, start = read_long(data, at)
        if not 0 <= index < len(branches):
            raise _malformed(at, f"branch {index} of a union of {len(branches)}")
        if not branches[index]:
            return read_value(data, start)
        if not takes_null:
            raise NotOfTypeError("expected a value, found null")
        return None, start

    return read


def array_reader(read_item: Read) -> Read:
    """Return the reader of blocks of items."""

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        count, at, end = _block(data, at)
        while count:
            for _ in range(count):
                item, at = read_item(data, at)
                items.append(item)
            _check_end(at, end)
            count, at, end = _block(data, at)
        return items, at

    return read


def map_reader(read_value: Read) -> Read:
    """Return the reader of blocks of keys and values; of two equal keys the last counts."""

    def read(data: bytes, at: int) -> tuple[list[tuple[str, Any]], int]:
        items: dict[str, Any] = {}
        count, at, end = _block(data, at)
        while count:
            for _ in range(count):
                key, at = read_string(data, at)
                items[key], at = read_value(data, at)
            _check_end(at, end)
            count, at, end = _block(data, at)
        return list(items.items()), at

    return read


def converted(read: Read, convert: Callable[[Any], Any]) -> Read:
    """Return `read` with `convert` applied to its value."""

    def read_converted(data: bytes, at: int) -> tuple[Any, int]:
        value, end = read(data, at)
        return convert(value), end

    return read_converted


def _block(data: bytes, at: int) -> tuple[int, int, int | None]:
    """Return how many items a block has, where they begin, and where they end if it says so."""
    count, start = read_long(data, at)
    end = None
    if count < 0:
        size, start = read_long(data, start)
        count, end = -count, start + size
    return count, start, end


def _check_end(at: int, end: int | None) -> None:
    if end is not None and at != end:
        raise _malformed(at, f"expected the block's end at byte {end}")
