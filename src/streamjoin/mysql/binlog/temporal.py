"""Dates and times of the binlog as the server prints them, with zero dates, signs and fractions as they are.

Python's own types can't hold `0000-00-00`, `2024-00-10` or `-838:59:59`, and know no number of fraction digits.

Source: my_time.cc of MySQL's server (`my_datetime_packed_to_binary` and its neighbours) for the layout.
"""

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import TypeAlias

Decoded: TypeAlias = tuple[str, int]
TextDecoder: TypeAlias = Callable[[bytes, int], Decoded]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 86_400
_DAYS_KEPT = 20_000


@lru_cache(_DAYS_KEPT)
def _day_of_epoch(day: int) -> str:
    return date.fromordinal(_EPOCH_DAY + day).isoformat()


@lru_cache(_DAYS_KEPT)
def _packed_date(value: int) -> str:
    return f"{value >> 9:04d}-{value >> 5 & 15:02d}-{value & 31:02d}"


def read_date(data: bytes, at: int) -> Decoded:
    """Read a DATE: year, month and day in 15, 4 and 5 bits of a little-endian number."""
    return _packed_date(data[at] | data[at + 1] << 8 | data[at + 2] << 16), at + 3


def _clock(packed: int) -> str:
    return f"{packed >> 12:02d}:{packed >> 6 & 63:02d}:{packed & 63:02d}"


def _fraction_of(digits: int) -> tuple[int, Callable[[int], str]]:
    """Return how many bytes a fraction takes, and what prints it: there are two digits a byte."""
    size = (digits + 1) // 2
    if digits == 0:
        return 0, lambda fraction: ""
    return size, lambda fraction: "." + f"{fraction:0{2 * size}d}"[:digits]


def datetime_decoder(digits: int) -> TextDecoder:
    """Return the decoder of DATETIME with so many fraction digits."""
    size, fraction_text = _fraction_of(digits)

    def read(data: bytes, at: int) -> Decoded:
        # The first bit is a sign that no date has; 17 bits of year * 13 + month, 5 of day, 17 of the time of day.
        packed = int.from_bytes(data[at : at + 5], "big") & 0x7FFFFFFFFF
        end = at + 5 + size
        fraction = fraction_text(int.from_bytes(data[at + 5 : end], "big"))
        return f"{_year_month_day(packed >> 17)} {_clock(packed & 0x1FFFF)}{fraction}", end

    return read


@lru_cache(_DAYS_KEPT)
def _year_month_day(packed: int) -> str:
    year, month = divmod(packed >> 5, 13)
    return f"{year:04d}-{month:02d}-{packed & 31:02d}"


def timestamp_decoder(digits: int) -> TextDecoder:
    """Return the decoder of TIMESTAMP, in UTC, with so many fraction digits."""
    size, fraction_text = _fraction_of(digits)

    def read(data: bytes, at: int) -> Decoded:
        # Without a sign: MariaDB uses the last bit for the years until 2106.
        seconds = int.from_bytes(data[at : at + 4], "big")
        end = at + 4 + size
        fraction = int.from_bytes(data[at + 4 : end], "big")
        return utc_text(seconds) + fraction_text(fraction), end

    return read


def utc_text(seconds: int) -> str:
    """Return seconds since 1970 as the server prints them; 0 is the zero date."""
    if seconds == 0:
        return "0000-00-00 00:00:00"
    day, left = divmod(seconds, _DAY_SECONDS)
    minutes, second = divmod(left, 60)
    return f"{_day_of_epoch(day)} {minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"


def time_decoder(digits: int) -> TextDecoder:
    """Return the decoder of TIME with so many fraction digits."""
    size, fraction_text = _fraction_of(digits)
    # Whole and fraction are one number with an offset; a negative time is a negative number, its fraction included.
    offset, bits, width = 0x800000 << 8 * size, 8 * size, 3 + size
    mask = (1 << bits) - 1

    def read(data: bytes, at: int) -> Decoded:
        end = at + width
        packed = int.from_bytes(data[at:end], "big") - offset
        sign = "-" if packed < 0 else ""
        packed = abs(packed)
        return f"{sign}{_clock(packed >> bits)}{fraction_text(packed & mask)}", end

    return read


def read_old_datetime(data: bytes, at: int) -> Decoded:
    """Read a DATETIME of a table made before MySQL 5.6: YYYYMMDDhhmmss as a number."""
    digits = f"{int.from_bytes(data[at : at + 8], 'little'):014d}"
    day, clock = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}", f"{digits[8:10]}:{digits[10:12]}:{digits[12:]}"
    return f"{day} {clock}", at + 8


def read_old_timestamp(data: bytes, at: int) -> Decoded:
    """Read a TIMESTAMP of a table made before MySQL 5.6."""
    return utc_text(int.from_bytes(data[at : at + 4], "little")), at + 4


def read_old_time(data: bytes, at: int) -> Decoded:
    """Read a TIME of a table made before MySQL 5.6: hhmmss as a number with a sign."""
    value = int.from_bytes(data[at : at + 3], "little", signed=True)
    digits = f"{abs(value):06d}"
    return f"{'-' if value < 0 else ''}{digits[:-4]}:{digits[-4:-2]}:{digits[-2:]}", at + 3


def packed_datetime(packed: int) -> str:
    """Print a date with time as it stands in a JSON document: six fraction digits always."""
    whole, fraction = packed >> 24, packed & 0xFFFFFF
    return f"{_year_month_day(whole >> 17)} {_clock(whole & 0x1FFFF)}.{fraction:06d}"


def packed_time(packed: int) -> str:
    """Print a time as it stands in a JSON document: six fraction digits always."""
    sign, packed = ("-", -packed) if packed < 0 else ("", packed)
    return f"{sign}{_clock(packed >> 24)}.{packed & 0xFFFFFF:06d}"
