"""What all that talks to DynamoDB shares: an item, and its packed form."""

from collections.abc import Mapping
from typing import Any

import msgspec

Item = Mapping[str, Mapping[str, Any]]
"""An item as the service sends it: attribute name -> {type: value}."""


def pack(item: Item) -> bytes:
    """Return the item in a small part of the memory of its dicts."""
    return msgspec.msgpack.encode(item)


def unpack(packed: bytes) -> Item:
    """Return the item that was packed."""
    item: Item = msgspec.msgpack.decode(packed)
    return item
