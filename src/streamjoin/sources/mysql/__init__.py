"""MySQL and MariaDB as a source: full load by SELECT, then the binlog."""

from streamjoin.sources.mysql.address import MysqlAddress
from streamjoin.sources.mysql.changes import (
    Altered,
    BinlogPosition,
    Change,
    ChunkBounds,
    Committed,
    LoadedChunk,
    RowChange,
    Truncated,
)
from streamjoin.sources.mysql.server import MysqlServer
from streamjoin.sources.mysql.stream import ChangeStream

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
