"""The key that an event's value is in DynamoDB: the one whose item the join then finds equal to the event.

What is equal is the join's to say (`enrich.join`): texts by their characters, numbers by value, a text and an
integer when the text is the number's own. A value that no key can have (empty, too long, NaN, too many digits) is no
key at all: the service would refuse the whole call for one of them.

Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow.types import is_decimal, is_floating, is_integer

from streamjoin.dynamodb.attribute_types import exact
from streamjoin.errors import SchemaError
from streamjoin.schema.ddl import type_text

KeyValue = str | bytes
"""A key attribute's content; a number as its digits without exponent, so that equal numbers are equal texts."""

MAX_HASH_KEY_BYTES = 2048
MAX_RANGE_KEY_BYTES = 1024
_MAX_DIGITS = 38
# Powers of ten of a number's first digit.
_LEAST_MAGNITUDE, _GREATEST_MAGNITUDE = -130, 125
# More than the longest number has: 130 zeros, 38 digits, point, sign.
_LONGEST_NUMBER_TEXT = 200
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
_UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()


def key_converter(event: pa.DataType, found: pa.DataType, key_type: str, max_bytes: int) -> Callable[[Any], Any]:
    """Return a function from an event's value (of `event_values`) to its key value, or None if it can't be one.

    If several keys are equal to a value, as two numbers of 17 digits are to one double, the one is taken that the
    value's shortest text is; other events of the batch never add another.

    Args:
        event: Type of the event's column.
        found: Type of the reference's column.
        key_type: S, N or B.
        max_bytes: How long a text or binary may be.
    """
    if key_type == "B":
        return lambda value: value if 0 < len(value) <= max_bytes else None
    if key_type == "S":

        def to_text(value: Any) -> str | None:
            text = str(value)
            # Four bytes a character at most: most texts need no counting.
            is_short = len(text) * 4 <= max_bytes or len(text.encode()) <= max_bytes
            return text if text and is_short else None

        return to_text
    if event == pa.string():
        pattern = _INTEGER if is_integer(found) else _NUMBER
        return lambda text: _number(text) if len(text) <= _LONGEST_NUMBER_TEXT and pattern.fullmatch(text) else None
    # As Spark compares them: a float with an integer as floats, either of them with a decimal as doubles.
    floats = [each == pa.float32() for each in (event, found)]
    integers = [is_integer(each) for each in (event, found)]
    if any(floats) and all(map(any, zip(floats, integers, strict=True))):
        return lambda value: _number(str(np.float32(value))) if math.isfinite(value) else None
    if any(floats) or pa.float64() in (event, found):
        return lambda value: _number(repr(float(value))) if math.isfinite(value) else None
    return lambda value: _number(str(value))


def check_key(name: str, column: str, attribute: str, event: pa.DataType, found: pa.DataType, key_type: str) -> None:
    """Check that an event's column can tell a key.

    Args:
        name: The reference.
        column: The event's column.
        attribute: The key's attribute.
        event: Type of the column.
        found: Type of the reference's column.
        key_type: The attribute's type in the table: S, N or B.

    Raises:
        SchemaError: The two sides can't be compared, or no item's key, or not only one, has the reference's type.
    """
    numbers = all(map(_is_number, (event, found)))
    texts_and_integers = all(each == pa.string() or is_integer(each) for each in (event, found))
    if event != found and not numbers and not texts_and_integers:
        message = (
            f"join {column} = {attribute}: the event's {type_text(event)} can't be compared with the reference's "
            f"{type_text(found)}; declare one of them otherwise in payload.schema or the reference's schema"
        )
        raise SchemaError(message)
    fitting = {
        "S": found in (pa.string(), pa.date32()),
        "N": _is_number(found) or found == pa.string(),
        "B": found == pa.binary(),
    }
    if not fitting[key_type]:
        # A timestamp has many texts: which of them the key is can't be told.
        message = (
            f"reference '{name}': key attribute '{attribute}' is of type {key_type} in the table; with mode lookup it "
            f"can't be {type_text(found)}. Declare it as {_SUITABLE[key_type]} in the reference's schema."
        )
        raise SchemaError(message)


_SUITABLE = {"S": "string or date", "N": "a number or string", "B": "binary"}
KEY_TYPES: Mapping[str, pa.DataType] = {"S": pa.string(), "N": pa.int64(), "B": pa.binary()}
"""What a key attribute is taken for while no item says more."""


def stored_value(value: Mapping[str, Any]) -> KeyValue:
    """Return a key attribute's content as the service sends it, in the form that `key_converter` gives."""
    if "N" in value:
        return format(exact(value["N"]), "f")
    if "B" in value:
        return bytes(value["B"])
    return str(value["S"])


def event_values(column: "pa.Array[Any]") -> list[Any]:
    """Return an event column's values as `key_converter` takes them; None if there is none that could be a key."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # Spark's strings may hold any bytes.
        return [None if each is None else _text(each) for each in column.cast(pa.binary()).to_pylist()]
    if pa.types.is_date32(column.type):
        # Spark's dates reach beyond Python's.
        return [None if each is None else _date(each) for each in column.cast(pa.int32()).to_pylist()]
    return column.to_pylist()


def _is_number(data_type: pa.DataType) -> bool:
    return is_integer(data_type) or is_floating(data_type) or is_decimal(data_type)


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _date(days: int) -> str | None:
    ordinal = days + _UNIX_EPOCH_DAY
    return date.fromordinal(ordinal).isoformat() if 0 < ordinal <= date.max.toordinal() else None


def _number(text: str) -> str | None:
    number: Decimal = exact(text)
    if not number:
        return "0"
    is_in_range = _LEAST_MAGNITUDE <= number.adjusted() <= _GREATEST_MAGNITUDE
    return format(number, "f") if is_in_range and len(number.as_tuple().digits) <= _MAX_DIGITS else None
