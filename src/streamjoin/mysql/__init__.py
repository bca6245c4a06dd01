"""MySQL and MariaDB as a source: full load by SELECT, then the binlog."""

from streamjoin.mysql.address import MysqlAddress
from streamjoin.mysql.changes import (
    Altered,
    BinlogPosition,
    Change,
    ChunkBounds,
    Committed,
    LoadedChunk,
    RowChange,
    Truncated,
)
from streamjoin.mysql.server import MysqlServer
from streamjoin.mysql.stream import ChangeStream

__all__ = [
    "Altered",
    "BinlogPosition",
    "Change",
    "ChangeStream",
    "ChunkBounds",
    "Committed",
    "LoadedChunk",
    "MysqlAddress",
    "MysqlServer",
    "RowChange",
    "Truncated",
]
