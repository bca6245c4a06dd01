"""Where a capture goes on, set by a person: an entry of its journal."""

from collections.abc import Callable
from datetime import UTC, datetime

from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.sources import open_stream, source_of
from streamjoin.dynamodb.stream.client import StreamLostError
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.errors import SourceError
from streamjoin.history.journal import Journal
from streamjoin.history.set_position import (
    Confirm,
    PositionSetter,
    StartAfter,
    Target,
    position_after,
    refuse_target,
    target_position,
    with_drained,
)
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.shards.position import Position


def set_position(
    config: CaptureConfig,
    target: Target,
    *,
    confirm: Confirm = lambda changes: True,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    client: StreamClient | None = None,
    table_stream: Callable[[], TableStream] | None = None,
) -> tuple[str, ...]:
    """Set where the job of `config` goes on, as `PositionSetter.set`.

    What is read again leaves the tables as they are: each change is known.

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
    journal = Journal(journal_path(config))

    def place(before: Position, now: datetime) -> Position:
        source_of(config).check_position(before)
        if config.source.kinesis is not None:
            stream = Stream.from_config(config.source.kinesis)
            return target_position(before, target, stream, now, client or kinesis.stream_client(stream))
        assert config.source.dynamodb_stream is not None  # noqa: S101  (checked with the configuration)
        return _of_table(before, target, table_stream() if table_stream else open_stream(config.source.dynamodb_stream))

    setter = PositionSetter(config.name, "journal", journal, place, lambda metadata, lock: journal.append(metadata))
    return setter.set(target, confirm, clock)


def _of_table(before: Position, target: Target, stream: TableStream) -> Position:
    """Return where the job will stand in a table's own stream, which has no times and no name for its tip."""
    if not isinstance(target, StartAfter) and target.starting_position != "TRIM_HORIZON":
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
    if isinstance(target, StartAfter):
        known = sorted({*before.shards, *begun.shards})
        return position_after(before, target, known, "the stream of the table has no shard '%s'; it has")
    return with_drained(before, begun) if begun.stream == before.stream else begun
