"""One JSON payload to one typed row: strict and exact.

Spark's `from_json` is not used: it takes the first of two documents, rewrites `1.10` as `1.1` in a string column, takes
the text "NaN" for a number, and rounds decimals. Here every value is exact or the record is rejected with a reason.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import pyarrow as pa

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.case_twins import CaseTwins
from streamjoin.records.json_path import malformed
from streamjoin.records.text import without_mark
from streamjoin.records.values import (
    Parse,
    Rejected,
    WrongTypeError,
    number_parser,
    parse_base64,
    parse_date,
    parse_timestamp,
)
from streamjoin.schema.attribute_names import AttributeNames
from streamjoin.schema.ddl import type_text

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_NULL: Final = b"null"

Convert = Callable[[bytes], Any]


class JsonDecoder:
    """Decodes JSON objects to rows of one schema.

    A JSON number fits a string column, as its text; a string fits no number column; a nested value fits a string column
    as its JSON text. Missing and null are both null. Of two equal keys the last counts. Attributes that the schema
    doesn't name are left out. Upper and lower case count, unless the schema comes with other names of attributes.

    Args:
        schema: The event's columns.

    Raises:
        SchemaError: A column's type has no JSON form.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._names = AttributeNames.of(schema)
        self._twins = CaseTwins()
        self._columns = _converters(schema, self._names, self._twins, "")
        self._note = self._twins.noting("", schema.names)

    def __call__(self, payload: bytes) -> list[Any] | Rejected:
        """Return the row's values in the order of the schema, or why there is none."""
        attributes = _attributes(payload)
        if isinstance(attributes, Rejected):
            return attributes
        self._note(tuple(attributes))
        if self._names is not None:
            attributes = self._names.by_column(attributes, (name for name, _ in self._columns))
        row = []
        for name, convert in self._columns:
            raw = attributes.get(name)
            try:
                row.append(None if raw is None else convert(bytes(raw)))
            except WrongTypeError as error:
                return Rejected(RejectReason.WRONG_TYPE, f"column '{name}': {error}")
        return row

    def take_case_twins(self) -> dict[str, str]:
        """Return, as `CaseTwins.take`, those of the objects since the last call."""
        return self._twins.take()


def _attributes(payload: bytes, *, may_have_mark: bool = True) -> dict[str, msgspec.Raw] | Rejected:
    """Return the JSON text of each attribute."""
    try:
        # The parser doesn't look into strings that aren't asked for.
        payload.decode()
        return _OBJECT.decode(payload)
    except msgspec.ValidationError as error:
        # It is seen by its first byte alone, which UTF-16 may have too.
        content = without_mark(payload)
        return content if isinstance(content, Rejected) else Rejected(RejectReason.NOT_AN_OBJECT, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        content = without_mark(payload)
        if isinstance(content, Rejected):
            return content
        if not content.strip():
            return Rejected(RejectReason.EMPTY_PAYLOAD, "the payload has no content")
        if may_have_mark and content is not payload:
            return _attributes(content, may_have_mark=False)
        return malformed(payload, error)


def _converters(
    fields: "Iterable[pa.Field[Any]]", names: AttributeNames | None, twins: CaseTwins, path: str
) -> list[tuple[str, Convert]]:
    return [(field.name, _converter(field.type, names, twins, f"{path}{field.name}")) for field in fields]


def _converter(data_type: pa.DataType, names: AttributeNames | None, twins: CaseTwins, path: str) -> Convert:
    """Return the function from a value's JSON text to what Arrow takes for `data_type`."""
    number = number_parser(data_type)
    if number is not None:
        return _number(type_text(data_type), number)
    if data_type in _SIMPLE:
        return _SIMPLE[data_type]
    match data_type:
        case pa.TimestampType():
            return _quoted("a timestamp", parse_timestamp)
        case pa.ListType():
            return _array(_converter(data_type.value_type, names, twins, f"{path}[]"))
        case pa.MapType() if data_type.key_type == pa.string():
            return _map(_converter(data_type.item_type, names, twins, f"{path}{{}}"))
        case pa.StructType():
            fields = _converters(data_type, names, twins, f"{path}.")
            return _struct(fields, names, twins.noting(f"{path}.", [name for name, _ in fields]))
    message = f"a payload column can't be of type '{type_text(data_type)}'; a map's keys must be strings"
    raise SchemaError(message)


def _wrong(expected: str, raw: bytes) -> WrongTypeError:
    kinds = {b'"': "a string", b"{": "an object", b"[": "an array", b"t": "a boolean", b"f": "a boolean"}
    return WrongTypeError(f"expected {expected}, found {kinds.get(raw[:1], 'a number')}")


def _string(raw: bytes) -> str | None:
    if raw[:1] == b'"':
        return _TEXT.decode(raw)
    return None if raw == _NULL else raw.decode()


def _boolean(raw: bytes) -> bool | None:
    if raw == _NULL:
        return None
    if raw not in (b"true", b"false"):
        raise _wrong("a boolean", raw)
    return raw == b"true"


def _number(expected: str, parse: Parse) -> Convert:
    def convert(raw: bytes) -> Any:
        if raw == _NULL:
            return None
        if raw[:1] not in b"-0123456789":
            raise _wrong(expected, raw)
        return parse(raw.decode())

    return convert


def _quoted(expected: str, parse: Parse) -> Convert:
    def convert(raw: bytes) -> Any:
        if raw == _NULL:
            return None
        if raw[:1] != b'"':
            raise _wrong(expected, raw)
        return parse(_TEXT.decode(raw))

    return convert


def _array(convert: Convert) -> Convert:
    def convert_all(raw: bytes) -> list[Any] | None:
        if raw == _NULL:
            return None
        if raw[:1] != b"[":
            raise _wrong("an array", raw)
        return [convert(bytes(element)) for element in _ARRAY.decode(raw)]

    return convert_all


def _map(convert: Convert) -> Convert:
    def convert_all(raw: bytes) -> list[tuple[str, Any]] | None:
        if raw == _NULL:
            return None
        if raw[:1] != b"{":
            raise _wrong("an object", raw)
        return [(key, convert(bytes(value))) for key, value in _OBJECT.decode(raw).items()]

    return convert_all


def _struct(
    fields: list[tuple[str, Convert]], names: AttributeNames | None, note: Callable[[tuple[str, ...]], None]
) -> Convert:
    own = [name for name, _ in fields]

    def convert_all(raw: bytes) -> dict[str, Any] | None:
        if raw == _NULL:
            return None
        if raw[:1] != b"{":
            raise _wrong("an object", raw)
        found = _OBJECT.decode(raw)
        note(tuple(found))
        if names is not None:
            found = names.by_column(found, own)
        return {name: convert(bytes(found.get(name, _NULL))) for name, convert in fields}

    return convert_all


_SIMPLE: Final[dict[pa.DataType, Convert]] = {
    pa.string(): _string,
    pa.bool_(): _boolean,
    pa.date32(): _quoted("a date", parse_date),
    pa.binary(): _quoted("base64 text", parse_base64),
}
