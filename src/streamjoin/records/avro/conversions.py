"""Single values of a column: what a logical type makes of a number or of bytes, and one type read as a wider one."""

import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final

import pyarrow as pa

from streamjoin.records.avro.reading import NotOfTypeError, as_text
from streamjoin.records.avro.schema import AvroType
from streamjoin.schema.ddl import type_text

_DAY_0: Final = date(1970, 1, 1)
_MOMENT_0: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Bytes of an integer beyond any decimal(38, s): too long a number is refused before it is made.
_MAX_DECIMAL_BYTES: Final = 17
_EXACT: Final = Context(prec=60)

Convert = Callable[[Any], Any]


def of_logical(found: AvroType) -> Convert:
    """Return what makes the column's value of the underlying one.

    Raises:
        NotOfTypeError: By what is returned, for a value that its column can't have.
    """
    match found.logical:
        case "decimal":
            return _decimal(found.precision, found.scale)
        case "date":
            return _in_range(lambda days: _DAY_0 + timedelta(days=days))
        case "uuid":
            return lambda content: str(uuid.UUID(bytes=content))
    unit_us = 1000 if str(found.logical).endswith("-millis") else 1
    # A local timestamp has no zone; times without one are UTC everywhere.
    return _in_range(lambda count: _MOMENT_0 + timedelta(microseconds=count * unit_us))


def _in_range(convert: Convert) -> Convert:
    def convert_all(value: int) -> Any:
        try:
            return convert(value)
        except OverflowError:
            raise NotOfTypeError("expected a time of the years 1 to 9999, found another") from None

    return convert_all


def _decimal(precision: int, scale: int) -> Convert:
    limit = 10**precision

    def convert(content: bytes) -> Decimal:
        unscaled = int.from_bytes(content[-_MAX_DECIMAL_BYTES:], "big", signed=True)
        is_sign = all(byte == (0xFF if unscaled < 0 else 0) for byte in content[:-_MAX_DECIMAL_BYTES])
        if not content or not is_sign or not -limit < unscaled < limit:
            message = f"expected decimal({precision},{scale}), found a number out of its range"
            raise NotOfTypeError(message)
        return Decimal(unscaled).scaleb(-scale, _EXACT)

    return convert


def promotion(source: pa.DataType, target: pa.DataType) -> Convert | None:
    """Return what makes a value of `target` of one of `source`, exactly; None if the one can't be read as the other.

    Raises:
        NotOfTypeError: By what is returned, for a value that its column can't have.
    """
    if isinstance(source, pa.Decimal128Type) and isinstance(target, pa.Decimal128Type):
        return _narrower(target) if source.scale == target.scale else None
    return _PROMOTIONS.get((source, target))


def _exact_float(form: struct.Struct) -> Convert:
    def convert(value: int) -> float:
        number: float = form.unpack(form.pack(value))[0]
        if number != value:
            raise NotOfTypeError("expected a floating-point number, found an integer with more digits than it has")
        return number

    return convert


def _narrower(target: "pa.Decimal128Type[Any, Any]") -> Convert:
    limit = Decimal(10) ** (target.precision - target.scale)

    def convert(value: Decimal) -> Decimal:
        if abs(value) >= limit:
            message = f"expected {type_text(target)}, found a number out of its range"
            raise NotOfTypeError(message)
        return value

    return convert


_PROMOTIONS: Final[dict[tuple[pa.DataType, pa.DataType], Convert]] = {
    (pa.int32(), pa.int64()): lambda value: value,
    (pa.float32(), pa.float64()): lambda value: value,
    **{(integer, pa.float32()): _exact_float(struct.Struct("<f")) for integer in (pa.int32(), pa.int64())},
    **{(integer, pa.float64()): _exact_float(struct.Struct("<d")) for integer in (pa.int32(), pa.int64())},
    (pa.string(), pa.binary()): str.encode,
    (pa.binary(), pa.string()): as_text,
}
