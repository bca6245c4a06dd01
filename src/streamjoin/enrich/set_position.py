"""Where an enrichment goes on, set by a person: a commit without rows."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from streamjoin.aws.storage import is_s3
from streamjoin.enrich.assembly import hudi_table
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.history.checkpoint import TableCommits
from streamjoin.history.set_position import Confirm, PositionSetter, Target, target_position
from streamjoin.hudi.stored import stored_rows
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.client import StreamClient
from streamjoin.kinesis.stream import Stream
from streamjoin.lock import TableLock
from streamjoin.spark.session import job_session
from streamjoin.streaming.writer import TableWriter

_HUDI_PREFIX = "_hoodie_"


def set_position(
    config: EnrichConfig,
    target: Target,
    *,
    confirm: Confirm = lambda changes: True,
    session: Callable[[], SparkSession] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    client: StreamClient | None = None,
) -> tuple[str, ...]:
    """Set where the job of `config` goes on, as `PositionSetter.set`.

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
    base_path, stream = config.sink.hudi.base_path, Stream.from_config(config.source.kinesis)

    def append(metadata: Mapping[str, str], lock: TableLock) -> None:
        spark = session() if session else job_session(config.name, s3=is_s3(base_path))
        writer = TableWriter(hudi_table(config), lock)
        writer.open()
        stored = stored_rows(spark, base_path)
        columns = [name for name in stored.columns if not name.startswith(_HUDI_PREFIX)]
        nothing = spark.createDataFrame([], stored.select(*(f"`{name}`" for name in columns)).schema)
        writer.commit(nothing, metadata)
        writer.record()

    return PositionSetter(
        config.name,
        "table",
        TableCommits(base_path),
        place=lambda before, now: target_position(before, target, stream, now, client or kinesis.stream_client(stream)),
        append=append,
    ).set(target, confirm, clock)
