"""The parts of a replication job, as plain values; `replication_assembly` makes them from its configuration."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamjoin.dynamodb.write.items import ItemWriter
from streamjoin.mysql.changes import BinlogPosition
from streamjoin.replicate.control_state import ControlState
from streamjoin.replicate.control_table import ControlTable
from streamjoin.replicate.letters import LetterFolder
from streamjoin.replicate.routes import Routes

if TYPE_CHECKING:
    from streamjoin.mysql import MysqlServer

_GENERATION: Final = 10**30
_FILE: Final = 10**20
_OFFSET: Final = 10**7


@dataclass(frozen=True)
class ChangeLimits:
    """What a batch, or a chunk of a full load, holds at most.

    Args:
        records: Changes, or rows.
        bytes: Bytes of the changes' values, nearly.
    """

    records: int
    bytes: int


@dataclass(frozen=True)
class ReplicateJob:
    """The parts of one job.

    Args:
        name: The job's name.
        server: Where rows come from.
        routes: How the rows of each table become items, and of which table.
        writer: What writes items.
        control: Where the position is kept, and the right to write.
        letters: Where rows go that can't be items; None: the first one stops the job.
        limits: Bounds of a batch.
        interval_seconds: From the start of one batch to that of the next, once caught up.
        now_ms: The time, as changes have it.
        loaded: Tables that this process has loaded -> the binlog's end noted before their first row was read.
    """

    name: str
    server: "MysqlServer"
    routes: Routes
    writer: ItemWriter
    control: ControlTable
    letters: LetterFolder | None
    limits: ChangeLimits
    interval_seconds: float
    now_ms: Callable[[], float] = lambda: time.time() * 1000
    loaded: dict[str, BinlogPosition] = field(default_factory=dict)

    def save(self, state: ControlState) -> ControlState:
        """Write `state` to the control table, and return it."""
        self.control.save(state)
        return state


def position_of(state: ControlState) -> BinlogPosition:
    """Return where the binlog is followed from, as `state` has it."""
    return BinlogPosition.from_dict(state.position)


def version_of(generation: int, position: BinlogPosition, row: int = 0) -> int:
    """Return how new an item is that was made at `position`: a number that grows with the binlog.

    Args:
        generation: Counts full loads: a later one is newer than all before, wherever its binlog begins.
        position: End of the row's event; of a loaded row the binlog's end noted before it was read.
        row: Index in the event.
    """
    file_number, offset = position.order
    return generation * _GENERATION + file_number * _FILE + offset * _OFFSET + row
