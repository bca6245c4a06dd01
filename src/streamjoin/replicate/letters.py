"""Dead letters of a replication job: one JSON file a row that can't be an item."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.dms import SourceTable, Value
from streamjoin.dms.rejected import RowRejected
from streamjoin.errors import SinkError
from streamjoin.mysql.changes import BinlogPosition, Row, RowChange

_DIGEST_CHARACTERS: Final = 32


@dataclass(frozen=True)
class RejectedRow:
    """A row that can't be an item.

    Args:
        table: Its table.
        operation: insert, update, or load.
        name: Names the row's letter: the same for the same row, however often it is read.
        row: Its values.
        position: The end of the row's event, or the binlog's end noted before it was loaded.
        reason: A word.
        detail: What was found.
    """

    table: SourceTable
    operation: str
    name: str
    row: Row
    position: BinlogPosition
    reason: str
    detail: str

    @classmethod
    def of_change(cls, change: RowChange, error: RowRejected) -> "RejectedRow":
        """Return the new row of `change`."""
        position, row = change.position, change.after or {}
        name = f"{position.file}-{position.offset:013}-{change.row:07}"
        return cls(change.table, change.operation, name, row, position, error.reason, error.detail)

    @classmethod
    def of_load(cls, table: SourceTable, row: Row, position: BinlogPosition, error: RowRejected) -> "RejectedRow":
        """Return a row of a full load, whose letter is named after its key: each load reads it at another position."""
        key = {name: row.get(name) for name in table.primary_key} or row
        digest = hashlib.sha256(json.dumps(_plain(key), sort_keys=True).encode()).hexdigest()
        return cls(table, "load", f"load-{digest[:_DIGEST_CHARACTERS]}", row, position, error.reason, error.detail)

    def __str__(self) -> str:
        names = self.table.primary_key or self.table.column_names[:1]
        key = ", ".join(f"{name}={self.row.get(name)!r}" for name in names)
        return f"table '{self.table}' row '{key}' ({self.operation} at {self.position}): {self.reason}: {self.detail}"

    def to_dict(self) -> dict[str, Any]:
        """Return the letter as JSON values; binary is base64, a decimal its text."""
        return {
            "schema": self.table.schema,
            "table": self.table.name,
            "operation": self.operation,
            "position": self.position.to_dict(),
            "reason": self.reason,
            "detail": self.detail,
            "row": _plain(self.row),
        }


class LetterFolder:
    """The folder of a job's dead letters.

    Delivery: at least once; a row that is read again overwrites its letter.

    Args:
        base_path: `s3://…`, `file:/…`, or a path on this machine.
    """

    def __init__(self, base_path: str) -> None:
        self._base_path = base_path

    def write(self, rejected: Iterable[RejectedRow]) -> None:
        """Write a letter for each row.

        Raises:
            SinkError: The folder can't be written; what was written stays.
        """
        for row in rejected:
            # A table's name may have a slash in it.
            folder = f"{self._base_path}/{quote(str(row.table), safe='')}"
            try:
                files, path = open_path(folder)
                if isinstance(files, fs.LocalFileSystem):
                    files.create_dir(path, recursive=True)
                with files.open_output_stream(f"{path}/{row.name}.json") as file:
                    file.write(json.dumps(row.to_dict(), ensure_ascii=False, indent=1).encode())
            except OSError as error:
                message = f"dead letters at '{self._base_path}': '{row.name}.json' can't be written: {error}"
                raise SinkError(message, retryable=True) from error


def write_letters(folder: LetterFolder | None, rejected: Sequence[RejectedRow]) -> None:
    """Write a letter for each row; if there is no folder for them, refuse the first.

    Raises:
        SinkError: There is a row and no folder, or the folder can't be written.
    """
    if folder is None and rejected:
        message = (
            f"{rejected[0]}. The row can't be an item, and the job has no place for such rows: correct it, or set "
            "dead_letters.base_path."
        )
        raise SinkError(message)
    if folder is not None:
        folder.write(rejected)


_PLAIN: Final[Mapping[type, Callable[[Any], str]]] = {
    bytes: lambda value: b64encode(value).decode(),
    Decimal: str,
}


def _plain(row: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _PLAIN[type(value)](value) if type(value) in _PLAIN else value for name, value in row.items()}
