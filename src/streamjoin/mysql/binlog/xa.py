"""Transactions of two phases: their rows are in the binlog when they are prepared, not when they are committed.

Which rows a later commit is about is known only after the first phase was read, and versions of rows follow the
binlog. So their rows aren't reported; when they are committed, their tables are to be loaded again.
"""

import struct
from collections.abc import Iterable

from streamjoin.dms.source_table import SourceTable

_PREPARE = struct.Struct("<?III")


class XaTransactions:
    """The transactions that were prepared and not yet ended, and the one whose rows are being read."""

    def __init__(self) -> None:
        self.is_open = False
        self._prepared: dict[str, tuple[SourceTable, ...]] = {}

    def begins(self, sql: str) -> bool:
        """Note a statement; tell whether it begins a transaction."""
        if not sql[:9].upper().startswith(("XA START", "XA BEGIN")):
            return False
        self.is_open = True
        return True

    def prepare(self, body: bytes, tables: Iterable[SourceTable]) -> tuple[SourceTable, ...]:
        """Note the end of the first phase; return the tables that changed now, if it was the only phase."""
        self.is_open = False
        one_phase, form, global_bytes, branch_bytes = _PREPARE.unpack_from(body)
        if one_phase:
            return tuple(tables)
        at = _PREPARE.size
        branch_at = at + global_bytes
        branch = body[branch_at : branch_at + branch_bytes]
        self._prepared[f"x'{body[at:branch_at].hex()}',x'{branch.hex()}',{form}"] = tuple(tables)
        return ()

    def end(self, sql: str) -> tuple[SourceTable, ...] | None:
        """Return the tables that `XA COMMIT` or `XA ROLLBACK` changes now; None when that isn't known."""
        _, verb, name = [*sql.lower().split(None, 2), "", "", ""][:3]
        tables = self._prepared.pop(name.replace(" ", ""), None)
        return () if verb == "rollback" else tables
