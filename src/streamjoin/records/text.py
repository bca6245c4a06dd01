"""What a payload of text may begin with, and what it is if it isn't UTF-8."""

import codecs
from typing import Final

from streamjoin.errors import RejectReason
from streamjoin.records.values import Rejected

BYTE_ORDER_MARK: Final = "\ufeff"
# The longer ones first: UTF-32's begins like UTF-16's.
_OTHER_MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_FIRST_OF_MARKS: Final = frozenset({b"\xef", b"\xff", b"\xfe", b"\0"})


def without_mark(content: bytes) -> bytes | Rejected:
    """Return text without its byte order mark, which is no content; rejected if it is in UTF-16 or UTF-32.

    Without a mark these are known by the zero byte beside their first letter, if that is one of ASCII.
    """
    head = content[:4]
    if head[:1] not in _FIRST_OF_MARKS and head[1:2] != b"\0":
        return content
    if head.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :]
    for mark, name in _OTHER_MARKS.items():
        if head.startswith(mark):
            return _not_utf8(name)
    first, second = head[:1], head[1:2]
    if second and (first == b"\0") != (second == b"\0") and _is_wide(content, first == b"\0"):
        return _not_utf8("UTF-32" if head[2:4] == b"\0\0" else "UTF-16")
    return content


def _is_wide(content: bytes, zero_first: bool) -> bool:
    """Tell whether a quarter of the characters have the zero byte that ASCII has there; a single one says nothing."""
    halves = content[(0 if zero_first else 1) : 64 : 2]
    return halves.count(0) * 4 >= len(halves)


def _not_utf8(found: str) -> Rejected:
    return Rejected(RejectReason.NOT_UTF8, f"expected text in UTF-8, found {found}")
