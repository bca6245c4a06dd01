"""One writer a table: the one that has it says so beside the rows, and a second one stops."""

from streamjoin.lock.refusal import HeldError, Place
from streamjoin.lock.table_lock import TableLock

__all__ = ["HeldError", "Place", "TableLock"]
