"""How large DynamoDB counts an item.

Source: DynamoDB developer guide, "DynamoDB item sizes and formats": names and text by their UTF-8 bytes, numbers by
half their digits, three bytes for a map or list and one for each member.
"""

from collections.abc import Mapping
from typing import Any, Final

MAX_ITEM_BYTES: Final = 400 * 1024
_NUMBER_BYTES: Final = 21


def utf8_bytes(text: str) -> int:
    """Return how long a text is in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the size of an item, rather above than below the service's own count."""
    return sum(utf8_bytes(name) + value_bytes(value) for name, value in item.items())


def value_bytes(attribute: Mapping[str, Any]) -> int:
    """Return the size of one attribute's value."""
    ((kind, value),) = attribute.items()
    if kind in {"S", "N"}:
        return utf8_bytes(value) if kind == "S" else min(_NUMBER_BYTES, len(value) // 2 + 2)
    if kind == "B":
        return len(value)
    return _members_bytes(kind, value) if kind in {"M", "L", "SS", "NS", "BS"} else 1


def _members_bytes(kind: str, members: Any) -> int:
    if kind == "M":
        inner = item_bytes(members)
    else:
        inner = sum(value_bytes(member if kind == "L" else {kind[0]: member}) for member in members)
    return 3 + len(members) + inner
