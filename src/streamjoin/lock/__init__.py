"""One writer a table: who has it says so beside the rows, and whoever comes second stops."""

from streamjoin.lock.table_lock import TableLock

__all__ = ["TableLock"]
