"""Columns as a table map event has them: their types, and what `binlog_row_metadata=FULL` says of them.

Source: rows_event.h of MySQL's server (class Table_map_event) for the layout; MariaDB has the same.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamjoin.dms.source_table import SourceColumn
from streamjoin.mysql.binlog.charsets import BINARY_COLLATION
from streamjoin.mysql.binlog.column_types import ColumnType
from streamjoin.mysql.binlog.packed import Bytes

_SHORT = struct.Struct("<H")

INTEGER_BYTES = {
    ColumnType.TINY: 1,
    ColumnType.SHORT: 2,
    ColumnType.INT24: 3,
    ColumnType.LONG: 4,
    ColumnType.LONGLONG: 8,
}
# Those for which the metadata has a sign. YEAR is one of them on MariaDB, and not on MySQL 8.0.12.
_NUMERIC = {
    *INTEGER_BYTES,
    ColumnType.DECIMAL,
    ColumnType.NEWDECIMAL,
    ColumnType.FLOAT,
    ColumnType.DOUBLE,
}
CHARACTER = {ColumnType.STRING, ColumnType.VAR_STRING, ColumnType.VARCHAR, ColumnType.BLOB}
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

_SIGNS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _NAMES, _SET_MEMBERS, _ENUM_MEMBERS = 1, 2, 3, 4, 5, 6
_KEY, _KEY_PREFIXES, _MEMBER_DEFAULT_CHARSET, _MEMBER_COLUMN_CHARSET = 8, 9, 10, 11


@dataclass
class RawColumn:
    """A column of a table map event.

    Args:
        type: Its `ColumnType`.
        meta: What the type has beside it, such as a length.
        unsigned: An integer without a sign.
        collation: Of its texts; the binary one if it has none.
        members: Of ENUM and SET, in the column's character set, or in UTF-8 if the collation is the binary one.
        name: Empty if the binlog doesn't say it.
        charset: Of its texts by name, if `collation` isn't known.
    """

    type: int
    meta: bytes
    unsigned: bool = False
    collation: int = BINARY_COLLATION
    members: list[bytes] = field(default_factory=list)
    name: str = ""
    charset: str | None = None


class UnreadableTypeError(ValueError):
    """A column's values can't be decoded."""


def table_name(body: bytes) -> tuple[str, str]:
    """Return schema and name from the body of a table map event."""
    reader = Bytes(body, 8)
    schema = reader.take(reader.number(1)).decode()
    reader.take(1)
    return schema, reader.take(reader.number(1)).decode()


def read_columns(
    body: bytes, *, is_mariadb: bool, listed: Mapping[str, SourceColumn] | None = None
) -> tuple[list[RawColumn], list[int]]:
    """Read the body of a table map event; return its columns, and which of them are the primary key.

    Args:
        body: Without header and checksum.
        is_mariadb: The server is one.
        listed: The columns as the server has them today, by name. They tell whether signs count YEAR, and the character
            set of members, which MySQL 8.0.12 doesn't say.

    Raises:
        UnreadableTypeError: A column's type isn't known.
    """
    schema, name = table_name(body)
    # Two names, each with its length in front and a zero behind it.
    reader = Bytes(body, 8 + len(schema.encode()) + 2 + len(name.encode()) + 2)
    types = reader.take(reader.packed())
    metadata = Bytes(reader.take(reader.packed()))
    unknown = sorted(set(types) - set(ColumnType))
    if unknown:
        message = f"a column has the type number {unknown[0]}, which isn't known; exclude the table"
        raise UnreadableTypeError(message)
    columns = [_raw_column(kind, metadata) for kind in types]
    reader.take((len(columns) + 7) // 8)
    return columns, _read_optional(reader, columns, listed or {}, is_mariadb=is_mariadb)


def _raw_column(kind: int, metadata: Bytes) -> RawColumn:
    meta = metadata.take(_METADATA_BYTES.get(kind, 0))
    if kind not in (ColumnType.STRING, ColumnType.VAR_STRING):
        return RawColumn(kind, meta)
    # The first byte is the real type; if two of its bits are turned, they belong to a length above 255.
    real, length = meta
    if real & 0x30 != 0x30:
        return RawColumn(real | 0x30, _SHORT.pack(length | ((real & 0x30) ^ 0x30) << 4))
    return RawColumn(real, _SHORT.pack(length))


def _read_signs(
    bits: bytes, columns: Sequence[RawColumn], listed: Mapping[str, SourceColumn], *, is_mariadb: bool
) -> None:
    """Put signs into `columns`, as the server counts them: if both ways may be, as it declares the columns today."""
    for counts_year in (True,) if is_mariadb else (False, True, False):
        numeric = [c for c in columns if c.type in _NUMERIC or (counts_year and c.type == ColumnType.YEAR)]
        if len(numeric) > 8 * len(bits):
            continue
        for index, column in enumerate(numeric):
            column.unsigned = bool(bits[index // 8] & 0x80 >> index % 8)
        if all(c.unsigned == ("unsigned" in listed[c.name].declared.lower()) for c in numeric if _is_told(c, listed)):
            return


def _is_told(column: RawColumn, listed: Mapping[str, SourceColumn]) -> bool:
    return column.type in INTEGER_BYTES and column.name in listed


def _read_optional(
    reader: Bytes, columns: Sequence[RawColumn], listed: Mapping[str, SourceColumn], *, is_mariadb: bool
) -> list[int]:
    """Put what the metadata says into `columns`; return the primary key's indexes."""
    signs = b""
    # MariaDB counts spatial columns among those with a character set; MySQL does not.
    with_text = {*CHARACTER, ColumnType.GEOMETRY} if is_mariadb else CHARACTER
    character = [column for column in columns if column.type in with_text]
    enums = [column for column in columns if column.type == ColumnType.ENUM]
    sets = [column for column in columns if column.type == ColumnType.SET]
    membered = [column for column in columns if column.type in (ColumnType.ENUM, ColumnType.SET)]
    key: list[int] = []
    while not reader.is_over:
        kind = reader.number(1)
        block = Bytes(reader.take(reader.packed()))
        if kind == _SIGNS:
            signs = block.data
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
    for column in membered:
        if column.collation == BINARY_COLLATION and column.name in listed:
            column.charset = listed[column.name].charset
    if signs:
        _read_signs(signs, columns, listed, is_mariadb=is_mariadb)
    return key


def _read_collations(block: Bytes, columns: Sequence[RawColumn], *, with_default: bool) -> None:
    """Read one collation for all and those that differ, or one for each."""
    default = block.packed() if with_default else None
    for column in columns:
        column.collation = block.packed() if default is None else default
    while not block.is_over:
        index = block.packed()
        columns[index].collation = block.packed()
