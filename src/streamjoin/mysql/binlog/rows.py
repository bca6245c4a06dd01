"""Row events of the binlog, decoded to rows: inserted, updated or deleted."""

import zlib
from collections.abc import Callable
from enum import IntEnum

from streamjoin.dms.source_table import Value
from streamjoin.mysql.binlog.packed import Bytes
from streamjoin.mysql.binlog.table import TableLayout, UnreadableTableError
from streamjoin.mysql.changes import BinlogPosition, Operation, RowChange


class RowsType(IntEnum):
    """Numbers of row events: MySQL's two versions, and MariaDB's compressed ones of both."""

    WRITE_V1 = 23
    UPDATE_V1 = 24
    DELETE_V1 = 25
    WRITE_V2 = 30
    UPDATE_V2 = 31
    DELETE_V2 = 32
    WRITE_COMPRESSED_V1 = 166
    UPDATE_COMPRESSED_V1 = 167
    DELETE_COMPRESSED_V1 = 168
    WRITE_COMPRESSED_V2 = 169
    UPDATE_COMPRESSED_V2 = 170
    DELETE_COMPRESSED_V2 = 171


_OPERATIONS: tuple[Operation, ...] = ("insert", "update", "delete")
_KINDS: dict[int, tuple[Operation, bool, bool]] = {
    kind: (_OPERATIONS[(kind - first) % 3], has_extra, compressed)
    for first, has_extra, compressed in ((23, False, False), (30, True, False), (166, False, True), (169, True, True))
    for kind in range(first, first + 3)
}
"""Of each type: the operation, whether extra data stand before the rows, and whether they are compressed."""


def table_id(body: bytes) -> int:
    """Return the number by which a row event or a table map event means a table."""
    return int.from_bytes(body[:6], "little")


def rows(
    kind: int, body: bytes, layout: TableLayout, position: BinlogPosition, changed_at_ms: int, first_row: int
) -> list[RowChange]:
    """Decode a row event.

    Args:
        kind: Its type.
        body: Without header and checksum.
        layout: The table that it means.
        position: Where it ends.
        changed_at_ms: When its transaction was.
        first_row: Index of its first row.

    Returns:
        The rows; of a table with problems one change without any.

    Raises:
        UnreadableTableError: The event has only some of the columns.
    """
    operation, has_extra, compressed = _KINDS[kind]
    if layout.table.problems:
        return [RowChange(layout.table, operation, None, None, position, first_row, changed_at_ms)]
    reader = Bytes(body, 8)
    if has_extra:
        reader.take(reader.number(2) - 2)
    bitmap_bytes = (reader.packed() + 7) // 8
    # An update has two images, and a bitmap of the columns of each.
    for _ in range(1 + (operation == "update")):
        _require_all(reader.take(bitmap_bytes), layout)
    data, at = (uncompressed(body[reader.at :]), 0) if compressed else (body, reader.at)
    read = _image_reader(layout)
    end, table = len(data), layout.table
    changes: list[RowChange] = []
    while at < end:
        before = after = None
        if operation != "insert":
            before, at = read(data, at)
        if operation != "delete":
            after, at = read(data, at)
        changes.append(
            RowChange(table, operation, before, after, position, first_row + len(changes), changed_at_ms),
        )
    return changes


def _image_reader(layout: TableLayout) -> Callable[[bytes, int], tuple[dict[str, Value], int]]:
    columns = [(reader.bit, reader.name, reader.decode) for reader in layout.readers]
    null_bytes, hidden = (len(columns) + 7) // 8, layout.hidden

    def read(data: bytes, at: int) -> tuple[dict[str, Value], int]:
        nulls = int.from_bytes(data[at : at + null_bytes], "little")
        at += null_bytes
        row: dict[str, Value] = {}
        for bit, name, decode in columns:
            if nulls & bit:
                row[name] = None
            else:
                row[name], at = decode(data, at)
        for name in hidden:
            del row[name]
        return row, at

    return read


def _require_all(bitmap: bytes, layout: TableLayout) -> None:
    present = int.from_bytes(bitmap, "little")
    missing = [reader.name for reader in layout.readers if not present & reader.bit]
    if missing:
        message = (
            f"the binlog has rows of '{layout.table}' without the columns {', '.join(missing)}: "
            "set binlog_row_image=FULL"
        )
        raise UnreadableTableError(message)


def uncompressed(data: bytes) -> bytes:
    """Return what MariaDB compressed (`log_bin_compress`): a byte of flags, the length, and a zlib stream."""
    length_bytes = data[0] & 0x07
    return zlib.decompress(data[1 + length_bytes :])
