"""What the text of a single value is as a value of its column: exactly that, or an error. For json and csv."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, Final

import pyarrow as pa

from streamjoin.errors import RejectReason
from streamjoin.moments import iso_date, iso_moment
from streamjoin.schema.ddl import type_text

_MAX_INTEGER_DIGITS: Final = 20
_MAX_FLOAT: Final = 3.4028234663852886e38
_MAX_DOUBLE: Final = 1.7976931348623157e308
# Wide enough for any decimal(38, s) and any excess that has to be noticed; raises instead of rounding.
_EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])

Parse = Callable[[str], Any]


@dataclass(frozen=True)
class Rejected:
    """A payload that can't be a row."""

    reason: RejectReason
    detail: str


class WrongTypeError(Exception):
    """A value doesn't fit its column; caught by the decoder, which knows the column."""


def number_parser(data_type: pa.DataType) -> Parse | None:
    """Return the function from a number's text, in JSON's grammar, to a value of `data_type`; None for all others.

    What it returns raises WrongTypeError for a number that is not exactly of the type.
    """
    if pa.types.is_integer(data_type):
        return _integer(type_text(data_type), data_type.bit_width)
    if pa.types.is_floating(data_type):
        return _floating(type_text(data_type), _MAX_FLOAT if data_type == pa.float32() else _MAX_DOUBLE)
    return _decimal(data_type.precision, data_type.scale) if isinstance(data_type, pa.Decimal128Type) else None


def _integer(name: str, bits: int) -> Parse:
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def parse(text: str) -> int:
        try:
            if text.lstrip("-").isdigit():
                value = int(text) if len(text) <= _MAX_INTEGER_DIGITS else highest + 1
            else:
                # 5.0 and 5e0 are integers too; the context raises on anything that is not one, or is too large.
                value = int(_EXACT.quantize(Decimal(text), Decimal(1)))
        except (InvalidOperation, Inexact):
            message = f"expected {name}, found a number that is no integer of it"
            raise WrongTypeError(message) from None
        if not lowest <= value <= highest:
            message = f"expected {name}, found a number out of its range"
            raise WrongTypeError(message)
        return value

    return parse


def _floating(name: str, largest: float) -> Parse:
    def parse(text: str) -> float:
        value = float(text)
        if abs(value) > largest:
            message = f"expected {name}, found a number out of its range"
            raise WrongTypeError(message)
        return value

    return parse


def _decimal(precision: int, scale: int) -> Parse:
    name, unit, limit = f"decimal({precision},{scale})", Decimal(1).scaleb(-scale), Decimal(10) ** (precision - scale)

    def parse(text: str) -> Decimal:
        try:
            value = _EXACT.quantize(Decimal(text), unit)
        except (InvalidOperation, Inexact):
            message = f"expected {name}, found a number with more digits"
            raise WrongTypeError(message) from None
        if value.copy_abs() >= limit:
            message = f"expected {name}, found a number out of its range"
            raise WrongTypeError(message)
        return value

    return parse


def parse_date(text: str) -> date:
    """Return a date of ISO 8601.

    Raises:
        WrongTypeError: It is none.
    """
    found = iso_date(text)
    if found is None:
        raise WrongTypeError("expected a date such as 2026-01-31, found other text")
    return found


def parse_timestamp(text: str) -> datetime:
    """Return a time of ISO 8601, in UTC if it names no zone.

    Raises:
        WrongTypeError: It is none.
    """
    found = iso_moment(text)
    if found is None:
        raise WrongTypeError("expected a timestamp such as 2026-01-31T00:00:00Z, found other text")
    return found


def parse_base64(text: str) -> bytes:
    """Return the bytes that base64 text stands for.

    Raises:
        WrongTypeError: It is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise WrongTypeError("expected base64 text, found other text") from None
