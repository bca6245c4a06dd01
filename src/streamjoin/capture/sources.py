"""What a capture job reads: a Kinesis stream with the changes of tables, or the stream of one table."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Protocol

from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.capture.backfill_note import NotedMoment
from streamjoin.capture.config.capture import CaptureConfig, TableStreamSettings
from streamjoin.config.stages import KinesisSettings
from streamjoin.dynamodb.change_wrappers import ChangeSplitter
from streamjoin.dynamodb.stream.batches import TableBatch, TableStreamBatches
from streamjoin.dynamodb.stream.client import RETENTION_MS
from streamjoin.dynamodb.stream.of_table import open_table_stream
from streamjoin.dynamodb.stream.stream import StreamLostError, TableStream
from streamjoin.errors import DataLossError, SourceError
from streamjoin.history.set_position import StartAt
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.kinesis.stream import Stream
from streamjoin.shards.arrivals import Arrivals
from streamjoin.shards.position import Position
from streamjoin.spark.frames import frame_of
from streamjoin.streaming.batch import Batch, batch_id_of
from streamjoin.streaming.runner import BatchReader
from streamjoin.streaming.stream_reader import StreamReader

log = logging.getLogger(__name__)

_US_PER_MS: Final = 1000


class ChangeSource(Protocol):
    """Where changes come from."""

    @property
    def key_of_data_loss(self) -> str | None:
        """The key below which `fail_on_data_loss` is true; None: lost changes are only warned of."""

    def check(self) -> None:
        """Make sure that it is there and may be read.

        Raises:
            SourceError: It isn't.
        """

    def first(self, noted: NotedMoment | None) -> Position:
        """Return where a first start begins: as configured, or earlier, at the moment that backfills have noted.

        Raises:
            DataLossError: The stream no longer has the changes since that moment, and `fail_on_data_loss` is true.
            SourceError: It can't be read.
        """

    def check_position(self, position: Position) -> None:
        """Make sure that the position is one of this source.

        Raises:
            SourceError: It is another one's.
        """

    def open_reader(self, spark: SparkSession, position: Position) -> BatchReader[Batch]:
        """Open the source at a position."""


def source_of(config: CaptureConfig) -> ChangeSource:
    """Return the source of `config`, of which there is exactly one."""
    if config.source.kinesis is not None:
        return KinesisChanges(config.source.kinesis)
    assert config.source.dynamodb_stream is not None  # noqa: S101  (checked with the configuration)
    return TableChanges(config.source.dynamodb_stream)


class KinesisChanges:
    """A Kinesis stream that has the changes of one or many tables.

    Args:
        settings: `source.kinesis`.
        clock: Seconds since 1970.
    """

    def __init__(self, settings: KinesisSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._stream = Stream.from_config(settings, ChangeSplitter())

    @property
    def key_of_data_loss(self) -> str | None:
        """That of a Kinesis stream."""
        return "source.kinesis" if self._settings.fail_on_data_loss else None

    def check(self) -> None:
        """Ask for the stream's shards, and for its consumer with fan_out, which is registered if it is missing."""
        kinesis.stream_client(self._stream).check()

    def first(self, noted: NotedMoment | None) -> Position:
        """Return the configured start, or the noted moment if that is earlier."""
        start = StartAt(self._settings.starting_position, self._settings.timestamp)
        now_ms = round(self._clock() * 1000)
        if noted is not None:
            self._check_retention(noted, now_ms)
            start = _earlier(start, noted)
        return kinesis.start(self._stream, start, now_ms)

    def check_position(self, position: Position) -> None:
        """Compare the stream's name."""
        self._stream.check(position)

    def open_reader(self, spark: SparkSession, position: Position) -> BatchReader[Batch]:
        """Return the reader of the stream."""
        return StreamReader(spark, self._stream, position)

    def _check_retention(self, noted: NotedMoment, now_ms: int) -> None:
        kept_ms = kinesis.stream_client(self._stream).retention_ms()
        _check_held(
            f"stream '{self._stream.name}'",
            *(noted, now_ms, kept_ms),
            key=self.key_of_data_loss,
        )


def _earlier(start: StartAt, noted: NotedMoment) -> StartAt:
    """Return the noted moment, unless tables that have none are to begin before it."""
    at = datetime.fromtimestamp(noted.us // _US_PER_MS / 1000, UTC)
    wanted = start.timestamp if start.starting_position == "AT_TIMESTAMP" else None
    begins_before = start.starting_position == "TRIM_HORIZON" or (wanted is not None and wanted < at)
    return start if begins_before and not noted.is_of_all else StartAt("AT_TIMESTAMP", at)


class TableChanges:
    """A table's own stream.

    Args:
        settings: `source.dynamodb_stream`.
        clock: Seconds since 1970.
    """

    def __init__(self, settings: TableStreamSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        # Started at its tip by `first`: a position can't name the tip of a shard that has given nothing yet.
        self._begun: TableStream | None = None

    @property
    def key_of_data_loss(self) -> str | None:
        """That of a table's own stream."""
        return "source.dynamodb_stream" if self._settings.fail_on_data_loss else None

    def check(self) -> None:
        """Ask for the table and its stream."""
        self._begin(at_tip=False)

    def first(self, noted: NotedMoment | None) -> Position:
        """Return the stream's beginning, or its tip; the beginning if a backfill has noted a moment."""
        if noted is not None:
            _check_held(
                f"stream of table '{self._settings.table_name}'",
                *(noted, round(self._clock() * 1000), RETENTION_MS),
                key=self.key_of_data_loss,
            )
        self._begun = self._begin(at_tip=self._settings.starting_position == "LATEST" and noted is None)
        return self._begun.position

    def check_position(self, position: Position) -> None:
        """Compare the table's name."""
        found = position.stream.partition(":table/")[2].partition("/")[0]
        if found != self._settings.table_name:
            message = (
                f"stream of table '{self._settings.table_name}': the journal's position is of '{position.stream}'. Set "
                "source.dynamodb_stream back to that one, or journal.base_path to another journal."
            )
            raise SourceError(message)

    def open_reader(self, spark: SparkSession, position: Position) -> BatchReader[Batch]:
        """Return the reader of the stream."""
        begun, self._begun = self._begun, None
        return TableStreamReader(
            spark,
            lambda: TableStreamBatches(
                self._open,
                position,
                fail_on_data_loss=self._settings.fail_on_data_loss,
                begun=begun if begun is not None and begun.position == position else None,
                clock=self._clock,
            ),
        )

    def _begin(self, *, at_tip: bool) -> TableStream:
        stream = self._open()
        try:
            if at_tip:
                stream.start_at_tip()
            else:
                stream.start_at_trim_horizon()
        except StreamLostError as lost:
            # It was there when the table was asked for it.
            raise SourceError(str(lost), retryable=True) from lost
        return stream

    def _open(self) -> TableStream:
        return open_stream(self._settings, self._clock)


def open_stream(settings: TableStreamSettings, clock: Callable[[], float] = time.time) -> TableStream:
    """Return the table's own stream, which is yet to be started somewhere.

    Raises:
        SourceError: The table or its stream is missing, denied or unreachable, or doesn't have both images.
    """
    place = (settings.region, settings.role_arn)
    tables, streams = aws_client("dynamodb", *place), aws_client("dynamodbstreams", *place)
    return open_table_stream(tables, streams, settings.table_name, clock=clock)


class TableStreamReader:
    """A `BatchReader` of a table's stream: fetches the next batch while this one is processed.

    Invariant: one thread at a time reads, the background one: what is fetched ahead is the next batch, whatever the
    limits have become.

    Args:
        spark: The session.
        open_batches: Opens the stream where the reader is to begin.
    """

    def __init__(self, spark: SparkSession, open_batches: Callable[[], TableStreamBatches]) -> None:
        self._spark = spark
        self._batches = open_batches()
        self._ahead: Future[TableBatch] | None = None
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")
        self.caught_up = False

    def next(self, limits: BatchLimits) -> Batch:
        """Return the next batch; one without records when there are none."""
        ahead, self._ahead = self._ahead, None
        read = (ahead or self._background.submit(self._batches.read, limits)).result()
        self.caught_up = read.at_tip
        return Batch(
            batch_id=batch_id_of(read.ranges),
            records=frame_of(self._spark, read.records),
            position=read.position,
            ranges=read.ranges,
            fetch_seconds=read.seconds,
            arrivals=Arrivals.of_times(read.records["approximate_arrival_timestamp"]),
        )

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch in the background."""
        self._ahead = self._background.submit(self._batches.read, limits)

    def close(self) -> None:
        """Let go of the background thread; what it still fetches is not used."""
        self._background.shutdown(wait=False, cancel_futures=True)


def _check_held(where: str, noted: NotedMoment, now_ms: int, kept_ms: int, *, key: str | None) -> None:
    """Raise, or with no key warn, if changes since the noted moment may be gone."""
    if now_ms - noted.us // _US_PER_MS <= kept_ms:
        return
    at = datetime.fromtimestamp(noted.us // 1_000_000, UTC).isoformat()
    message = (
        f"{where}: a backfill of a table noted {at}, longer ago than the {kept_ms / 3_600_000:g} h for which the "
        "stream keeps changes; those between are gone. Repeat the backfill"
    )
    if key is None:
        log.warning("%s to get what they left behind; going on without them", message)
        return
    message = f"{message}, or set {key}.fail_on_data_loss: false to go on without them."
    raise DataLossError(message)
