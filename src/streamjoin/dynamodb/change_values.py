"""DynamoDB JSON, as change records and exports have it, to items: every value is a real one, or there is no item."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

from streamjoin.dynamodb.attribute_types import exact
from streamjoin.dynamodb.service import Item

# The service nests 32 levels; far deeper ones would end Python's own recursion, here and in every later step.
_MAX_DEPTH: Final = 40
# Source: HowItWorks.NamingRulesDataTypes.html, "Number": 38 digits, magnitudes from 1E-130 to 9.99…E+125.
_MAX_DIGITS: Final = 38
_MAGNITUDES: Final = range(-130, 126)
_LONGEST_NUMBER: Final = 200
# Nearly all numbers, known to be within the bounds by their form alone.
_SHORT_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


class NotAnItemError(ValueError):
    """What should be an item is none; the text names the attribute, never its content."""


class Digits(str):
    """A JSON number that has a fraction or an exponent: its text, which must not pass for a value of type S."""

    __slots__ = ()


def read_item(found: Any, where: str) -> Item:
    """Return the item that a JSON object, decoded to Python's types, stands for; base64 texts become bytes in it.

    Args:
        found: Taken over: its binary values are replaced in place.
        where: What it is, for messages, such as `Keys`.

    Raises:
        NotAnItemError: It is no object, or an attribute is no value of DynamoDB's.
    """
    if type(found) is not dict:
        message = f"{where}: expected an object, found {_kind(found)}"
        raise NotAnItemError(message)
    for name, value in found.items():
        try:
            _check(value, 0)
        except NotAnItemError as error:
            message = f"{where}: attribute '{name}': {error}"
            raise NotAnItemError(message) from None
    return found


def is_number(text: str) -> bool:
    """Return whether `text` is a number that DynamoDB can keep."""
    if _SHORT_NUMBER.fullmatch(text):
        return True
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return False
    number = exact(text)
    return not number or (len(number.as_tuple().digits) <= _MAX_DIGITS and number.adjusted() in _MAGNITUDES)


def _check(value: Any, depth: int) -> None:
    """Check one value, and make its binary content bytes."""
    if type(value) is not dict or len(value) != 1:
        raise NotAnItemError("expected an object with one type name")
    for kind, content in value.items():
        if kind == "S":
            if type(content) is not str:
                raise NotAnItemError("S: expected text")
        elif kind == "N":
            if type(content) is not str or not is_number(content):
                raise NotAnItemError("N: expected text that is a number of at most 38 digits")
        elif kind == "B":
            # The name stays: only then may a dict be changed while it is looped over.
            value[kind] = _bytes(content)
        elif kind in _NESTED:
            if depth >= _MAX_DEPTH:
                raise NotAnItemError("nested too deeply")
            for each in _NESTED[kind](content):
                _check(each, depth + 1)
        elif kind in _SETS:
            value[kind] = _set(kind, content)
        elif not ((kind == "BOOL" and type(content) is bool) or (kind == "NULL" and content is True)):
            message = f"{kind}: expected {_SCALARS[kind]}" if kind in _SCALARS else "no type of DynamoDB's"
            raise NotAnItemError(message)


def _elements(content: Any) -> Any:
    if type(content) is not list:
        raise NotAnItemError("L: expected an array")
    return content


def _attributes(content: Any) -> Any:
    if type(content) is not dict:
        raise NotAnItemError("M: expected an object")
    return content.values()


def _bytes(content: Any) -> bytes:
    try:
        if type(content) is str:
            return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise NotAnItemError("expected base64 text")


def _text(content: Any) -> str:
    if type(content) is not str:
        raise NotAnItemError("expected texts")
    return content


def _number(content: Any) -> str:
    if type(content) is not str or not is_number(content):
        raise NotAnItemError("expected numbers")
    return content


def _set(kind: str, content: Any) -> list[Any]:
    if type(content) is not list or not content:
        message = f"{kind}: expected an array with elements"
        raise NotAnItemError(message)
    try:
        elements = [_SETS[kind](each) for each in content]
    except NotAnItemError as error:
        message = f"{kind}: {error}"
        raise NotAnItemError(message) from None
    if len(set(map(exact, elements) if kind == "NS" else elements)) < len(elements):
        message = f"{kind}: an element is there twice"
        raise NotAnItemError(message)
    return elements


def _kind(found: Any) -> str:
    return "nothing" if found is None else f"JSON of type {type(found).__name__}"


_NESTED: Final[dict[str, Callable[[Any], Any]]] = {"L": _elements, "M": _attributes}
_SETS: Final[dict[str, Callable[[Any], Any]]] = {"SS": _text, "NS": _number, "BS": _bytes}
_SCALARS: Final = {"BOOL": "true or false", "NULL": "true"}
