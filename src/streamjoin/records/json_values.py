"""Where JSON values begin and end in a text that holds several of them, good ones and bad ones."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from streamjoin.records.text import BYTE_ORDER_MARK

_SPACE: Final = re.compile(rf"[ \t\r\n{BYTE_ORDER_MARK}]*")
# Where a value may begin after one that is none. Inner lines of a value are indented.
_LINE_START: Final = re.compile(r"[\r\n](?=[{\[])")


def _nothing(_: Any) -> None:
    return None


# Only for its knowledge of where a value ends: what values are is decided by the decoder of one.
_SCANNER: Final = json.JSONDecoder(
    object_hook=_nothing, parse_float=_nothing, parse_int=_nothing, parse_constant=_nothing
)


def json_values(content: bytes) -> Iterator[bytes]:
    """Yield the text of each value, one after the other, with or without line ends between them.

    What is no value is yielded too, as one, up to where a line begins with a bracket; from a bracket of an array on
    all of the rest.
    """
    # Bytes that aren't UTF-8 stay what they are: they are one value's, not its neighbours'.
    text = content.decode("utf-8", "surrogateescape")
    at = _after_space(text, 0)
    while at < len(text):
        end = _end_of_value(text, at)
        yield text[at:end].rstrip(" \t\r\n").encode("utf-8", "surrogateescape")
        at = _after_space(text, end)


def array_elements(content: bytes) -> list[bytes] | None:
    """Return the text of each element of the array that `content` is; None: it is none."""
    text = content.decode("utf-8", "surrogateescape")
    at = _after_space(text, 0)
    if text[at : at + 1] != "[":
        return None
    elements = list[bytes]()
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "]":
        return elements if _after_space(text, at + 1) == len(text) else None
    while True:
        try:
            end = _SCANNER.raw_decode(text, at)[1]
        except (json.JSONDecodeError, RecursionError):
            return None
        elements.append(text[at:end].encode("utf-8", "surrogateescape"))
        at = _after_space(text, end)
        separator, at = text[at : at + 1], _after_space(text, at + 1)
        if separator == "]":
            return elements if at == len(text) else None
        if separator != ",":
            return None


def _end_of_value(text: str, at: int) -> int:
    found_wrong = at
    # A number, or a word, is a part of text that is no JSON rather than an event.
    if text[at] in '{["':
        try:
            return _SCANNER.raw_decode(text, at)[1]
        except json.JSONDecodeError as error:
            found_wrong = error.pos
        except RecursionError:
            pass
        if text[at] == "[":
            return len(text)
    start = _LINE_START.search(text, max(at, found_wrong - 1))
    return start.end() if start else len(text)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
