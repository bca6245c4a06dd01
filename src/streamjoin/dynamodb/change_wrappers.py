"""Change records in what others put around them: a batch of a function, an event of a bus, an array, lines, a text.

Sources: docs.aws.amazon.com/lambda/latest/dg/with-ddb.html (`{"Records": […]}`),
docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html (`detail`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from streamjoin.dynamodb.change_records import MAX_UNPACKED_BYTES, unpack_payload
from streamjoin.records.json_values import array_elements, json_values
from streamjoin.records.splitting import MAX_EVENTS, split_record
from streamjoin.records.text import without_mark
from streamjoin.records.values import Rejected

# Each layer costs a pass over what is in it.
_MOST_LAYERS: Final = 4
_NULL: Final = msgspec.Raw(b"null")


class _Outermost(msgspec.Struct):
    """The members by which a change is told from what is around it."""

    dynamodb: msgspec.Raw = _NULL
    Records: msgspec.Raw = _NULL
    detail: msgspec.Raw = _NULL


_OUTERMOST: Final = msgspec.json.Decoder(_Outermost)
_TEXT: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True)
class ChangeSplitter:
    """Takes what is around change records away; a plain value that travels to the executors.

    What has no change record in it stays whole: its reader says what is wrong with it.
    """

    def __call__(self, payloads: Sequence[bytes]) -> list[list[bytes]]:
        """Return the change records in each of `payloads`, which came in one record of the stream, as `Splitter`."""
        return split_record(payloads, self.parts, MAX_UNPACKED_BYTES)

    def parts(self, payload: bytes) -> list[bytes]:
        """Return the change records in one payload; itself if it is one."""
        content = unpack_payload(payload)
        content = content if isinstance(content, Rejected) else without_mark(content)
        if isinstance(content, Rejected) or not content.strip():
            return [payload]
        found = list(islice(_values(content, 0), MAX_EVENTS + 1))
        return [payload] if len(found) > MAX_EVENTS or found == [content] else found


def _values(content: bytes, layer: int) -> Iterator[bytes]:
    try:
        outermost = _OUTERMOST.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Not one object: several, an array, a text, or no JSON.
        for value in json_values(content):
            yield from _opened(value, layer)
    else:
        yield from _inside(content, outermost, layer)


def _opened(value: bytes, layer: int) -> Iterator[bytes]:
    """Yield the change records in one JSON value; the value itself if it has none."""
    first = value[:1]
    if layer >= _MOST_LAYERS:
        yield value
    elif first == b"{":
        try:
            outermost = _OUTERMOST.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield value
        else:
            yield from _inside(value, outermost, layer)
    elif first == b"[" and (elements := array_elements(value)) is not None:
        for element in elements:
            yield from _opened(element, layer + 1)
    elif first == b'"' and (text := _text_of(value)):
        yield from _values(text, layer + 1)
    else:
        yield value


def _inside(value: bytes, outermost: _Outermost, layer: int) -> Iterator[bytes]:
    records, detail = bytes(outermost.Records), bytes(outermost.detail)
    if outermost.dynamodb != _NULL:
        yield value
    elif records[:1] == b"[":
        yield from _opened(records, layer)
    elif detail[:1] in (b"{", b"[", b'"'):
        found = list(islice(_opened(detail, layer + 1), MAX_EVENTS + 1))
        # Of something else that has a detail too the dead letter must not lose the rest.
        yield from found if any(map(_may_be_change, found)) else [value]
    else:
        yield value


def _may_be_change(value: bytes) -> bool:
    return b'"dynamodb"' in value


def _text_of(value: bytes) -> bytes | None:
    """Return what a JSON string says; None if that is nothing."""
    try:
        text = without_mark(_TEXT.decode(value).encode())
    except (msgspec.DecodeError, UnicodeError):
        return None
    return None if isinstance(text, Rejected) or not text.strip() else text
