"""The text of an Avro schema to the columns of an event, and to what its decoder has to know.

Source: avro.apache.org/docs/1.12.0/specification.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import pyarrow as pa
from fastavro.schema import SchemaParseException, fingerprint, parse_schema, to_parsing_canonical_form

from streamjoin.errors import SchemaError
from streamjoin.schema.ddl import TIMESTAMP

_COLUMNS: Final[dict[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
    "fixed": pa.binary(),
    "enum": pa.string(),
}
# What isn't here is its underlying type: a time of day its number, a UUID in a string that string.
_LOGICAL: Final[dict[tuple[str, str], pa.DataType]] = {
    ("int", "date"): pa.date32(),
    ("long", "timestamp-millis"): TIMESTAMP,
    ("long", "timestamp-micros"): TIMESTAMP,
    ("long", "local-timestamp-millis"): TIMESTAMP,
    ("long", "local-timestamp-micros"): TIMESTAMP,
    ("fixed", "uuid"): pa.string(),
}
_DECIMAL_KINDS: Final = ("bytes", "fixed")
_MAX_DECIMAL_DIGITS: Final = 38
_MAX_DEPTH: Final = 50
_UUID_BYTES: Final = 16
# fastavro's own two, and what it runs into if a schema isn't even of the right shape.
_UNREADABLE: Final = (SchemaParseException, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class AvroType:
    """A type of a schema, named types put in; a union with null is its other branch.

    Args:
        kind: Avro's own word for it.
        logical: The logical type, if it changes the column.
        branches: For a union, which of its branches are null; empty for all others.
        precision: Digits of a decimal.
        scale: Those of them that are behind the point.
        size_bytes: Of a fixed.
        symbols: Of an enum.
        default_symbol: What a symbol that the enum doesn't have is taken for.
        inner: Type of an array's items, or of a map's values.
        fields: Of a record.
    """

    kind: str
    logical: str | None = None
    branches: tuple[bool, ...] = ()
    precision: int = 0
    scale: int = 0
    size_bytes: int = 0
    symbols: tuple[str, ...] = ()
    default_symbol: str | None = None
    inner: "AvroType | None" = None
    fields: "tuple[AvroField, ...]" = ()

    @property
    def column(self) -> pa.DataType:
        """The type of its column."""
        if self.logical == "decimal":
            return pa.decimal128(self.precision, self.scale)
        if self.logical is not None:
            return _LOGICAL[self.kind, self.logical]
        if self.inner is not None:
            inner = self.inner.column
            return pa.list_(inner) if self.kind == "array" else pa.map_(pa.string(), inner)
        if self.kind == "record":
            return pa.struct(self.columns)
        return _COLUMNS[self.kind]

    @property
    def columns(self) -> "list[pa.Field[Any]]":
        """The columns of a record's fields."""
        return [pa.field(field.name, field.type.column) for field in self.fields]

    def as_logical(self, other: "AvroType") -> "AvroType":
        """Return this type with the logical type of `other`, or without one if it can't have that."""
        fits = (self.kind, other.logical) in _LOGICAL
        fits = fits or (other.logical == "decimal" and self.kind in _DECIMAL_KINDS)
        return replace(self, logical=other.logical if fits else None, precision=other.precision, scale=other.scale)


@dataclass(frozen=True)
class AvroField:
    """A field of a record; `default` is JSON."""

    name: str
    type: AvroType
    aliases: tuple[str, ...] = ()
    default: Any = None
    has_default: bool = False


@dataclass(frozen=True)
class AvroSchema:
    """A schema whose records are events.

    Args:
        record: Its record.
        fingerprint: CRC-64-AVRO of its canonical form, in the order of the bytes of a single-object encoding.
    """

    record: AvroType
    fingerprint: bytes

    @property
    def columns(self) -> pa.Schema:
        """The columns of an event."""
        return pa.schema(self.record.columns)


def parse_avro_schema(text: str) -> AvroSchema:
    """Return the schema that `text` is.

    Raises:
        SchemaError: It isn't JSON, isn't the schema of a record, or has a type that can't be a column.
    """
    try:
        node = json.loads(text)
        parsed = parse_schema(node)
        crc = bytes.fromhex(fingerprint(to_parsing_canonical_form(node), "CRC-64-AVRO"))
    except json.JSONDecodeError as error:
        message = f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        raise SchemaError(message) from error
    except RecursionError as error:
        raise SchemaError("not an Avro schema that can be used: nested too deeply") from error
    except _UNREADABLE as error:
        message = f"not an Avro schema: {type(error).__name__}: {error}"
        raise SchemaError(message) from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise SchemaError("expected an Avro schema of type record, found another; an event is a record")
    return AvroSchema(_Builder(parsed["__named_schemas"]).record(parsed, "", ()), crc)


class _Builder:
    """Makes types of a schema that fastavro has parsed, where names are whole; `path` is the column, for messages."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named

    def type(self, node: Any, path: str, within: tuple[str, ...]) -> AvroType:
        """Return the type of `node`, within the records named `within`."""
        if sum(map(path.count, ".[{")) >= _MAX_DEPTH:
            _refuse(path, f"nested deeper than {_MAX_DEPTH} levels")
        if isinstance(node, list):
            return self._union(node, path, within)
        if isinstance(node, str):
            node = self._named.get(node, {"type": node})
        kind = node["type"]
        if kind == "record":
            return self.record(node, path, within)
        if kind == "enum":
            return AvroType(kind, symbols=tuple(node["symbols"]), default_symbol=node.get("default"))
        if kind == "array":
            return AvroType(kind, inner=self.type(node["items"], f"{path}[]", within))
        if kind == "map":
            return AvroType(kind, inner=self.type(node["values"], f"{path}{{}}", within))
        if kind == "null":
            _refuse(path, "type null holds no value; allowed: a union of null and another type")
        if kind not in _COLUMNS:
            _refuse(path, f"type '{kind}' can't be a column")
        return self._logical(AvroType(kind, size_bytes=self._size(node, path)), node, path)

    def record(self, node: Any, path: str, within: tuple[str, ...]) -> AvroType:
        """Return the record of `node`."""
        name = node["name"]
        if name in within:
            _refuse(path, f"record '{name}' holds itself; a column has a fixed depth")
        fields: list[AvroField] = []
        for field in node["fields"]:
            inner = f"{path}.{field['name']}" if path else field["name"]
            if field["name"].lower() in {other.name.lower() for other in fields}:
                _refuse(inner, "declared twice (upper and lower case count as one)")
            fields.append(
                AvroField(
                    field["name"],
                    self.type(field["type"], inner, (*within, name)),
                    tuple(field.get("aliases", ())),
                    field.get("default"),
                    "default" in field,
                )
            )
        if not fields:
            _refuse(path, f"record '{name}' has no fields")
        return AvroType("record", fields=tuple(fields))

    def _union(self, nodes: list[Any], path: str, within: tuple[str, ...]) -> AvroType:
        branches = tuple(node in ("null", {"type": "null"}) for node in nodes)
        others = [node for node, is_null in zip(nodes, branches, strict=True) if not is_null]
        if len(others) != 1 or len(nodes) > 2:
            names = ", ".join(node if isinstance(node, str) else str(node["type"]) for node in nodes)
            _refuse(path, f"a union of {names or 'nothing'}; allowed: null and one other type")
        return replace(self.type(others[0], path, within), branches=branches)

    def _size(self, node: Any, path: str) -> int:
        if node["type"] != "fixed":
            return 0
        size_bytes = node["size"]
        # Nothing may take no bytes, or a count of them in a few bytes would take all memory.
        if not isinstance(size_bytes, int) or size_bytes < 1:
            _refuse(path, f"fixed of size {size_bytes}; allowed: a size of at least 1")
        return size_bytes

    def _logical(self, plain: AvroType, node: Any, path: str) -> AvroType:
        logical = node.get("logicalType")
        if logical == "decimal" and plain.kind in _DECIMAL_KINDS:
            precision, scale = node.get("precision"), node.get("scale", 0)
            is_number = isinstance(precision, int) and isinstance(scale, int)
            if not is_number or not 1 <= precision <= _MAX_DECIMAL_DIGITS or not 0 <= scale <= precision:
                found = f"decimal of precision {precision} and scale {scale}"
                _refuse(path, f"{found}; allowed: a precision from 1 to {_MAX_DECIMAL_DIGITS}, a scale up to it")
            return replace(plain, logical=logical, precision=precision, scale=scale)
        if logical == "uuid" and plain.kind == "fixed" and plain.size_bytes != _UUID_BYTES:
            return plain
        return replace(plain, logical=logical) if (plain.kind, logical) in _LOGICAL else plain


def _refuse(path: str, problem: str) -> NoReturn:
    message = f"column '{path}': {problem}" if path else problem
    raise SchemaError(message)
