"""Values of the binlog's row images, decoded from bytes at a place: the value, and where the next one begins.

The package `mysql-replication` decodes rows too, but not to the values of a load: its dates are Python's (zero dates
become None), a SET loses its order, BINARY its padding, a TIME its sign below a second. It also connects again by
itself in the middle of a transaction, and passes over compressed ones without a word.
"""

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from streamjoin.dms.source_table import Value

Decoder: TypeAlias = Callable[[bytes, int], tuple[Value, int]]

_DIGITS_OF_GROUP = 9
_GROUP_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
# The fewest digits that give a float of 32 bits back lie in this range.
_FLOAT_DIGITS = range(6, 10)


def integer_decoder(size: int, *, unsigned: bool) -> Decoder:
    """Return the decoder of an integer of so many bytes, little-endian."""
    if size == 1 and unsigned:
        return read_byte
    signed, from_bytes = not unsigned, int.from_bytes

    def read(data: bytes, at: int) -> tuple[int, int]:
        end = at + size
        return from_bytes(data[at:end], "little", signed=signed), end

    return read


def read_byte(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned byte."""
    return data[at], at + 1


def read_year(data: bytes, at: int) -> tuple[int, int]:
    """Read a YEAR: years since 1900, and 0 for the year 0."""
    return (1900 + data[at] if data[at] else 0), at + 1


def read_float(data: bytes, at: int) -> tuple[float, int]:
    """Read a FLOAT."""
    return shortest_float(_FLOAT.unpack_from(data, at)[0]), at + 4


def shortest_float(value: float) -> float:
    """Return the shortest decimal number that is this float of 32 bits: 1.1, not 1.10000002384185791."""
    for digits in _FLOAT_DIGITS:
        short = float(f"{value:.{digits}g}")
        # A number just below the largest may round to one that 32 bits don't hold.
        if abs(short) <= 3.4028235e38 and _FLOAT.unpack(_FLOAT.pack(short))[0] == value:
            return short
    return value


def read_double(data: bytes, at: int) -> tuple[float, int]:
    """Read a DOUBLE."""
    return _DOUBLE.unpack_from(data, at)[0], at + 8


def decimal_decoder(precision: int, scale: int) -> Callable[[bytes, int], tuple[Decimal, int]]:
    """Return the decoder of DECIMAL(precision, scale).

    Groups of nine digits take four bytes, the digits left over on both ends as few as hold them; the first bit is the
    sign, and a negative number has all bits turned.
    """
    whole_groups, whole_left = divmod(precision - scale, _DIGITS_OF_GROUP)
    part_groups, part_left = divmod(scale, _DIGITS_OF_GROUP)
    groups = [whole_left, *[9] * whole_groups, *[9] * part_groups, part_left]
    sizes = [8 * _GROUP_BYTES[digits] for digits in groups]
    size = sum(sizes) // 8
    sign_bit, all_bits = 1 << 8 * size - 1, (1 << 8 * size) - 1
    # Groups from the last to the first: bits, mask, and what their value counts in units of the last digit.
    steps, factor = [], 1
    for digits, bits in zip(reversed(groups), reversed(sizes), strict=True):
        if digits:
            steps.append((bits, (1 << bits) - 1, factor))
            factor *= 10**digits

    def read(data: bytes, at: int) -> tuple[Decimal, int]:
        end = at + size
        bits_left = int.from_bytes(data[at:end], "big") ^ sign_bit
        negative = bits_left & sign_bit
        if negative:
            bits_left ^= all_bits
        unscaled = 0
        for bits, mask, factor in steps:
            unscaled += (bits_left & mask) * factor
            bits_left >>= bits
        sign = "-" if negative else ""
        # As text: it is exact whatever the context's precision is.
        return Decimal(f"{sign}{unscaled}E-{scale}" if scale else f"{sign}{unscaled}"), end

    return read


def bytes_decoder(length_bytes: int) -> Callable[[bytes, int], tuple[bytes, int]]:
    """Return the decoder of bytes with their length before them."""
    if length_bytes == 1:

        def read_short(data: bytes, at: int) -> tuple[bytes, int]:
            end = at + 1 + data[at]
            return data[at + 1 : end], end

        return read_short

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        start = at + length_bytes
        end = start + int.from_bytes(data[at:start], "little")
        return data[start:end], end

    return read


def padded_decoder(length_bytes: int, width: int) -> Decoder:
    """Return the decoder of BINARY(width): the zeros at its end aren't stored."""
    read = bytes_decoder(length_bytes)

    def read_padded(data: bytes, at: int) -> tuple[bytes, int]:
        value, end = read(data, at)
        return value.ljust(width, b"\0"), end

    return read_padded


def text_decoder(length_bytes: int, decode: Callable[[bytes], str]) -> Decoder:
    """Return the decoder of a text with its length before it."""
    read = bytes_decoder(length_bytes)

    def read_text(data: bytes, at: int) -> tuple[str, int]:
        value, end = read(data, at)
        return decode(value), end

    return read_text


def bit_decoder(size: int) -> Decoder:
    """Return the decoder of BIT in so many bytes, big-endian."""

    def read(data: bytes, at: int) -> tuple[int, int]:
        end = at + size
        return int.from_bytes(data[at:end], "big"), end

    return read


def enum_decoder(size: int, members: Sequence[str]) -> Decoder:
    """Return the decoder of ENUM: the member's number from 1; 0 is the empty text of a value that was refused."""
    names = ("", *members)

    def read(data: bytes, at: int) -> tuple[str, int]:
        end = at + size
        number = int.from_bytes(data[at:end], "little")
        return names[number] if number < len(names) else "", end

    return read


def set_decoder(size: int, members: Sequence[str]) -> Decoder:
    """Return the decoder of SET: a bit a member; they come in the order of their declaration."""

    def read(data: bytes, at: int) -> tuple[str, int]:
        end = at + size
        bits = int.from_bytes(data[at:end], "little")
        return ",".join(member for index, member in enumerate(members) if bits >> index & 1), end

    return read
