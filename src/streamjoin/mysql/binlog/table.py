"""The binlog's own description of a table, which stands before its rows.

With `binlog_row_metadata=FULL` it has names, signs, character sets, members and the primary key as they were when the
rows were written; today's `information_schema` may know another table. Without it they are those of a definition that
the caller knows to be of the same place.

Source: rows_event.h of MySQL's server (class Table_map_event) for the layout; MariaDB has the same.
"""

import re
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable
from streamjoin.mysql.binlog import json as binlog_json
from streamjoin.mysql.binlog import temporal as binlog_temporal
from streamjoin.mysql.binlog import values as binlog_values
from streamjoin.mysql.binlog.charsets import BINARY_COLLATION, Charsets, decode_utf8
from streamjoin.mysql.binlog.column_types import ColumnType
from streamjoin.mysql.binlog.definitions import complete
from streamjoin.mysql.binlog.raw_columns import (
    CHARACTER,
    INTEGER_BYTES,
    RawColumn,
    UnreadableTypeError,
    read_columns,
    table_name,
)
from streamjoin.mysql.binlog.values import Decoder

_SHORT = struct.Struct("<H")

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


class UnreadableTableError(ValueError):
    """A server's settings keep rows from being decoded; the text says why and what to change."""


class UnnamedColumnsError(UnreadableTableError):
    """The binlog has no names of columns here, and they are not known from elsewhere."""


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


def parse(
    body: bytes,
    charsets: Charsets,
    listed: Mapping[str, SourceColumn],
    *,
    is_mariadb: bool,
    definition: SourceTable | None = None,
) -> TableLayout:
    """Read the body of a table map event.

    Args:
        body: Without header and checksum.
        charsets: Decoders by collation.
        listed: The columns that the server lists for the table, by name, as far as it is known.
        is_mariadb: The server is one.
        definition: The table as it was when its rows were written; for a binlog without names.

    Raises:
        UnnamedColumnsError: Names are missing, and there is no `definition`.
        OtherDefinitionError: The rows are those of another table than `definition`.
    """
    schema, name = table_name(body)
    try:
        columns, key = read_columns(body, is_mariadb=is_mariadb, listed=listed)
        if any(not column.name for column in columns):
            if definition is None:
                message = f"the binlog has no column names of '{schema}.{name}' here: set binlog_row_metadata=FULL"
                raise UnnamedColumnsError(message)
            key = complete(columns, definition)
        return _layout(schema, name, columns, key, charsets, listed)
    except UnreadableTypeError as error:
        problem = str(error)
    except (UnicodeDecodeError, IndexError, KeyError, struct.error) as error:
        problem = f"its description in the binlog can't be read ({type(error).__name__}); exclude the table"
    return TableLayout(SourceTable(schema, name, (), (), (problem,)), ())


def _layout(
    schema: str,
    name: str,
    columns: Sequence[RawColumn],
    key: Sequence[int],
    charsets: Charsets,
    listed: Collection[str],
) -> TableLayout:
    described = [_describe(column, charsets) for column in columns]
    visible = tuple(source for source, _ in described if source.name in listed or not _HIDDEN.fullmatch(source.name))
    table = SourceTable(schema, name, visible, tuple(columns[index].name for index in key))
    readers = tuple(ColumnReader(1 << index, source.name, decode) for index, (source, decode) in enumerate(described))
    return TableLayout(table, readers)


def _describe(column: RawColumn, charsets: Charsets) -> tuple[SourceColumn, Decoder]:
    try:
        kind, decode = _reader_of(column, charsets)
    except UnreadableTypeError as error:
        message = f"column '{column.name}' {error}; exclude the table"
        raise UnreadableTypeError(message) from error
    declared = ColumnType.name_of(column.type) + (" unsigned" if column.unsigned else "")
    return SourceColumn(column.name, kind, declared), decode


def _reader_of(column: RawColumn, charsets: Charsets) -> tuple[ColumnKind, Decoder]:  # noqa: PLR0911  (a table of types)
    kind, meta = column.type, column.meta
    if kind in INTEGER_BYTES:
        decode = binlog_values.integer_decoder(INTEGER_BYTES[ColumnType(kind)], unsigned=column.unsigned)
        return ColumnKind.INTEGER, decode
    if kind in _OLD_TEMPORAL:
        return _OLD_TEMPORAL[kind]
    if kind in _TEMPORAL:
        temporal, decoder_of = _TEMPORAL[kind]
        return temporal, decoder_of(meta[0])
    if kind in CHARACTER:
        return _text_or_bytes(column, charsets)
    if kind in (ColumnType.ENUM, ColumnType.SET):
        is_utf8 = column.collation == BINARY_COLLATION and column.charset is None
        decode_member = decode_utf8 if is_utf8 else _text_of(column, charsets)
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
        raise UnreadableTypeError(message)
    return simple[kind]()


def _text_or_bytes(column: RawColumn, charsets: Charsets) -> tuple[ColumnKind, Decoder]:
    if column.type == ColumnType.BLOB:
        length_bytes, width = column.meta[0], 0
    else:
        width = _SHORT.unpack(column.meta)[0]
        length_bytes = 1 if width <= 255 else 2
    if column.collation != BINARY_COLLATION or column.charset is not None:
        return ColumnKind.TEXT, binlog_values.text_decoder(length_bytes, _text_of(column, charsets))
    if column.type == ColumnType.STRING:
        return ColumnKind.BINARY, binlog_values.padded_decoder(length_bytes, width)
    return ColumnKind.BINARY, binlog_values.bytes_decoder(length_bytes)


def _text_of(column: RawColumn, charsets: Charsets) -> Callable[[bytes], str]:
    name = column.charset or charsets.name(column.collation)
    decode = charsets.decoder_of(name)
    if decode is None:
        message = f"has the character set {name} (collation {column.collation}), which can't be read"
        raise UnreadableTypeError(message)
    return decode
