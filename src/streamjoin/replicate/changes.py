"""The binlog's changes, batch by batch, and from where they are read again."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from streamjoin.kinesis.plan import BatchLimits
from streamjoin.mysql.changes import Altered, BinlogPosition, Change, Committed, Row, RowChange, Truncated
from streamjoin.replicate.job import ReplicateJob

# Changes taken at a time: what a batch may have beyond its limit of bytes.
_TAKEN: Final = 1_000
_NUMBER_BYTES: Final = 8
# How long a wish to stop may wait for a change.
_TAKE_SECONDS: Final = 0.5


TableChange: TypeAlias = Truncated | Altered


class Changes(Protocol):
    """What the batches are made of: `ChangeStream`."""

    def take(self, max_changes: int, timeout_seconds: float) -> list[Change]:
        """Wait for changes, and return those that are there."""


@dataclass(frozen=True)
class ChangeBatch:
    """Changes that are written together.

    Args:
        rows: Changed rows, in the binlog's order.
        table_changes: What happened to whole tables after them; ends a batch.
        position: From where reading starts again when the batch is done: the end of the last transaction that ended in
            it or before.
        is_replay: Whether some of it may have been written before, with what came after it.
        is_caught_up: Whether all has been given that was in the binlog when this process began to read.
        bytes: Of the rows' values.
    """

    rows: tuple[RowChange, ...]
    table_changes: tuple[TableChange, ...]
    position: BinlogPosition
    is_replay: bool
    is_caught_up: bool
    bytes: int = 0

    @property
    def count(self) -> int:
        """How many changes it has."""
        return len(self.rows) + len(self.table_changes)

    def is_due(self, idle_seconds: float) -> bool:
        """Tell whether it has changes."""
        del idle_seconds
        return self.count > 0

    @property
    def changed_at_ms(self) -> int | None:
        """When the newest change happened; None without changes."""
        return max((change.changed_at_ms for change in (*self.rows[-1:], *self.table_changes)), default=None)


class ChangeReader:
    """Gives the batches of a stream, one after the other.

    Invariant: everything before `position` is in a batch that was given, or in no table of the job's.

    Args:
        stream: Where changes come from.
        position: From where the stream begins.
        replay_until: The binlog's end when this process began to read: up to here another one may have written before.
        limits: Bounds of a batch.
    """

    def __init__(
        self, stream: Changes, position: BinlogPosition, replay_until: BinlogPosition, limits: BatchLimits
    ) -> None:
        self._stream, self._replay_until, self._limits = stream, replay_until, limits
        self._taken: deque[Change] = deque()
        self.position = position

    def next(self, timeout_seconds: float) -> ChangeBatch:
        """Return the next batch; one without changes if none came in time, or many transactions of other tables did."""
        rows: list[RowChange] = []
        table_changes: list[TableChange] = []
        size_bytes = passed = 0
        # A server on which other tables change without end must not keep the job from its lease, or from stopping.
        while len(rows) < self._limits.records and size_bytes < self._limits.bytes and passed <= self._limits.records:
            change = self._peek(0.0 if rows or table_changes else timeout_seconds)
            if change is None or (table_changes and isinstance(change, RowChange)):
                break
            self._taken.popleft()
            if isinstance(change, RowChange):
                rows.append(change)
                size_bytes += bytes_of((change.before, change.after))
            elif isinstance(change, Committed):
                self.position = change.position
                timeout_seconds = 0.0
                passed += 1
                if table_changes:
                    break
            else:
                table_changes.append(change)
        return ChangeBatch(
            rows=tuple(rows),
            table_changes=tuple(table_changes),
            position=self.position,
            is_replay=bool(rows) and rows[0].position.order <= self._replay_until.order,
            is_caught_up=self.position.order >= self._replay_until.order,
            bytes=size_bytes,
        )

    def _peek(self, timeout_seconds: float) -> Change | None:
        if not self._taken:
            self._taken.extend(self._stream.take(_TAKEN, timeout_seconds))
        return self._taken[0] if self._taken else None


def follow(job: ReplicateJob, idle_save_seconds: float) -> Iterator[ChangeBatch]:
    """Give the changes from the job's position on, batch by batch, until one that was processed asks for a load.

    Args:
        job: The job's parts.
        idle_save_seconds: How long after the last one a position is saved that lies behind transactions of other tables
            alone: the server purges its old binlog files.
    """
    # A process before this one wrote up to here at most.
    replay_until = job.server.position()
    with job.server.changes(job.state.position, job.routes.selects, job.routes.tables) as stream:
        reader = ChangeReader(stream, job.state.position, replay_until, job.limits)
        saved = time.monotonic()
        while job.state.loading is None:
            batch = reader.next(_TAKE_SECONDS)
            is_over_due = time.monotonic() - saved >= idle_save_seconds
            if not batch.count and is_over_due and batch.position != job.state.position:
                job.save(replace(job.state, position=batch.position))
                saved = time.monotonic()
            yield batch
            if batch.count:
                saved = time.monotonic()


def bytes_of(rows: Iterable[Row | None]) -> int:
    """Return how many bytes the values of rows have, about."""
    return sum(
        len(value) if isinstance(value, str | bytes) else _NUMBER_BYTES
        for row in rows
        if row is not None
        for value in row.values()
    )
