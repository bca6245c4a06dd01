"""One JSON payload to one typed row, in plain Python: strict, exact, and never an exception on any bytes.

Spark's `from_json` is not used: it takes the first of two documents, rewrites `1.10` as `1.1` in a string column, takes
the text "NaN" for a number, and rounds decimals. Here every value is exact or the record is rejected with a reason.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, Final

import msgspec
from pyspark.sql import types as T

from streamjoin.errors import RejectReason, SchemaError

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_NULL: Final = b"null"
_INTEGER_BITS: Final = {T.ByteType: 8, T.ShortType: 16, T.IntegerType: 32, T.LongType: 64}
_MAX_INTEGER_DIGITS: Final = 20
_MAX_FLOAT: Final = 3.4028234663852886e38
# Wide enough for any decimal(38, s) and any excess that has to be noticed; raises instead of rounding.
_EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])

Convert = Callable[[bytes], Any]


@dataclass(frozen=True)
class Rejected:
    """A payload that can't be a row."""

    reason: RejectReason
    detail: str


class _WrongTypeError(Exception):
    """A value doesn't fit its column; caught in `PayloadDecoder`, which knows the column."""


class PayloadDecoder:
    """Decodes payloads to rows of one schema.

    A JSON number fits a string column, as its text; a string fits no number column; a nested value fits a string column
    as its JSON text. Missing and null are both null. Of two equal keys the last counts. Attributes that the schema
    doesn't name are left out.

    Args:
        schema: The event's columns.

    Raises:
        SchemaError: A column's type has no JSON form.
    """

    def __init__(self, schema: T.StructType) -> None:
        self._columns = [(field.name, _converter(field.dataType)) for field in schema.fields]

    def __call__(self, payload: bytes | None) -> list[Any] | Rejected:
        """Return the row's values in the order of the schema, or why there is none."""
        attributes = _attributes(payload)
        if isinstance(attributes, Rejected):
            return attributes
        row = []
        for name, convert in self._columns:
            raw = attributes.get(name)
            try:
                row.append(None if raw is None else convert(bytes(raw)))
            except _WrongTypeError as error:
                return Rejected(RejectReason.WRONG_TYPE, f"column '{name}': {error}")
        return row


def _attributes(payload: bytes | None) -> dict[str, msgspec.Raw] | Rejected:
    """Return the JSON text of each attribute."""
    if not payload or not payload.strip():
        return Rejected(RejectReason.EMPTY_PAYLOAD, "the payload has no content")
    try:
        # The parser doesn't look into strings that nobody asks for.
        payload.decode()
        return _OBJECT.decode(payload)
    except UnicodeDecodeError as error:
        return Rejected(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8: {error.reason}")
    except msgspec.ValidationError as error:
        return Rejected(RejectReason.NOT_AN_OBJECT, str(error))
    except msgspec.DecodeError as error:
        return Rejected(RejectReason.MALFORMED_JSON, str(error))
    except RecursionError:
        return Rejected(RejectReason.MALFORMED_JSON, "JSON is nested too deeply")


def _converter(data_type: T.DataType) -> Convert:  # noqa: PLR0911  (a table of types, one line each)
    """Return the function from a value's JSON text to what Arrow takes for `data_type`."""
    match data_type:
        case T.StringType():
            return _string
        case T.BooleanType():
            return _boolean
        case T.ByteType() | T.ShortType() | T.IntegerType() | T.LongType():
            return _integer(data_type.simpleString(), _INTEGER_BITS[type(data_type)])
        case T.FloatType() | T.DoubleType():
            return _floating(data_type.simpleString(), _MAX_FLOAT if isinstance(data_type, T.FloatType) else None)
        case T.DecimalType():
            return _decimal(data_type.precision, data_type.scale)
        case T.DateType():
            return _date
        case T.TimestampType() | T.TimestampNTZType():
            return _timestamp
        case T.BinaryType():
            return _binary
        case T.ArrayType():
            return _array(_converter(data_type.elementType))
        case T.MapType(keyType=T.StringType()):
            return _map(_converter(data_type.valueType))
        case T.StructType():
            return _struct([(field.name, _converter(field.dataType)) for field in data_type.fields])
    message = f"a payload column can't be of type '{data_type.simpleString()}'; a map's keys must be strings"
    raise SchemaError(message)


def _wrong(expected: str, raw: bytes) -> _WrongTypeError:
    kinds = {b'"': "a string", b"{": "an object", b"[": "an array", b"t": "a boolean", b"f": "a boolean"}
    return _WrongTypeError(f"expected {expected}, found {kinds.get(raw[:1], 'a number')}")


def _text(raw: bytes, expected: str) -> str:
    if raw[:1] != b'"':
        raise _wrong(expected, raw)
    return _TEXT.decode(raw)


def _string(raw: bytes) -> str | None:
    if raw[:1] == b'"':
        return _TEXT.decode(raw)
    return None if raw == _NULL else raw.decode()


def _boolean(raw: bytes) -> bool | None:
    if raw == _NULL:
        return None
    if raw not in (b"true", b"false"):
        raise _wrong("a boolean", raw)
    return raw == b"true"


def _number(raw: bytes, expected: str) -> str:
    if raw[:1] not in b"-0123456789":
        raise _wrong(expected, raw)
    return raw.decode()


def _integer(name: str, bits: int) -> Convert:
    lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def convert(raw: bytes) -> int | None:
        if raw == _NULL:
            return None
        text = _number(raw, name)
        try:
            if text.lstrip("-").isdigit():
                value = int(text) if len(text) <= _MAX_INTEGER_DIGITS else highest + 1
            else:
                # 5.0 and 5e0 are integers too; the context raises on anything that is not one, or is too large.
                value = int(_EXACT.quantize(Decimal(text), Decimal(1)))
        except (InvalidOperation, Inexact):
            message = f"expected {name}, found a number that is no integer of it"
            raise _WrongTypeError(message) from None
        if not lowest <= value <= highest:
            message = f"expected {name}, found a number out of its range"
            raise _WrongTypeError(message)
        return value

    return convert


def _floating(name: str, largest: float | None) -> Convert:
    def convert(raw: bytes) -> float | None:
        if raw == _NULL:
            return None
        value = float(_number(raw, name))
        if abs(value) > (largest or 1.7976931348623157e308):
            message = f"expected {name}, found a number out of its range"
            raise _WrongTypeError(message)
        return value

    return convert


def _decimal(precision: int, scale: int) -> Convert:
    name, unit, limit = f"decimal({precision},{scale})", Decimal(1).scaleb(-scale), Decimal(10) ** (precision - scale)

    def convert(raw: bytes) -> Decimal | None:
        if raw == _NULL:
            return None
        try:
            value = _EXACT.quantize(Decimal(_number(raw, name)), unit)
        except (InvalidOperation, Inexact):
            message = f"expected {name}, found a number with more digits"
            raise _WrongTypeError(message) from None
        if value.copy_abs() >= limit:
            message = f"expected {name}, found a number out of its range"
            raise _WrongTypeError(message)
        return value

    return convert


def _date(raw: bytes) -> date | None:
    if raw == _NULL:
        return None
    try:
        return date.fromisoformat(_text(raw, "a date"))
    except ValueError:
        raise _WrongTypeError("expected a date such as 2026-01-31, found other text") from None


def _timestamp(raw: bytes) -> datetime | None:
    if raw == _NULL:
        return None
    try:
        value = datetime.fromisoformat(_text(raw, "a timestamp"))
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _WrongTypeError("expected a timestamp such as 2026-01-31T00:00:00Z, found other text") from None


def _binary(raw: bytes) -> bytes | None:
    if raw == _NULL:
        return None
    try:
        return base64.b64decode(_text(raw, "base64 text"), validate=True)
    except (binascii.Error, ValueError):
        raise _WrongTypeError("expected base64 text, found other text") from None


def _array(convert: Convert) -> Convert:
    def convert_all(raw: bytes) -> list[Any] | None:
        if raw == _NULL:
            return None
        if raw[:1] != b"[":
            raise _wrong("an array", raw)
        return [convert(bytes(element)) for element in _ARRAY.decode(raw)]

    return convert_all


def _map(convert: Convert) -> Convert:
    def convert_all(raw: bytes) -> list[tuple[str, Any]] | None:
        if raw == _NULL:
            return None
        if raw[:1] != b"{":
            raise _wrong("an object", raw)
        return [(key, convert(bytes(value))) for key, value in _OBJECT.decode(raw).items()]

    return convert_all


def _struct(fields: list[tuple[str, Convert]]) -> Convert:
    def convert_all(raw: bytes) -> dict[str, Any] | None:
        if raw == _NULL:
            return None
        if raw[:1] != b"{":
            raise _wrong("an object", raw)
        found = _OBJECT.decode(raw)
        return {name: convert(bytes(found.get(name, _NULL))) for name, convert in fields}

    return convert_all
