"""The binlog's own description of a table, which stands before its rows.

With `binlog_row_metadata=FULL` it has names, signs, character sets, members and the primary key as they were when the
rows were written; today's `information_schema` may know another table.

Source: rows_event.h of MySQL's server (class Table_map_event) for the layout; MariaDB has the same.
"""

import re
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.mysql.binlog import json as binlog_json
from streamjoin.mysql.binlog import temporal as binlog_temporal
from streamjoin.mysql.binlog import values as binlog_values
from streamjoin.mysql.binlog.charsets import BINARY_COLLATION, Charsets, decode_utf8
from streamjoin.mysql.binlog.column_types import ColumnType
from streamjoin.mysql.binlog.packed import Bytes
from streamjoin.mysql.binlog.values import Decoder

_SHORT = struct.Struct("<H")

_INTEGER_BYTES = {
    ColumnType.TINY: 1,
    ColumnType.SHORT: 2,
    ColumnType.INT24: 3,
    ColumnType.LONG: 4,
    ColumnType.LONGLONG: 8,
}
# Those for which the metadata has a sign. YEAR is one of them on both servers, though it has none to tell.
_NUMERIC = {
    *_INTEGER_BYTES,
    ColumnType.DECIMAL,
    ColumnType.NEWDECIMAL,
    ColumnType.FLOAT,
    ColumnType.DOUBLE,
    ColumnType.YEAR,
}
_CHARACTER = {ColumnType.STRING, ColumnType.VAR_STRING, ColumnType.VARCHAR, ColumnType.BLOB}
_METADATA_BYTES: dict[int, int] = {
    ColumnType.FLOAT: 1,
    ColumnType.DOUBLE: 1,
    ColumnType.BLOB: 1,
    ColumnType.GEOMETRY: 1,
    ColumnType.JSON: 1,
    ColumnType.VECTOR: 1,
    ColumnType.TIMESTAMP2: 1,
    ColumnType.DATETIME2: 1,
    ColumnType.TIME2: 1,
    ColumnType.VARCHAR: 2,
    ColumnType.VAR_STRING: 2,
    ColumnType.STRING: 2,
    ColumnType.NEWDECIMAL: 2,
    ColumnType.BIT: 2,
    ColumnType.BLOB_COMPRESSED: 1,
    ColumnType.VARCHAR_COMPRESSED: 2,
}
_OLD_TEMPORAL: dict[int, tuple[ColumnKind, Decoder]] = {
    ColumnType.DATE: (ColumnKind.DATE, binlog_temporal.read_date),
    ColumnType.TIME: (ColumnKind.TIME, binlog_temporal.read_old_time),
    ColumnType.DATETIME: (ColumnKind.DATETIME, binlog_temporal.read_old_datetime),
    ColumnType.TIMESTAMP: (ColumnKind.TIMESTAMP, binlog_temporal.read_old_timestamp),
}
_TEMPORAL: dict[int, tuple[ColumnKind, Callable[[int], Decoder]]] = {
    ColumnType.TIME2: (ColumnKind.TIME, binlog_temporal.time_decoder),
    ColumnType.DATETIME2: (ColumnKind.DATETIME, binlog_temporal.datetime_decoder),
    ColumnType.TIMESTAMP2: (ColumnKind.TIMESTAMP, binlog_temporal.timestamp_decoder),
}

# Columns of the server's own that stand behind those of the table: a long text that is unique has its hash in one of
# MariaDB, a functional index has one of MySQL.
_HIDDEN = re.compile(r"DB_ROW_HASH_\d+|!hidden!.*", re.DOTALL)

_SIGNS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _NAMES, _SET_MEMBERS, _ENUM_MEMBERS = 1, 2, 3, 4, 5, 6
_KEY, _KEY_PREFIXES, _MEMBER_DEFAULT_CHARSET, _MEMBER_COLUMN_CHARSET = 8, 9, 10, 11


class UnreadableTableError(ValueError):
    """A server's settings keep rows from being decoded; the text says why and what to change."""


class _UnreadableTypeError(ValueError):
    """A column's values can't be decoded."""


@dataclass(frozen=True)
class ColumnReader:
    """A column of a row image: its bit among the nulls, its name, and what decodes it."""

    bit: int
    name: str
    decode: Decoder


@dataclass(frozen=True)
class TableLayout:
    """A table as a stretch of the binlog has it.

    Args:
        table: The table.
        readers: Of all columns of a row image, also of those that the table hides; none if the table has problems.
    """

    table: SourceTable
    readers: tuple[ColumnReader, ...]

    @property
    def hidden(self) -> tuple[str, ...]:
        """Names of the columns that are in no row."""
        return tuple(reader.name for reader in self.readers if reader.name not in self.table.column_names)


@dataclass
class _RawColumn:
    type: int
    meta: bytes
    unsigned: bool = False
    collation: int = BINARY_COLLATION
    members: list[bytes] = field(default_factory=list)
    name: str = ""


def table_name(body: bytes) -> tuple[str, str]:
    """Return schema and name from the body of a table map event."""
    reader = Bytes(body, 8)
    schema = reader.take(reader.number(1)).decode()
    reader.take(1)
    return schema, reader.take(reader.number(1)).decode()


def parse(body: bytes, charsets: Charsets, listed: Collection[str], *, is_mariadb: bool) -> TableLayout:
    """Read the body of a table map event.

    Args:
        body: Without header and checksum.
        charsets: Decoders by collation.
        listed: Names of the columns that the server lists for the table, as far as it is known.
        is_mariadb: The server is one.

    Raises:
        UnreadableTableError: Names are missing.
    """
    schema, name = table_name(body)
    try:
        return _parse(schema, name, body, charsets, listed, is_mariadb=is_mariadb)
    except _UnreadableTypeError as error:
        problem = str(error)
    except (UnicodeDecodeError, IndexError, KeyError, struct.error) as error:
        problem = f"its description in the binlog can't be read ({type(error).__name__}); exclude the table"
    return TableLayout(SourceTable(schema, name, (), (), (problem,)), ())


def _parse(
    schema: str, name: str, body: bytes, charsets: Charsets, listed: Collection[str], *, is_mariadb: bool
) -> TableLayout:
    # Two names, each with its length in front and a zero behind it.
    reader = Bytes(body, 8 + len(schema.encode()) + 2 + len(name.encode()) + 2)
    types = reader.take(reader.packed())
    metadata = Bytes(reader.take(reader.packed()))
    unknown = sorted(set(types) - set(ColumnType))
    if unknown:
        message = f"a column has the type number {unknown[0]}, which isn't known; exclude the table"
        raise _UnreadableTypeError(message)
    columns = [_raw_column(kind, metadata) for kind in types]
    reader.take((len(columns) + 7) // 8)
    key = _read_optional(reader, columns, is_mariadb=is_mariadb)
    if any(not column.name for column in columns):
        message = f"the binlog has no column names of '{schema}.{name}' here: set binlog_row_metadata=FULL"
        raise UnreadableTableError(message)
    described = [_describe(column, charsets) for column in columns]
    visible = tuple(source for source, _ in described if source.name in listed or not _HIDDEN.fullmatch(source.name))
    table = SourceTable(schema, name, visible, tuple(columns[index].name for index in key))
    readers = tuple(ColumnReader(1 << index, source.name, decode) for index, (source, decode) in enumerate(described))
    return TableLayout(table, readers)


def _raw_column(kind: int, metadata: Bytes) -> _RawColumn:
    meta = metadata.take(_METADATA_BYTES.get(kind, 0))
    if kind not in (ColumnType.STRING, ColumnType.VAR_STRING):
        return _RawColumn(kind, meta)
    # The first byte is the real type; if two of its bits are turned, they belong to a length above 255.
    real, length = meta
    if real & 0x30 != 0x30:
        return _RawColumn(real | 0x30, _SHORT.pack(length | ((real & 0x30) ^ 0x30) << 4))
    return _RawColumn(real, _SHORT.pack(length))


def _read_optional(reader: Bytes, columns: Sequence[_RawColumn], *, is_mariadb: bool) -> list[int]:
    """Put what the metadata says into `columns`; return the primary key's indexes."""
    numeric = [column for column in columns if column.type in _NUMERIC]
    # MariaDB counts spatial columns among those with a character set; MySQL does not.
    with_text = {*_CHARACTER, ColumnType.GEOMETRY} if is_mariadb else _CHARACTER
    character = [column for column in columns if column.type in with_text]
    enums = [column for column in columns if column.type == ColumnType.ENUM]
    sets = [column for column in columns if column.type == ColumnType.SET]
    membered = [column for column in columns if column.type in (ColumnType.ENUM, ColumnType.SET)]
    key: list[int] = []
    while not reader.is_over:
        kind = reader.number(1)
        block = Bytes(reader.take(reader.packed()))
        if kind == _SIGNS:
            for index, column in enumerate(numeric):
                column.unsigned = bool(block.data[index // 8] & 0x80 >> index % 8)
        elif kind in (_DEFAULT_CHARSET, _COLUMN_CHARSET):
            _read_collations(block, character, with_default=kind == _DEFAULT_CHARSET)
        elif kind in (_MEMBER_DEFAULT_CHARSET, _MEMBER_COLUMN_CHARSET):
            _read_collations(block, membered, with_default=kind == _MEMBER_DEFAULT_CHARSET)
        elif kind == _NAMES:
            for column in columns:
                column.name = block.take(block.packed()).decode()
        elif kind in (_SET_MEMBERS, _ENUM_MEMBERS):
            for column in sets if kind == _SET_MEMBERS else enums:
                column.members = [block.take(block.packed()) for _ in range(block.packed())]
        elif kind in (_KEY, _KEY_PREFIXES):
            numbers = block.all_packed()
            # With prefixes each column is followed by how much of it counts.
            key = numbers[::2] if kind == _KEY_PREFIXES else numbers
    return key


def _read_collations(block: Bytes, columns: Sequence[_RawColumn], *, with_default: bool) -> None:
    """Read one collation for all and those that differ, or one for each."""
    default = block.packed() if with_default else None
    for column in columns:
        column.collation = block.packed() if default is None else default
    while not block.is_over:
        index = block.packed()
        columns[index].collation = block.packed()


def _describe(column: _RawColumn, charsets: Charsets) -> tuple[SourceColumn, Decoder]:
    try:
        kind, decode = _reader_of(column, charsets)
    except _UnreadableTypeError as error:
        message = f"column '{column.name}' {error}; exclude the table"
        raise _UnreadableTypeError(message) from error
    declared = ColumnType.name_of(column.type) + (" unsigned" if column.unsigned else "")
    return SourceColumn(column.name, kind, declared), decode


def _reader_of(column: _RawColumn, charsets: Charsets) -> tuple[ColumnKind, Decoder]:  # noqa: PLR0911  (a table of types)
    kind, meta = column.type, column.meta
    if kind in _INTEGER_BYTES:
        decode = binlog_values.integer_decoder(_INTEGER_BYTES[ColumnType(kind)], unsigned=column.unsigned)
        return ColumnKind.INTEGER, decode
    if kind in _OLD_TEMPORAL:
        return _OLD_TEMPORAL[kind]
    if kind in _TEMPORAL:
        temporal, decoder_of = _TEMPORAL[kind]
        return temporal, decoder_of(meta[0])
    if kind in _CHARACTER:
        return _text_or_bytes(column, charsets)
    if kind in (ColumnType.ENUM, ColumnType.SET):
        decode_member = decode_utf8 if column.collation == BINARY_COLLATION else _text_of(column, charsets)
        members = [decode_member(member) for member in column.members]
        if kind == ColumnType.ENUM:
            return ColumnKind.ENUM, binlog_values.enum_decoder(meta[0], members)
        return ColumnKind.SET, binlog_values.set_decoder(meta[0], members)
    simple: dict[int, Callable[[], tuple[ColumnKind, Decoder]]] = {
        ColumnType.YEAR: lambda: (ColumnKind.INTEGER, binlog_values.read_year),
        ColumnType.FLOAT: lambda: (ColumnKind.FLOAT, binlog_values.read_float),
        ColumnType.DOUBLE: lambda: (ColumnKind.FLOAT, binlog_values.read_double),
        ColumnType.NEWDECIMAL: lambda: (ColumnKind.DECIMAL, binlog_values.decimal_decoder(meta[0], meta[1])),
        ColumnType.BIT: lambda: (ColumnKind.BIT, binlog_values.bit_decoder(meta[1] + (meta[0] > 0))),
        ColumnType.JSON: lambda: (
            ColumnKind.JSON,
            binlog_values.text_decoder(meta[0], binlog_json.from_binary),
        ),
        ColumnType.GEOMETRY: lambda: (ColumnKind.BINARY, binlog_values.bytes_decoder(meta[0])),
        ColumnType.VECTOR: lambda: (ColumnKind.BINARY, binlog_values.bytes_decoder(meta[0])),
    }
    if kind not in simple:
        message = f"has the type {ColumnType.name_of(kind)}, which can't be read from the binlog"
        raise _UnreadableTypeError(message)
    return simple[kind]()


def _text_or_bytes(column: _RawColumn, charsets: Charsets) -> tuple[ColumnKind, Decoder]:
    if column.type == ColumnType.BLOB:
        length_bytes, width = column.meta[0], 0
    else:
        width = _SHORT.unpack(column.meta)[0]
        length_bytes = 1 if width <= 255 else 2
    if column.collation != BINARY_COLLATION:
        return ColumnKind.TEXT, binlog_values.text_decoder(length_bytes, _text_of(column, charsets))
    if column.type == ColumnType.STRING:
        return ColumnKind.BINARY, binlog_values.padded_decoder(length_bytes, width)
    return ColumnKind.BINARY, binlog_values.bytes_decoder(length_bytes)


def _text_of(column: _RawColumn, charsets: Charsets) -> Callable[[bytes], str]:
    decode = charsets.decoder(column.collation)
    if decode is None:
        message = f"has the collation {column.collation}, whose character set can't be read"
        raise _UnreadableTypeError(message)
    return decode
