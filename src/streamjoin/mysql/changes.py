"""What a MySQL server says of its tables: rows loaded, changes of its binlog, and where in the binlog that was."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from streamjoin.dms.source_table import SourceTable, Value

Row: TypeAlias = Mapping[str, Value]
Operation: TypeAlias = Literal["insert", "update", "delete"]

FILE_BEGINS = 4
"""Where the first event of a binlog file is."""


@dataclass(frozen=True)
class BinlogPosition:
    """A place in the binlog: everything before it has happened.

    Args:
        file: The binlog file's name, such as `binlog.000012`.
        offset: Byte in the file where the next event begins.
        gtid: What the server calls the same place, if it has global transaction ids: a set of MySQL
            (`uuid:1-5,...`) or a list of MariaDB (`0-1-16`). None if it has none.
        created: When the file was begun, in seconds since 1970, by its first event: what tells it from another one of
            the same name after `RESET MASTER`. None if it wasn't seen, or the ids tell that.
    """

    file: str
    offset: int
    gtid: str | None = None
    created: int | None = field(default=None, compare=False)

    @property
    def order(self) -> tuple[int, int]:
        """The sort key among positions of one server: number of the file, byte in it."""
        return int(self.file.rpartition(".")[2]), self.offset

    def to_dict(self) -> dict[str, Any]:
        """Return the position as JSON values."""
        created = {} if self.created is None else {"created": self.created}
        return {"file": self.file, "offset": self.offset, "gtid": self.gtid, **created}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "BinlogPosition":
        """Read what `to_dict` gave."""
        return cls(str(values["file"]), int(values["offset"]), values.get("gtid"), values.get("created"))

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}" + (f" ({self.gtid})" if self.gtid else "")


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row inserted, updated or deleted; or some rows of a table that has problems, without their values.

    Args:
        table: The table as it was then, by the binlog's own metadata.
        operation: What happened.
        before: The old row; None with insert, and if the table has problems.
        after: The new row; None with delete, and if the table has problems.
        position: The end of the row's event: file and offset order changes, `row` those of one event.
        row: Index in the event.
        changed_at_ms: When, by the server's clock (the binlog has whole seconds, MySQL 8 and its GTID events more).
    """

    table: SourceTable
    operation: Operation
    before: Row | None
    after: Row | None
    position: BinlogPosition
    row: int
    changed_at_ms: int


@dataclass(frozen=True)
class Truncated:
    """A table lost all its rows at once: `TRUNCATE` or `DROP TABLE`."""

    schema: str
    name: str
    position: BinlogPosition
    changed_at_ms: int


@dataclass(frozen=True)
class Altered:
    """A table's definition, or which table has its name, is another one from here on: its rows must be loaded again."""

    schema: str
    name: str
    position: BinlogPosition
    changed_at_ms: int


@dataclass(frozen=True)
class Committed:
    """A transaction ended here: the only places from which reading may start again."""

    position: BinlogPosition
    changed_at_ms: int


Change: TypeAlias = RowChange | Truncated | Altered | Committed


@dataclass(frozen=True)
class ChunkBounds:
    """What a chunk holds at most.

    Args:
        rows: Rows.
        bytes: Bytes of their values as the server sends them; one row may be larger.
    """

    rows: int
    bytes: int


@dataclass(frozen=True)
class LoadedChunk:
    """Rows of a full load.

    Args:
        rows: In the order of the primary key, if there is one.
        position: A place of the binlog such that all before it was visible when the rows were read: they are at least
            that new.
        last_key: Primary key of the last row, from which the load goes on; None if the table has none.
        is_last: Whether the table ends here.
    """

    rows: tuple[Row, ...]
    position: BinlogPosition
    last_key: tuple[Value, ...] | None
    is_last: bool
