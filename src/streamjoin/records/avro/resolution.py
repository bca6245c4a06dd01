"""Records of one schema as events of another: which bytes become which value of which column.

The rules are Avro's own, in values instead of encodings: what a logical type changed is converted, never misread, and
a number that its new type can't hold exactly is refused.

Source: avro.apache.org/docs/1.12.0/specification, schema resolution.
"""

from dataclasses import replace
from typing import Any, Final

import pyarrow as pa

from streamjoin.errors import SchemaError
from streamjoin.records.avro.conversions import Convert, of_logical, promotion
from streamjoin.records.avro.reading import (
    NotOfTypeError,
    Read,
    array_reader,
    converted,
    enum_reader,
    fixed_reader,
    map_reader,
    read_boolean,
    read_bytes,
    read_double,
    read_float,
    read_int,
    read_long,
    read_string,
    union_reader,
)
from streamjoin.records.avro.schema import AvroField, AvroType
from streamjoin.schema.ddl import type_text

_READERS: Final[dict[str, Read]] = {
    "boolean": read_boolean,
    "int": read_int,
    "long": read_long,
    "float": read_float,
    "double": read_double,
    "bytes": read_bytes,
    "string": read_string,
}


class RowReader:
    """Reads the records that `writer` wrote as rows of `reader`.

    Args:
        writer: The record that the bytes are of.
        reader: The record whose fields are the columns.

    Raises:
        SchemaError: The one can't be read as the other; names the column.
    """

    def __init__(self, writer: AvroType, reader: AvroType) -> None:
        self._steps, self._defaults = _record_steps(writer, reader, "")

    def __call__(self, data: bytes, at: int) -> tuple[list[Any], int]:
        """Return the row that begins at byte `at`, in the order of the columns, and where it ends.

        Raises:
            MalformedError: The bytes are no such record.
            NotTextError: A string is not UTF-8.
            NotOfTypeError: A value has no place in its column, which it names.
        """
        row = self._defaults.copy()
        for index, name, read in self._steps:
            try:
                value, at = read(data, at)
            except NotOfTypeError as error:
                message = f"column '{name}': {error}"
                raise NotOfTypeError(message) from None
            if index is not None:
                row[index] = value
        return row, at


Steps = list[tuple[int | None, str, Read]]


def _record_steps(writer: AvroType, reader: AvroType, path: str) -> tuple[Steps, list[Any]]:
    """Return how each field of the writer is read and which of the reader's it is; and the values of all others."""
    steps: Steps = []
    found: set[int] = set()
    for field in writer.fields:
        index = _index_of(field, reader)
        if index is None:
            steps.append((None, field.name, _reader(field.type, None, field.name)))
            continue
        if index in found:
            message = f"column '{_joined(path, reader.fields[index].name)}': two fields of the writer are it"
            raise SchemaError(message)
        found.add(index)
        name = _joined(path, reader.fields[index].name)
        steps.append((index, name, _reader(field.type, reader.fields[index].type, name)))
    defaults: list[Any] = [None] * len(reader.fields)
    for index, field in enumerate(reader.fields):
        if index in found:
            continue
        if not field.has_default:
            message = f"column '{_joined(path, field.name)}': the writer has no such field, and it has no default"
            raise SchemaError(message)
        try:
            defaults[index] = _default(field.type, field.default)
        except (AttributeError, TypeError, ValueError, NotOfTypeError) as error:
            message = f"column '{_joined(path, field.name)}': its default is no value of it: {error}"
            raise SchemaError(message) from error
    return steps, defaults


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _index_of(field: AvroField, reader: AvroType) -> int | None:
    names = [other.name for other in reader.fields]
    if field.name in names:
        return names.index(field.name)
    return next((i for i, other in enumerate(reader.fields) if field.name in other.aliases), None)


def _reader(writer: AvroType, reader: AvroType | None, path: str) -> Read:
    """Return the reader of what `writer` wrote; a reader of None drops the value."""
    read = _value_reader(writer, reader, path)
    if not writer.branches:
        return read
    takes_null = reader is None or any(reader.branches)
    return union_reader(writer.branches, read, takes_null=takes_null)


def _value_reader(writer: AvroType, reader: AvroType | None, path: str) -> Read:
    if reader is not None and _shape(writer) != _shape(reader):
        raise _mismatch(path, writer, reader)
    if writer.inner is not None:
        inner = _reader(writer.inner, reader.inner if reader else None, path)
        return array_reader(inner) if writer.kind == "array" else map_reader(inner)
    if writer.kind == "record":
        return _struct_reader(writer, reader or writer, path, is_kept=reader is not None)
    if writer.kind == "enum":
        return enum_reader(writer.symbols if reader is None else _symbols(writer, reader))
    read = fixed_reader(writer.size_bytes) if writer.kind == "fixed" else _READERS[writer.kind]
    for convert in _conversions(writer, reader, path) if reader else ():
        read = converted(read, convert)
    return read


def _shape(found: AvroType) -> str:
    return found.kind if found.kind in ("array", "map", "record", "enum") else "simple"


def _struct_reader(writer: AvroType, reader: AvroType, path: str, *, is_kept: bool) -> Read:
    if not is_kept:
        steps: Steps = [(None, f.name, _reader(f.type, None, path)) for f in writer.fields]
        names: list[str] = []
        defaults: list[Any] = []
    else:
        steps, defaults = _record_steps(writer, reader, path)
        names = [field.name for field in reader.fields]

    def read_struct(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        values = defaults.copy()
        for index, _, read in steps:
            value, at = read(data, at)
            if index is not None:
                values[index] = value
        return dict(zip(names, values, strict=True)), at

    return read_struct


def _symbols(writer: AvroType, reader: AvroType) -> list[str | None]:
    return [symbol if symbol in reader.symbols else reader.default_symbol for symbol in writer.symbols]


def _conversions(writer: AvroType, reader: AvroType, path: str) -> list[Convert]:
    """Return what makes a column's value of the writer's."""
    if (writer.kind, writer.logical, reader.kind) == ("int", None, "long"):
        writer = replace(writer, kind="long")
    # A logical type that came or went in between changes what a number means, not the number.
    if writer.logical is None or reader.logical is None:
        writer = writer.as_logical(reader)
    found = [of_logical(writer)] if writer.logical else []
    source, target = writer.column, reader.column
    if source == target:
        return found
    promote = promotion(source, target)
    if promote is None or ("fixed" in (writer.kind, reader.kind) and not isinstance(target, pa.Decimal128Type)):
        raise _mismatch(path, writer, reader)
    return [*found, promote]


def _mismatch(path: str, writer: AvroType, reader: AvroType) -> SchemaError:
    kinds = [f"{t.kind} ({type_text(t.column)})" for t in (writer, reader)]
    return SchemaError(f"column '{path}': the writer's {kinds[0]} can't be read as {kinds[1]}")


def _default(found: AvroType, value: Any) -> Any:
    """Return the value of a default, which a schema has as JSON."""
    if value is None:
        return None
    if found.inner is not None:
        inner = found.inner
        if found.kind == "array":
            return [_default(inner, item) for item in value]
        return [(key, _default(inner, item)) for key, item in value.items()]
    if found.kind == "record":
        return {f.name: _default(f.type, value.get(f.name, f.default)) for f in found.fields}
    if found.kind in ("bytes", "fixed"):
        # Its code points stand for bytes.
        value = value.encode("latin-1")
    if found.logical is None:
        return float(value) if found.kind in ("float", "double") else value
    return of_logical(found)(value)
