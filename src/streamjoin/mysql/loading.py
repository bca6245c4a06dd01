"""Rows of a table by SELECT, as the same values that the binlog has for them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pymysql.cursors import SSCursor

from streamjoin.dms.source_table import ColumnKind, SourceColumn, SourceTable, Value
from streamjoin.errors import SourceError
from streamjoin.mysql.address import errors_of
from streamjoin.mysql.binlog import json as binlog_json
from streamjoin.mysql.binlog.charsets import Charsets, decode_utf8
from streamjoin.mysql.binlog.values import shortest_float
from streamjoin.mysql.changes import ChunkBounds, LoadedChunk, Row
from streamjoin.mysql.session import Session
from streamjoin.mysql.snapshots import Snapshots
from streamjoin.mysql.sql_text import literal, quoted_name

_ASCII = {ColumnKind.DATE, ColumnKind.TIME, ColumnKind.DATETIME, ColumnKind.TIMESTAMP}
_TEXTS = {ColumnKind.TEXT, ColumnKind.ENUM, ColumnKind.SET}
# Kinds that have another order than the one by which they compare with a value (ENUM and SET sort by number and
# compare as text), or no exact literal (FLOAT).
_NOT_PAGED_BY = {ColumnKind.ENUM, ColumnKind.SET, ColumnKind.FLOAT, ColumnKind.JSON}


_FIRST_PAGE_ROWS = 1_000


@dataclass(frozen=True)
class _Taken:
    """Rows taken from a result; `is_everything` is false if bytes were the bound, so that more may follow."""

    rows: Sequence[Sequence[bytes | None]]
    bytes: int
    is_everything: bool


def is_paged(table: SourceTable) -> bool:
    """Tell whether a table is read in pages by its primary key, so that its load can go on where it stopped."""
    kinds = {column.name: column.kind for column in table.columns}
    return bool(table.primary_key) and not any(kinds[name] in _NOT_PAGED_BY for name in table.primary_key)


def pages(
    session: Session,
    snapshots: Snapshots,
    charsets: Charsets,
    table: SourceTable,
    after_key: Sequence[Value] | None,
    bounds: ChunkBounds,
) -> Iterator[LoadedChunk]:
    """Read a table in pages by its primary key, each with a snapshot of its own.

    Args:
        session: The connection; it is used for nothing else meanwhile.
        snapshots: Of this connection.
        charsets: Decoders by collation.
        table: The table.
        after_key: The key after which to begin.
        bounds: Of a page.

    Delivery: every row that was there all the time is read once. One that came, went or changed its key meanwhile may
    be missing or twice; the binlog from the page's position on has it.
    """
    order = ", ".join(map(quoted_name, table.primary_key))
    # What is asked for and not taken crosses the network for nothing: the first page tells how long rows are.
    limit = min(bounds.rows, _FIRST_PAGE_ROWS)
    while True:
        after = f" WHERE {_after(table.primary_key, after_key)}" if after_key is not None else ""
        sql = f"{_select(table)}{after} ORDER BY {order} LIMIT {limit}"
        with snapshots.snapshot() as position, errors_of(session.address, f"reading table '{table}'"):
            with session.connection.cursor(SSCursor) as cursor:
                cursor.execute(sql)
                readers = _readers(table, cursor, charsets)
                taken = _take(cursor, ChunkBounds(limit, bounds.bytes))
        rows = _rows(session, table, readers, taken.rows)
        is_last = taken.is_everything and len(rows) < limit
        limit = _next_limit(bounds, taken)
        last_key = tuple(rows[-1][name] for name in table.primary_key) if rows else after_key
        if rows and after_key is not None and last_key == tuple(after_key):
            message = (
                f"source '{session.address}': reading table '{table}' by its primary key stays at "
                f"{literals(after_key)}; exclude the table"
            )
            raise SourceError(message)
        yield LoadedChunk(tuple(rows), position, tuple(last_key) if last_key is not None else None, is_last)
        if is_last:
            return
        after_key = last_key


def stream(
    session: Session, snapshots: Snapshots, charsets: Charsets, table: SourceTable, bounds: ChunkBounds
) -> Iterator[LoadedChunk]:
    """Read a table as one result, in chunks, within one snapshot; it can't go on where it stopped."""
    with snapshots.snapshot() as position, errors_of(session.address, f"reading table '{table}'"):
        with session.connection.cursor(SSCursor) as cursor:
            cursor.execute(_select(table))
            readers = _readers(table, cursor, charsets)
            while True:
                taken = _take(cursor, bounds)
                rows = _rows(session, table, readers, taken.rows)
                is_last = not taken.rows or (taken.is_everything and len(taken.rows) < bounds.rows)
                yield LoadedChunk(tuple(rows), position, None, is_last)
                if is_last:
                    return


def _take(cursor: Any, bounds: ChunkBounds) -> _Taken:
    """Take rows from a result until a bound is reached; the row that reaches it is the last."""
    rows: list[Sequence[bytes | None]] = []
    taken_bytes = 0
    while len(rows) < bounds.rows and taken_bytes < bounds.bytes:
        row = cursor.fetchone()
        if row is None:
            return _Taken(rows, taken_bytes, is_everything=True)
        rows.append(row)
        taken_bytes += sum(len(data) for data in row if data is not None)
    return _Taken(rows, taken_bytes, is_everything=len(rows) == bounds.rows)


def _next_limit(bounds: ChunkBounds, taken: _Taken) -> int:
    """Return how many rows as long as those of the last page fit into one."""
    if not taken.bytes:
        return bounds.rows
    return max(1, min(bounds.rows, bounds.bytes * len(taken.rows) // taken.bytes))


def literals(key: Sequence[Value]) -> str:
    """Return a key's values for messages."""
    return ", ".join(map(literal, key))


def _select(table: SourceTable) -> str:
    expressions = ", ".join(map(_expression, table.columns))
    return f"SELECT {expressions} FROM {quoted_name(table.schema, table.name)}"  # noqa: S608  (quoted)


def _expression(column: SourceColumn) -> str:
    name = quoted_name(column.name)
    # A FLOAT is printed with six digits, a DOUBLE with as many as it takes.
    return f"{name} * 1e0" if column.kind == ColumnKind.FLOAT and is_single(column) else name


def is_single(column: SourceColumn) -> bool:
    """Tell whether a column of floats has 32 bits."""
    return column.declared.lower().startswith("float")


def _after(key: Sequence[str], values: Sequence[Value]) -> str:
    """Return the condition of a key above these values, in a form that an index serves on either server."""
    name, value = quoted_name(key[0]), literal(values[0])
    if len(key) == 1:
        return f"{name} > {value}"
    return f"{name} >= {value} AND ({name} > {value} OR ({_after(key[1:], values[1:])}))"


def _rows(
    session: Session,
    table: SourceTable,
    readers: Sequence[tuple[str, Callable[[bytes], Value]]],
    found: Sequence[Sequence[bytes | None]],
) -> list[Row]:
    try:
        return [
            {name: None if data is None else read(data) for (name, read), data in zip(readers, row, strict=True)}
            for row in found
        ]
    except ValueError as error:
        # Its definition is another one than a moment ago; the next try sees the new one.
        message = f"source '{session.address}': table '{table}' changed while it was read: {error}"
        raise SourceError(message, retryable=True) from error


def _readers(table: SourceTable, cursor: Any, charsets: Charsets) -> list[tuple[str, Callable[[bytes], Value]]]:
    # The result says in which character set each text is: that of its column.
    fields = cursor._result.fields  # noqa: SLF001  (cursor.description leaves the character set out)
    return [
        (column.name, _reader(column, charsets, field.charsetnr))
        for column, field in zip(table.columns, fields, strict=True)
    ]


def _reader(column: SourceColumn, charsets: Charsets, collation: int) -> Callable[[bytes], Value]:
    if column.kind in _TEXTS:
        return charsets.decoder(collation) or decode_utf8
    if column.kind == ColumnKind.FLOAT:
        return (lambda data: shortest_float(float(data))) if is_single(column) else float
    if column.kind in _ASCII:
        return lambda data: data.decode("ascii")
    simple: dict[ColumnKind, Callable[[bytes], Value]] = {
        ColumnKind.INTEGER: int,
        ColumnKind.DECIMAL: lambda data: Decimal(data.decode("ascii")),
        ColumnKind.BIT: lambda data: int.from_bytes(data, "big"),
        ColumnKind.JSON: binlog_json.from_text,
        ColumnKind.BINARY: bytes,
    }
    return simple[column.kind]
