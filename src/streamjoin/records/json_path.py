"""Where in a JSON document events are: `detail`, `logEvents[*].message`."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from streamjoin.errors import RejectReason
from streamjoin.records.json_values import array_elements, json_values
from streamjoin.records.text import without_mark
from streamjoin.records.values import Rejected

PATH: Final = r"[^\s.\[\]]+(?:\[\*\])*(?:\.[^\s.\[\]]+(?:\[\*\])*)*"
"""The form of a path: names with dots between them, `[*]` for each element of an array."""
EACH: Final = "[*]"

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)


class Event(NamedTuple):
    """One event of a payload.

    Args:
        data: A payload that has this event alone, at the same path.
        content: The JSON text of the event, or why there is none.
    """

    data: bytes
    content: bytes | Rejected


class _Place(NamedTuple):
    """A value of a document, and what is around it if all its neighbours are left out."""

    before: bytes
    value: bytes
    after: bytes


class JsonPath:
    """Finds the events of documents.

    A text on the way, or at its end, is JSON again.

    Args:
        path: As `PATH`; None: the document is the event.
        many: Whether a payload may have several events: values one after the other, or an array.
    """

    def __init__(self, path: str | None, *, many: bool) -> None:
        self._path, self._many = path, many
        self._steps = re.findall(r"\[\*\]|[^.\[\]]+", path) if path else []

    def events(self, content: bytes) -> Iterator[Event]:
        """Yield the events of a payload of text that has no byte order mark."""
        if self._many:
            values = [_Place(b"", value, b"") for value in json_values(content)]
            for place in (element for value in values for element in _elements(value)):
                yield from self._found(place, self._steps)
        else:
            yield from self._found(_Place(b"", content, b""), self._steps)

    def _found(self, place: _Place, steps: list[str]) -> Iterator[Event]:
        if not self._path:
            yield _event(place, _whole(place.value))
            return
        if not steps:
            yield from self._at_the_end(place)
            return
        value = _text_of(place.value)
        if isinstance(value, Rejected):
            yield _event(place, value)
        elif steps[0] == EACH:
            yield from self._each(place, value, steps[1:])
        else:
            yield from self._member(place, value, steps)

    def _each(self, place: _Place, value: bytes, steps: list[str]) -> Iterator[Event]:
        elements = array_elements(value)
        if elements is None:
            yield _event(place, self._nothing("expected an array, found another value"))
            return
        for element in elements:
            yield from self._found(_Place(place.before + b"[", element, b"]" + place.after), steps)

    def _member(self, place: _Place, value: bytes, steps: list[str]) -> Iterator[Event]:
        try:
            members = _OBJECT.decode(value)
        except msgspec.ValidationError as error:
            yield _event(place, Rejected(RejectReason.NOT_AN_OBJECT, str(error)))
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield _event(place, malformed(value, error))
            return
        if not place.before and _is_control_message(members):
            return
        name = steps[0]
        found = members.get(name)
        if found is None or bytes(found) == b"null":
            yield _event(place, self._nothing(f"there is no '{name}'"))
            return
        before = place.before + b"{" + msgspec.json.encode(name) + b":"
        yield from self._found(_Place(before, bytes(found), b"}" + place.after), steps[1:])

    def _at_the_end(self, place: _Place) -> Iterator[Event]:
        content = _text_of(place.value)
        if isinstance(content, Rejected):
            yield _event(place, content)
        elif not self._many:
            yield _event(place, content)
        else:
            is_text = content is not place.value
            for value in json_values(content) if is_text else [content]:
                for each in _elements(_Place(place.before, value, place.after)):
                    yield _inner(each) if is_text else _event(each, _whole(each.value))

    def _nothing(self, what: str) -> Rejected:
        return Rejected(RejectReason.NO_EVENT, f"payload.path '{self._path}': {what}")


def malformed(content: bytes, error: Exception) -> Rejected:
    """Return why `content` is no JSON text, given what its decoder raised."""
    try:
        content.decode()
    except UnicodeDecodeError as not_text:
        return Rejected(RejectReason.NOT_UTF8, f"byte {not_text.start} is not UTF-8: {not_text.reason}")
    is_deep = isinstance(error, RecursionError)
    return Rejected(RejectReason.MALFORMED_JSON, "JSON is nested too deeply" if is_deep else str(error))


def _event(place: _Place, content: bytes | Rejected) -> Event:
    return Event(place.before + place.value + place.after, content)


def _inner(place: _Place) -> Event:
    """Return an event of a text, as a text of its own: it may be no JSON."""
    quoted = msgspec.json.encode(place.value.decode(errors="replace"))
    return Event(place.before + quoted + place.after, _whole(place.value))


def _whole(value: bytes) -> bytes | Rejected:
    """Return a value, unless it is an array that can't be taken apart."""
    if value[:1] != b"[" or array_elements(value) is not None:
        return value
    return Rejected(
        RejectReason.MALFORMED_JSON, "JSON is malformed: an array is not closed, or has an element that is none"
    )


def _text_of(value: bytes) -> bytes | Rejected:
    """Return what a JSON string says; any other value as it is."""
    if value[:1] != b'"':
        return value
    try:
        text = without_mark(_TEXT.decode(value).encode())
    except (msgspec.DecodeError, UnicodeError) as error:
        return malformed(value, error)
    if isinstance(text, Rejected) or text.strip():
        return text
    return Rejected(RejectReason.EMPTY_PAYLOAD, "the text has no content")


def _elements(place: _Place) -> Iterator[_Place]:
    """Yield the elements of an array; what is none as it is."""
    elements = array_elements(place.value) if place.value[:1] == b"[" else None
    if elements is None:
        yield place
        return
    for element in elements:
        # An array in an array is no event; its brackets stay, or read again it would be an array of events.
        is_array = element[:1] == b"["
        yield place._replace(value=b"[" + element + b"]" if is_array else element)


def _is_control_message(members: dict[str, msgspec.Raw]) -> bool:
    """Say whether a document is one by which CloudWatch Logs only tries whether the stream can be reached.

    Source: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html.
    """
    kind = members.get("messageType")
    return kind is not None and "logEvents" in members and bytes(kind) == b'"CONTROL_MESSAGE"'
