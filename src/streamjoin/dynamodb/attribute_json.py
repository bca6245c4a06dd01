"""A map of DynamoDB attributes as JSON text that is easy to query and loses nothing.

What JSON has a form for is plain JSON: S text, N a number with its own digits, BOOL, NULL null, L an array, M an
object with sorted names. What it has none for keeps DynamoDB's form: `{"SS": […]}`, `{"NS": […]}` and `{"BS": […]}`
with sorted elements, `{"B": "base64"}`. A map that could be taken for one of these, since its only name is SS, NS, BS,
B or M, is `{"M": {…}}`. So `json_extract_scalar(new_image, '$.quantity')` finds what one expects, equal items have one
text, and the item can be made again from it.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from streamjoin.dynamodb.attribute_types import Value, exact
from streamjoin.dynamodb.service import Item

_MARKS: Final = frozenset({"B", "BS", "M", "NS", "SS"})
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def to_json(attributes: Item) -> str:
    """Return the JSON object of `attributes`; equal ones have one text, whatever the order of names and of sets."""
    return _ENCODER.encode({name: _plain(value) for name, value in attributes.items()}).decode()


def from_json(text: str) -> Item:
    """Return the attributes that `to_json` made `text` of; sets are sorted."""
    found = json.loads(text, parse_int=_Digits, parse_float=_Digits)
    return {name: _value(each) for name, each in found.items()}


class _Digits(str):
    """A number's own text."""

    __slots__ = ()


def _plain(value: Value) -> Any:
    """Return `value` as what msgspec makes its JSON of."""
    for kind, content in value.items():
        if kind == "S":
            return content
        return _PLAIN[kind](content)
    return None


def _number(text: str) -> msgspec.Raw:
    # Not through int or float: `1.10` stays `1.10`. The service writes JSON's numbers; other texts of one are made so.
    return msgspec.Raw((text if _JSON_NUMBER.fullmatch(text) else str(exact(text))).encode())


def _map(content: Mapping[str, Value]) -> Any:
    plain = {name: _plain(value) for name, value in content.items()}
    return {"M": plain} if len(plain) == 1 and not _MARKS.isdisjoint(plain) else plain


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


_PLAIN: Final[dict[str, Callable[[Any], Any]]] = {
    "N": _number,
    "BOOL": bool,
    "NULL": lambda _: None,
    "L": lambda content: [_plain(each) for each in content],
    "M": _map,
    "B": lambda content: {"B": _base64(content)},
    "SS": lambda content: {"SS": sorted(content)},
    "NS": lambda content: {"NS": sorted(content, key=exact)},
    "BS": lambda content: {"BS": [_base64(each) for each in sorted(content)]},
}


def _value(plain: Any) -> Value:  # noqa: PLR0911  (a table of types, one line each)
    match plain:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": plain}
        case _Digits():
            return {"N": str(plain)}
        case str():
            return {"S": plain}
        case list():
            return {"L": [_value(each) for each in plain]}
    if len(plain) == 1:
        ((mark, content),) = plain.items()
        if mark in _MARKS:
            return {mark: _OF_MARK[mark](content)}
    return {"M": {name: _value(each) for name, each in plain.items()}}


_OF_MARK: Final[dict[str, Callable[[Any], Any]]] = {
    "B": base64.b64decode,
    "BS": lambda content: [base64.b64decode(each) for each in content],
    "M": lambda content: {name: _value(each) for name, each in content.items()},
    "NS": list,
    "SS": list,
}
