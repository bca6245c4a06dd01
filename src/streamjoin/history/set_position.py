"""A position that a person sets: an entry that says who did it, and what is skipped or read again."""

import getpass
import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from streamjoin.errors import ConfigError, SinkError
from streamjoin.history import checkpoint
from streamjoin.history.change import describe_change
from streamjoin.history.counts import BatchCounts
from streamjoin.history.entry import Entry, Positions
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.lock import Place, TableLock
from streamjoin.shards.position import Position, PositionKind, ShardPosition

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartAt:
    """Every listed shard begins where a first start would; closed shards too, unless it is LATEST.

    Args:
        starting_position: As `source.kinesis.starting_position`.
        timestamp: With AT_TIMESTAMP; without a zone it is UTC.
    """

    starting_position: Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]
    timestamp: datetime | None = None

    def __post_init__(self) -> None:
        if self.timestamp is not None and self.timestamp.tzinfo is None:
            object.__setattr__(self, "timestamp", self.timestamp.replace(tzinfo=UTC))

    def __str__(self) -> str:
        option = f"--{self.starting_position.lower().replace('_', '-')}"
        return f"{option} {self.timestamp.isoformat()}" if self.timestamp is not None else option


@dataclass(frozen=True)
class StartAfter:
    """Some shards go on after a record of theirs; the others stay where they are.

    Args:
        numbers: Shard -> sequence number of the last record that counts as read.
    """

    numbers: Mapping[str, str]

    def __str__(self) -> str:
        return " ".join(f"--sequence-number {shard_id}={number}" for shard_id, number in sorted(self.numbers.items()))


Target: TypeAlias = StartAt | StartAfter

Confirm: TypeAlias = Callable[[Sequence[str]], bool]
"""Is given the changes, a line a shard; False leaves everything as it is."""


@dataclass(frozen=True)
class PositionSetter:
    """Sets where one job goes on.

    Args:
        job: The job's name.
        kind: What has its positions.
        positions: Those.
        place: Returns where the job will stand, of where it stands and the present; raises what is wrong with that.
        append: Adds an entry without records, given its metadata and the lock.
    """

    job: str
    kind: Literal["table", "journal"]
    positions: Positions
    place: Callable[[Position, datetime], Position]
    append: Callable[[Mapping[str, str], TableLock], object]

    def set(self, target: Target, confirm: Confirm, clock: Callable[[], datetime]) -> tuple[str, ...]:
        """Return what changed, a line a shard, or nothing if nothing did.

        The table or journal is locked from the question to the entry: what was agreed to is what happens.

        Delivery: one entry, or none. It carries everything else on from the newest.

        Args:
            target: What `place` leads to, for the record.
            confirm: Is given the changes.
            clock: The present.

        Raises:
            SinkError: There is no position yet, the job runs, or the entry can't be written.
            StreamJoinError: What `place` raises.
        """
        # Before the lock, which would leave a folder where nothing is.
        self._newest()
        path = self.positions.base_path
        place = Place.of_table(path) if self.kind == "table" else Place.of_journal(path)
        with TableLock(path, job=f"{self.job} (checkpoint set)", place=place) as lock:
            found, now = self._newest(), clock()
            position = self.place(found.position, now)
            changes = describe_change(found.position, position)
            if not changes or not confirm(changes):
                return ()
            lock.check()
            metadata = {
                "batch_id": f"set-{found.instant}",
                "audit": json.dumps(_audit(found.position, position, target, now), sort_keys=True),
                **checkpoint.to_metadata(position, (), found.references, BatchCounts().to_dict()),
            }
            self.append(metadata, lock)
        log.info("job=%s position set %s shards=%d", self.job, target, len(changes))
        return changes

    def _newest(self) -> Entry:
        found = self.positions.newest()
        if found is None:
            message = (
                f"no {self.kind} at '{self.positions.base_path}' yet, so that there is no position to set: the job's "
                "first start begins at the starting_position of its source; set that."
            )
            raise SinkError(message)
        return found


def target_position(before: Position, target: Target, stream: Stream, now: datetime, client: StreamClient) -> Position:
    """Return where a job will stand in a Kinesis stream.

    Raises:
        ConfigError: The target names a shard that the stream doesn't list, or a time to come.
        SourceError: The position is another stream's, or the stream can't be listed.
    """
    stream.check(before)
    if isinstance(target, StartAfter):
        listed = sorted(shard.shard_id for shard in client.shards())
        return position_after(before, target, listed, f"stream '{stream.name}' lists no shard '%s'; it lists")
    if target.timestamp is not None and target.timestamp > now:
        refuse_target([f"--at-timestamp: {target.timestamp.isoformat()} is to come; it is {now.isoformat()}"])
    return with_drained(before, kinesis.start(stream, target, round(now.timestamp() * 1000), client))


def with_drained(before: Position, begun: Position) -> Position:
    """Return a position at which a stream was begun again; a drained shard that isn't listed now stays drained."""
    drained = {s: p for s, p in before.shards.items() if p.kind is PositionKind.DRAINED and s not in begun.shards}
    return Position(begun.stream, {**drained, **begun.shards})


def position_after(before: Position, target: StartAfter, known: Sequence[str], unknown: str) -> Position:
    """Return the position with the target's shards set.

    Args:
        before: Where the job stands.
        target: What a person asked for.
        known: The stream's shards.
        unknown: What is said of a shard that isn't known, with `%s` in place of its id; the known ones follow.

    Raises:
        ConfigError: A shard isn't known, or a number isn't one.
    """
    refuse_target(
        [
            f"--sequence-number {shard_id}={number}: expected the decimal digits of a sequence number"
            for shard_id, number in target.numbers.items()
            if not (number.isascii() and number.isdecimal())
        ]
        + [
            f"--sequence-number: {unknown % shard_id}: {', '.join(known)}"
            for shard_id in target.numbers
            if shard_id not in known
        ]
    )
    places = {s: ShardPosition(PositionKind.AFTER, sequence_number=number) for s, number in target.numbers.items()}
    return Position(before.stream, {**before.shards, **places})


def refuse_target(problems: list[str]) -> None:
    """Raise the error that lists `problems` of what a person asked for, if there are any."""
    if problems:
        raise ConfigError(problems, where="checkpoint set")


def _audit(before: Position, after: Position, target: Target, now: datetime) -> dict[str, object]:
    """Return who set which shards from where to where."""
    shard_ids = before.shards.keys() | after.shards.keys()
    changed = [s for s in shard_ids if before.shards.get(s) != after.shards.get(s)]
    return {
        "set_at": now.isoformat(),
        "set_by": f"{_user()}@{socket.gethostname()}",
        "what": str(target),
        "from": _shards(before, changed),
        "to": _shards(after, changed),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under an id that has no name.
        return f"uid {os.getuid()}"


def _shards(position: Position, shard_ids: Iterable[str]) -> object:
    chosen = {shard_id: position.shards[shard_id] for shard_id in shard_ids if shard_id in position.shards}
    return json.loads(Position(position.stream, chosen).to_json())["shards"]
