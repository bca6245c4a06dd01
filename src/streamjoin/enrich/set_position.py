"""A position that a person sets: a commit without rows that says who did it, and what was skipped or is read again."""

import getpass
import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pyspark.sql import SparkSession

from streamjoin.aws.storage import as_hadoop_path, is_s3
from streamjoin.enrich.assembly import assemble, resolve_schema
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.errors import ConfigError, SinkError
from streamjoin.history import checkpoint
from streamjoin.history.change import describe_change
from streamjoin.history.checkpoint import Checkpoint
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.lock import TableLock
from streamjoin.shards.position import Position, PositionKind, ShardPosition
from streamjoin.spark.session import job_session
from streamjoin.streaming.metrics import BatchCounts
from streamjoin.streaming.writer import TableWriter

log = logging.getLogger(__name__)

_HUDI_PREFIX = "_hoodie_"


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


Target = StartAt | StartAfter


def set_position(
    config: EnrichConfig,
    target: Target,
    *,
    confirm: Callable[[Sequence[str]], bool] = lambda changes: True,
    session: Callable[[], SparkSession] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    client: StreamClient | None = None,
) -> tuple[str, ...]:
    """Set where the job of `config` goes on; return what changed, a line a shard, or nothing where nothing did.

    The table is locked from the question to the commit: what was agreed to is what happens.

    Delivery: one commit without rows, or none. It carries everything else on from the newest commit.

    Args:
        config: A checked configuration.
        target: Where to go on.
        confirm: Is given the changes; False leaves everything as it is.
        session: Gives Spark, once it is needed. Default: the job's own.
        clock: The present.
        client: The stream. Default: this process's.

    Raises:
        ConfigError: The target names a shard that the stream doesn't list, or a time to come.
        SinkError: There is no table yet, a job is writing it, or the commit failed.
        SourceError: The stream can't be listed, or the table's position is another's.
    """
    base_path = config.sink.hudi.base_path
    # Before the lock, which would leave a folder where no table is.
    _newest(base_path)
    stream = Stream.from_config(config.source.kinesis)
    with TableLock(base_path, job=f"{config.name} (checkpoint set)") as lock:
        found = _newest(base_path)
        stream.check(found.position)
        now = clock()
        position = target_position(found.position, target, stream, now, client or kinesis.stream_client(stream))
        changes = describe_change(found.position, position)
        if not changes or not confirm(changes):
            return ()
        spark = session() if session else job_session(config.name, s3=is_s3(base_path))
        writer = TableWriter(assemble(config, resolve_schema(config), spark).table, lock)
        writer.open()
        metadata = {
            "batch_id": f"set-{found.instant}",
            "audit": json.dumps(audit(found.position, position, target, now), sort_keys=True),
            **checkpoint.to_metadata(position, (), found.references, BatchCounts().to_dict()),
        }
        stored = spark.read.format("hudi").load(as_hadoop_path(base_path))
        columns = [name for name in stored.columns if not name.startswith(_HUDI_PREFIX)]
        nothing = spark.createDataFrame([], stored.select(*(f"`{name}`" for name in columns)).schema)
        writer.commit(nothing, metadata)
        writer.record()
    log.info("job=%s position set %s shards=%d", config.name, target, len(changes))
    return changes


def _newest(base_path: str) -> Checkpoint:
    found = checkpoint.read(base_path)
    if found is None:
        message = (
            f"no table at '{base_path}' yet, so that there is no position to set: the job's first start begins at "
            "source.kinesis.starting_position; set that."
        )
        raise SinkError(message)
    return found


def target_position(before: Position, target: Target, stream: Stream, now: datetime, client: StreamClient) -> Position:
    """Return where the job will stand.

    Raises:
        ConfigError: The target names a shard that the stream doesn't list, or a time to come.
        SourceError: The stream can't be listed.
    """
    if isinstance(target, StartAt):
        if target.timestamp is not None and target.timestamp > now:
            refuse_target([f"--at-timestamp: {target.timestamp.isoformat()} is to come; it is {now.isoformat()}"])
        begun = kinesis.start(stream, target, round(now.timestamp() * 1000), client)
        # A drained shard that isn't listed now may be again: it stays drained.
        drained = {s: p for s, p in before.shards.items() if p.kind is PositionKind.DRAINED and s not in begun.shards}
        return Position(begun.stream, {**drained, **begun.shards})
    listed = sorted(shard.shard_id for shard in client.shards())
    refuse_target(
        without_digits(target)
        + [
            f"--sequence-number: stream '{stream.name}' lists no shard '{shard_id}'; it lists: {', '.join(listed)}"
            for shard_id in target.numbers
            if shard_id not in listed
        ]
    )
    places = {s: ShardPosition(PositionKind.AFTER, sequence_number=number) for s, number in target.numbers.items()}
    return Position(before.stream, {**before.shards, **places})


def without_digits(target: StartAfter) -> list[str]:
    """Return what is wrong with the sequence numbers themselves."""
    return [
        f"--sequence-number {shard_id}={number}: expected the decimal digits of a sequence number"
        for shard_id, number in target.numbers.items()
        if not (number.isascii() and number.isdecimal())
    ]


def refuse_target(problems: list[str]) -> None:
    """Raise the error that lists `problems` of what a person asked for, if there are any."""
    if problems:
        raise ConfigError(problems, where="checkpoint set")


def audit(before: Position, after: Position, target: Target, now: datetime) -> dict[str, object]:
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
