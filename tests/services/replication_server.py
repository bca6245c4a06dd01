"""A MySQL server in memory: tables, rows, and a binlog of whatever happened to them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from streamjoin.dms import SourceColumn, SourceTable
from streamjoin.dms.source_table import ColumnKind
from streamjoin.mysql.changes import Altered, BinlogPosition, ChunkBounds, Committed, LoadedChunk, RowChange, Truncated

SCHEMA = "shop"
EVENT_BYTES = 100


class Crash(BaseException):
    """The process died: nothing of ours may catch it."""


def nothing(step: str = "") -> None:
    """Let everything go on."""


def definition(name: str, *extra: str) -> SourceTable:
    columns = (SourceColumn("id", ColumnKind.INTEGER), *(SourceColumn(c, ColumnKind.TEXT) for c in ("v", *extra)))
    return SourceTable(SCHEMA, name, columns, ("id",))


class Server:
    """Tables, their rows, and a binlog of everything that happened to them."""

    def __init__(self, uuid: str = "a", file: int = 1) -> None:
        self.uuid, self.file = uuid, file
        self.binlog: list[Any] = []
        self.definitions: dict[str, SourceTable] = {}
        self.rows: dict[str, dict[int, dict[str, Any]]] = {}
        # Called between noting a position and reading rows, and before changes are taken.
        self.meanwhile: Callable[[str], None] = nothing
        self._offset = 4
        # The place and the rows before the newest transaction, which is in the binlog a moment before it can be seen.
        self._before: tuple[BinlogPosition, dict[str, dict[int, dict[str, Any]]]] | None = None
        self.sees_late = False
        # Where the newest binlog file begins, if no place of a snapshot is told but this one.
        self.file_begins: BinlogPosition | None = None

    def _position(self) -> BinlogPosition:
        self._offset += EVENT_BYTES
        return BinlogPosition(f"binlog.{self.file:06}", self._offset)

    def _commit(self) -> None:
        self.binlog.append(Committed(self._position(), 1_000))

    def _commit_here(self, *changes: Any) -> None:
        """A statement that ends a transaction; its own place isn't one from which reading may start."""
        self._before = None
        self.binlog += [*changes, Committed(self.position(), 1_000)]

    def create(self, name: str) -> None:
        self.definitions[name], self.rows[name] = definition(name), {}

    def write(self, name: str, *changes: tuple[int | None, int | None, str]) -> None:
        """Commit one transaction of one event: (id before, id after, value) of each row."""
        self._before = self.position(), {name: dict(rows) for name, rows in self.rows.items()}
        table, rows, position = self.definitions[name], self.rows[name], self._position()
        for index, (old, new, value) in enumerate(changes):
            before = rows.pop(old) if old is not None else None
            after = None if new is None else {column: value for column in table.column_names} | {"id": new}
            if after is not None:
                rows[new] = after
            operation = "insert" if before is None else "update" if after is not None else "delete"
            self.binlog.append(RowChange(table, operation, before, after, position, index, 1_000))
        self._commit()

    def insert_or_update(self, name: str, row: int, value: str) -> None:
        self.write(name, (row if row in self.rows[name] else None, row, value))

    def truncate(self, name: str) -> None:
        self.rows[name] = {}
        self._commit_here(Truncated(SCHEMA, name, self._position(), 1_000))

    def drop(self, name: str) -> None:
        self.truncate(name)
        del self.definitions[name], self.rows[name]

    def alter(self, name: str, *extra: str, lose: Sequence[int] = ()) -> None:
        """Change the columns; rows that are lost (as with a partition that is dropped) are in no row event."""
        self.definitions[name] = definition(name, *extra)
        for row in lose:
            self.rows[name].pop(row, None)
        columns = self.definitions[name].column_names
        self.rows[name] = {k: {c: r.get(c, "default") for c in columns} for k, r in self.rows[name].items()}
        self._commit_here(Altered(SCHEMA, name, self._position(), 1_000))

    def statement(self, name: str, row: int, value: str, other: str) -> None:
        """Change a row by a statement that is logged as such, within a transaction that also changes another table."""
        changes: list[Any] = []
        for index in (1, 2):
            before = self.rows[other].get(index)
            after = {column: value for column in self.definitions[other].column_names} | {"id": index}
            kind = "insert" if before is None else "update"
            changes.append(RowChange(self.definitions[other], kind, before, after, self._position(), 0, 1_000))
            self.rows[other][index] = after
            if index == 1:
                self.rows[name][row] = {c: value for c in self.definitions[name].column_names} | {"id": row}
                changes.append(Altered(SCHEMA, name, self._position(), 1_000))
        self._before = None
        self.binlog += changes
        self._commit()

    def rename(self, old: str, new: str) -> None:
        """Put a table in another's place, as tools for changing large tables do."""
        table = self.definitions.pop(old)
        self.definitions[new], self.rows[new] = replace(table, name=new), self.rows.pop(old)
        position = self._position()
        self._commit_here(*(Altered(SCHEMA, name, position, 1_000) for name in (old, new)))

    def replace(self, name: str, rows: Sequence[tuple[int, str]]) -> None:
        """Put a new table in the place of `name`; the old one goes where no rule looks."""
        self.create("new")
        self.rows["new"] = {row: {"id": row, "v": value} for row, value in rows}
        del self.definitions[name], self.rows[name]
        self.rename("new", name)

    def fail_over(self) -> "Server":
        """Return another server with the same rows, whose binlog begins again."""
        other = Server(uuid=self.uuid + "'", file=1)
        other.definitions, other.rows = dict(self.definitions), {n: dict(r) for n, r in self.rows.items()}
        other.meanwhile = self.meanwhile
        if self.file_begins is not None:
            other.rotate()
        return other

    def rotate(self) -> None:
        """Begin a binlog file: all before is committed, and from here on loaded rows count as of a file's beginning."""
        self.file_begins, self._before = self.position(), None

    def _settled(self, table: SourceTable, since: BinlogPosition | None) -> BinlogPosition | None:
        if self.file_begins is None:
            return None
        ends = {event.position for event in self.binlog if isinstance(event, Committed)}
        whole = [event for event in self.binlog if isinstance(event, Truncated | Altered) and event.name == table.name]
        # A statement that ends its transaction, not one of rows.
        places = [event.position for event in whole if event.position in ends]
        return max([self.file_begins, *places, *([since] if since else [])], key=lambda place: place.order)

    # What the pipeline calls.

    def identity(self) -> str:
        return self.uuid

    def position(self) -> BinlogPosition:
        return BinlogPosition(f"binlog.{self.file:06}", self._offset)

    def tables(self, selects: Callable[[str, str], bool]) -> tuple[SourceTable, ...]:
        return tuple(t for t in self.definitions.values() if selects(t.schema, t.name))

    def is_there(self, schema: str, name: str) -> bool:
        return schema == SCHEMA and name in self.definitions

    def load(
        self,
        table: SourceTable,
        after_key: tuple[Any, ...] | None,
        bounds: ChunkBounds,
        since: BinlogPosition | None = None,
    ) -> Iterator[LoadedChunk]:
        settled, last = self._settled(table, since), after_key
        while True:
            position = self.position()
            self.meanwhile("select")
            seen = self.rows
            before = self._before if self.sees_late else None
            # What the job has read of the binlog before counts as visible.
            if before is not None and (settled is None or before[0].order >= settled.order):
                position, seen = before
            rows = seen.get(table.name, {})
            keys = sorted(key for key in rows if last is None or key > last[0])[: bounds.rows]
            last = (keys[-1],) if keys else last
            is_last = len(keys) < bounds.rows
            yield LoadedChunk(tuple(dict(rows[key]) for key in keys), settled or position, last, is_last)
            if is_last:
                return

    @contextmanager
    def changes(self, position: BinlogPosition, selects: object, tables: object) -> Iterator["Stream"]:
        ends = {event.position for event in self.binlog if isinstance(event, Committed)}
        assert position in ends or not any(event.position.order <= position.order for event in self.binlog), position
        yield Stream(self, position, selects)


class Stream:
    """The binlog from a position on."""

    def __init__(self, server: Server, position: BinlogPosition, selects: Any) -> None:
        self._server, self._selects = server, selects
        self._next = sum(event.position.order <= position.order for event in server.binlog)

    def take(self, max_changes: int, timeout_seconds: float) -> list[Any]:
        self._server.meanwhile("take")
        taken = self._server.binlog[self._next : self._next + max_changes]
        self._next += len(taken)
        return [event for event in taken if self._is_selected(event)]

    def _is_selected(self, event: Any) -> bool:
        if isinstance(event, Committed):
            return True
        name = event.table.name if isinstance(event, RowChange) else event.name
        return bool(self._selects(SCHEMA, name))
