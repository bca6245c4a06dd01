"""One row of CSV to one typed row: as strict and exact as JSON.

Source: RFC 4180. A field may stand in double quotes, where a double quote is written twice.
"""

import csv
import re
from typing import Any, Final

import pyarrow as pa

from streamjoin.errors import RejectReason, SchemaError
from streamjoin.records.text import BYTE_ORDER_MARK, without_mark
from streamjoin.records.values import (
    Parse,
    Rejected,
    WrongTypeError,
    number_parser,
    parse_base64,
    parse_date,
    parse_timestamp,
)
from streamjoin.schema.ddl import type_text

_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LARGEST_FIELD_CHARACTERS: Final = 2**31 - 1


class CsvDecoder:
    """Decodes single rows of CSV, whose fields are the columns of one schema in its order.

    Args:
        schema: The event's columns.
        delimiter: What stands between two fields.
        null_text: The field that is null, quoted or not.

    Raises:
        SchemaError: A column's type has no place in a row of CSV.
    """

    def __init__(self, schema: pa.Schema, delimiter: str = ",", null_text: str = "") -> None:
        self._columns = [(field.name, _parser(field.name, field.type)) for field in schema]
        self._delimiter, self._null_text = delimiter, null_text
        # The module's own bound is 128 Ki characters for the whole process; a payload has one already.
        csv.field_size_limit(_LARGEST_FIELD_CHARACTERS)

    def __call__(self, payload: bytes) -> list[Any] | Rejected:
        """Return the row's values in the order of the schema, or why there is none."""
        fields = self._fields(payload)
        if isinstance(fields, Rejected):
            return fields
        row = []
        for (name, parse), text in zip(self._columns, fields, strict=True):
            try:
                row.append(None if text == self._null_text else parse(text))
            except WrongTypeError as error:
                return Rejected(RejectReason.WRONG_TYPE, f"column '{name}': {error}")
        return row

    def _fields(self, payload: bytes) -> list[str] | Rejected:
        try:
            text = payload.decode()
            if text[:1] == BYTE_ORDER_MARK or "\0" in text[:2]:
                content = without_mark(payload)
                if isinstance(content, Rejected):
                    return content
                text = content.decode()
            if not text.strip("\r\n"):
                return Rejected(RejectReason.EMPTY_PAYLOAD, "the payload has no content")
            # One text, not its lines: so a line end within quotes belongs to its field, and a second row is an error.
            (fields,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except UnicodeDecodeError as error:
            found = without_mark(payload)
            detail = f"byte {error.start} is not UTF-8: {error.reason}"
            return found if isinstance(found, Rejected) else Rejected(RejectReason.NOT_UTF8, detail)
        except csv.Error as error:
            return Rejected(RejectReason.MALFORMED_CSV, f"not one row: {error}")
        if len(fields) != len(self._columns):
            detail = f"expected {len(self._columns)} fields, one a column, found {len(fields)}"
            return Rejected(RejectReason.MALFORMED_CSV, detail)
        return fields


def _parser(name: str, data_type: pa.DataType) -> Parse:
    number = number_parser(data_type)
    if number is not None:
        return _number(type_text(data_type), number)
    if pa.types.is_timestamp(data_type):
        return parse_timestamp
    if data_type not in _SIMPLE:
        message = f"column '{name}' is of type {type_text(data_type)}; csv has simple types only: declare it as string"
        raise SchemaError(message)
    return _SIMPLE[data_type]


def _number(expected: str, parse: Parse) -> Parse:
    def parse_number(text: str) -> Any:
        if not _NUMBER.fullmatch(text):
            message = f"expected {expected}, found other text"
            raise WrongTypeError(message)
        return parse(text)

    return parse_number


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise WrongTypeError("expected true or false, found other text")
    return text == "true"


_SIMPLE: Final[dict[pa.DataType, Parse]] = {
    pa.string(): str,
    pa.bool_(): _boolean,
    pa.date32(): parse_date,
    pa.binary(): parse_base64,
}
