"""A position of a capture job that a person sets: an entry of its journal that says who did it."""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from streamjoin.aws.clients import aws_client
from streamjoin.capture.config.capture import CaptureConfig, TableStreamSettings, journal_path
from streamjoin.capture.sources import source_of
from streamjoin.dynamodb.stream.client import StreamLostError
from streamjoin.dynamodb.stream.of_table import open_table_stream
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.enrich.set_position import StartAt, Target, audit, refuse_target, target_position, without_digits
from streamjoin.errors import SinkError, SourceError
from streamjoin.history import checkpoint
from streamjoin.history.change import describe_change
from streamjoin.history.entry import Entry
from streamjoin.history.journal import Journal
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.lock import TableLock
from streamjoin.shards.position import Position, PositionKind, ShardPosition
from streamjoin.streaming.metrics import BatchCounts

log = logging.getLogger(__name__)


def set_capture_position(
    config: CaptureConfig,
    target: Target,
    *,
    confirm: Callable[[Sequence[str]], bool] = lambda changes: True,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    client: StreamClient | None = None,
    table_stream: Callable[[], TableStream] | None = None,
) -> tuple[str, ...]:
    """Set where the job of `config` goes on; return what changed, a line a shard, or nothing where nothing did.

    The journal is locked from the question to the entry: what was agreed to is what happens. What is read again leaves
    the tables as they are: each change is known.

    Delivery: one entry of the journal, or none.

    Args:
        config: A checked configuration.
        target: Where to go on.
        confirm: Is given the changes; False leaves everything as it is.
        clock: The present.
        client: The Kinesis stream. Default: this process's.
        table_stream: Opens the table's own stream. Default: this process's.

    Raises:
        ConfigError: The target names a shard that the stream doesn't list, a time to come, or what a table's own stream
            can't be set to.
        SinkError: There is no journal yet, or the job runs.
        SourceError: The stream can't be listed, or the journal's position is another's.
    """
    path = journal_path(config)
    journal = Journal(path)
    # Before the lock, which would leave a folder where no journal is.
    _newest(journal, path)
    source = source_of(config)
    with TableLock(path, job=f"{config.name} (checkpoint set)") as lock:
        found = _newest(journal, path)
        source.check_position(found.position)
        now = clock()
        if config.source.kinesis is not None:
            stream = Stream.from_config(config.source.kinesis)
            position = target_position(found.position, target, stream, now, client or kinesis.stream_client(stream))
        else:
            assert config.source.dynamodb_stream is not None  # noqa: S101  (checked with the configuration)
            opened = table_stream() if table_stream else _open(config.source.dynamodb_stream)
            position = _of_table(found.position, target, opened)
        changes = describe_change(found.position, position)
        if not changes or not confirm(changes):
            return ()
        lock.check()
        journal.append(
            {
                "batch_id": f"set-{found.instant}",
                "audit": json.dumps(audit(found.position, position, target, now), sort_keys=True),
                **checkpoint.to_metadata(position, (), {}, BatchCounts().to_dict()),
            }
        )
    log.info("job=%s position set %s shards=%d", config.name, target, len(changes))
    return changes


def _newest(journal: Journal, path: str) -> Entry:
    found = journal.newest()
    if found is None:
        message = (
            f"no journal at '{path}' yet, so that there is no position to set: the job's first start begins at the "
            "starting_position of its source; set that."
        )
        raise SinkError(message)
    return found


def _open(settings: TableStreamSettings) -> TableStream:
    place = (settings.region, settings.role_arn)
    return open_table_stream(aws_client("dynamodb", *place), aws_client("dynamodbstreams", *place), settings.table_name)


def _of_table(before: Position, target: Target, stream: TableStream) -> Position:
    """Return where the job will stand in a table's own stream, which has no times and no name for its tip."""
    if isinstance(target, StartAt) and target.starting_position != "TRIM_HORIZON":
        refuse_target(
            [
                f"{target}: a table's own stream can't be entered there; expected --trim-horizon or --sequence-number. "
                "To leave out what it holds, give the job another journal.base_path and starting_position: LATEST"
            ]
        )
    try:
        stream.start_at_trim_horizon()
    except StreamLostError as lost:
        raise SourceError(str(lost)) from lost
    begun = stream.position
    if isinstance(target, StartAt):
        is_same = begun.stream == before.stream
        gone = {s: p for s, p in before.shards.items() if p.kind is PositionKind.DRAINED and s not in begun.shards}
        return Position(begun.stream, {**(gone if is_same else {}), **begun.shards})
    known = sorted({*before.shards, *begun.shards})
    refuse_target(
        [
            *without_digits(target),
            *(
                f"--sequence-number: the stream of the table has no shard '{shard_id}'; it has: {', '.join(known)}"
                for shard_id in target.numbers
                if shard_id not in known
            ),
        ]
    )
    places = {s: ShardPosition(PositionKind.AFTER, sequence_number=number) for s, number in target.numbers.items()}
    return Position(before.stream, {**before.shards, **places})
