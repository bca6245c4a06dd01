"""DynamoDB's typed values as values of columns: exactly, or not at all.

A value either has an exact counterpart in its column's type or its item does not fit (`MisfitError`); nothing is
rounded, cut or made null. Numbers have up to 38 digits and never pass through a float on their way.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

import base64
import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from streamjoin.dynamodb.service import Item
from streamjoin.errors import SchemaError
from streamjoin.moments import iso_date, iso_moment
from streamjoin.schema.ddl import TIMESTAMP, type_text

Value = Mapping[str, Any]
"""A value as the service sends it: one DynamoDB type name -> its content, such as {"N": "1.5"}."""

JSON_TEXT: Final = {b"streamjoin.text": b"json"}
"""Metadata of a string column of several types, or nested ones: a text is itself, binary base64, all else JSON text."""

_JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


class MisfitError(ValueError):
    """A value has no exact counterpart in its column's type. Its item is counted and named; the job goes on."""


def converter(schema: pa.Schema) -> Callable[[Item], tuple[Any, ...]]:
    """Return a function from an item to its values in the order of `schema`; a missing attribute is None.

    Values are what pyarrow takes: a map is a list of pairs, a struct a dict. Equal values have one `repr`. The
    function raises MisfitError, naming the attribute, for an item that does not fit.

    Raises:
        SchemaError: `schema` has a type that no DynamoDB value can have.
    """
    readers = [value_reader(field) for field in schema]

    def convert(item: Item) -> tuple[Any, ...]:
        return tuple(read(item) for read in readers)

    return convert


def value_reader(field: "pa.Field[Any]", *, is_key: bool = False) -> Callable[[Item], Any]:
    """Return a function from an item to its value of one column, as `converter` makes it.

    Args:
        field: The attribute, with the column's type.
        is_key: Whether the column is joined on: then no value becomes JSON text, which no event's text is.

    Raises:
        SchemaError: No DynamoDB value can have the type.
    """
    name = field.name
    as_text = _key_text if is_key else _mixed_text if field.metadata == JSON_TEXT else _to_string
    convert = _from(field.type, name, as_text)
    return lambda item: convert(item[name]) if name in item else None


def json_text(value: Value) -> str:
    """Return `value` as plain JSON: numbers with their own digits, binary as base64, sets as sorted arrays."""
    kind, content = _only(value)
    if kind in _SCALAR_TEXT:
        return _SCALAR_TEXT[kind](content)
    if kind == "M":
        # The service keeps no order of a map's names; ours makes equal maps equal text.
        return "{" + ",".join(f"{_quoted(name)}:{json_text(content[name])}" for name in sorted(content)) + "}"
    elements = content if kind == "L" else _sorted_set(kind, content)
    return "[" + ",".join(map(json_text, elements)) + "]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_SCALAR_TEXT: dict[str, Callable[[Any], str]] = {
    "NULL": lambda _: "null",
    "BOOL": lambda content: "true" if content else "false",
    "N": lambda content: content if _JSON_NUMBER.fullmatch(content) else str(exact(content)),
    "S": _quoted,
    "B": lambda content: f'"{base64.b64encode(content).decode()}"',
}


def exact(text: str) -> Decimal:
    """Return a number's text as a decimal without trailing zeros, whatever the decimal context says."""
    # The service lets no other text than a finite number pass, so that a failure here is a bug and must show.
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)  # noqa: S101
    kept = len(digits)
    while kept and digits[kept - 1] == 0:
        kept -= 1
    return Decimal((sign, digits[:kept], exponent + len(digits) - kept)) if kept else Decimal(0)


def measure(number: Decimal) -> tuple[int, int]:
    """Return how many digits a number from `exact` has before and after the point."""
    _, digits, exponent = number.as_tuple()
    exponent = int(exponent)
    return (max(len(digits) + exponent, 0) if number else 0), max(-exponent, 0)


def _only(value: Value) -> tuple[str, Any]:
    ((kind, content),) = value.items()
    return kind, content


def _sorted_set(kind: str, content: Iterable[Any]) -> list[Value]:
    if kind == "NS":
        return [{"N": each} for each in sorted(content, key=exact)]
    return [{kind[0]: each} for each in sorted(content)]


def _from(target: pa.DataType, path: str, as_text: Callable[[Value], str] | None = None) -> Callable[[Value], Any]:
    """Return a function from a DynamoDB value to `target`'s; `path` is the attribute's, for messages."""
    convert = as_text if as_text is not None and target == pa.string() else _non_null(target, path)

    def checked(value: Value) -> Any:
        if "NULL" in value:
            return None
        try:
            return convert(value)
        except MisfitError as error:
            if error.__cause__ is not None:
                raise
            kind, _ = _only(value)
            message = f"attribute '{path}' of type {kind} does not fit {type_text(target)}: {error}"
            raise MisfitError(message) from error

    return checked


def _non_null(target: pa.DataType, path: str) -> Callable[[Value], Any]:
    if target in _SIMPLE:
        return _SIMPLE[target]
    if pa.types.is_integer(target):
        limit = 2 ** (target.bit_width - 1)
        return lambda value: _to_integer(exact(_content(value, "N")), limit)
    match target:
        case pa.Decimal128Type():
            precision, scale = target.precision, target.scale
            return lambda value: _to_decimal(exact(_content(value, "N")), precision, scale)
        case pa.ListType():
            element = _from(target.value_type, f"{path}[]")
            return lambda value: [element(each) for each in _elements(value)]
        case pa.MapType() if target.key_type == pa.string():
            inner = _from(target.item_type, f"{path}{{}}")
            return lambda value: [(name, inner(each)) for name, each in sorted(_content(value, "M").items())]
        case pa.StructType():
            fields = {each.name: _from(each.type, f"{path}.{each.name}") for each in target}
            return lambda value: _to_struct(_content(value, "M"), fields)
    message = f"attribute '{path}': no DynamoDB value can be {type_text(target)}. Declare another type for it."
    raise SchemaError(message)


def _content(value: Value, kind: str) -> Any:
    if kind not in value:
        message = f"only {kind} does"
        raise MisfitError(message)
    return value[kind]


def _to_string(value: Value) -> str:
    for kind in ("S", "N"):
        if kind in value:
            return str(value[kind])
    if "B" in value:
        raise MisfitError("binary is not text")
    return json_text(value)


def _mixed_text(value: Value) -> str:
    return base64.b64encode(value["B"]).decode() if "B" in value else _to_string(value)


def _key_text(value: Value) -> str:
    if value.keys() <= {"M", "L", "SS", "NS", "BS"}:
        raise MisfitError("its JSON text would equal no event's")
    return _to_string(value)


def _to_integer(number: Decimal, limit: int) -> int:
    if measure(number)[1]:
        raise MisfitError("it has a fraction")
    if not -limit <= number < limit:
        raise MisfitError("it is out of range")
    return int(number)


def _to_decimal(number: Decimal, precision: int, scale: int) -> Decimal:
    integral_digits, number_scale = measure(number)
    if number_scale > scale or integral_digits > precision - scale:
        message = f"it has {integral_digits} digits before the point and {number_scale} after it"
        raise MisfitError(message)
    sign, digits, exponent = number.as_tuple()
    # Not quantize(): that rounds to the context's 28 digits.
    return Decimal((sign, digits + (0,) * (int(exponent) + scale), -scale)) if number else Decimal((0, (0,), -scale))


def _to_float(number: Decimal, code: str, most_digits: int) -> float:
    """Return the float that gives the number's own digits back, if there is one."""
    digits = len(number.as_tuple().digits)
    try:
        near: float = struct.unpack(f"<{code}", struct.pack(f"<{code}", float(number)))[0]
    except OverflowError:
        raise MisfitError("it is out of range") from None
    if digits > most_digits or Decimal(f"{near:.{digits - 1}e}") != number:
        raise MisfitError("its digits would change")
    return near


def _to_date(text: str) -> date:
    found = iso_date(text)
    if found is None:
        raise MisfitError("it is not yyyy-MM-dd")
    return found


def _to_timestamp(text: str) -> datetime:
    found = iso_moment(text)
    if found is None:
        raise MisfitError("it is no time such as 2026-01-31T00:00:00Z")
    return found


def _elements(value: Value) -> Iterable[Value]:
    kind, content = _only(value)
    if kind == "L":
        return list(content)
    if kind in {"SS", "NS", "BS"}:
        return _sorted_set(kind, content)
    raise MisfitError("only L, SS, NS and BS do")


def _to_struct(content: Mapping[str, Value], fields: Mapping[str, Callable[[Value], Any]]) -> dict[str, Any]:
    return {name: convert(content[name]) if name in content else None for name, convert in fields.items()}


_SIMPLE: Final[dict[pa.DataType, Callable[[Value], Any]]] = {
    pa.string(): _to_string,
    pa.bool_(): lambda value: _content(value, "BOOL"),
    pa.binary(): lambda value: bytes(_content(value, "B")),
    pa.float64(): lambda value: _to_float(exact(_content(value, "N")), "d", 17),
    pa.float32(): lambda value: _to_float(exact(_content(value, "N")), "f", 9),
    pa.date32(): lambda value: _to_date(_content(value, "S")),
    TIMESTAMP: lambda value: _to_timestamp(_content(value, "S")),
}
