"""One micro-batch, as every job's `process_batch` takes it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import DataFrame

from streamjoin.errors import SourceError
from streamjoin.shards.arrivals import Arrivals
from streamjoin.shards.position import Position, ShardRange
from streamjoin.spark.frames import tasks_for

# How far each shard had been read, and when, is committed now and then without records too: after a pause longer than
# the stream's retention it tells an idle shard from a trimmed one.
_IDLE_COMMIT_SECONDS = 3600.0


@dataclass(frozen=True)
class Batch:
    """The records of one micro-batch, fixed by their ranges.

    Args:
        batch_id: Names the batch in log and commit.
        records: Columns as `schema.RECORD_SCHEMA`; reading it again gives the same records.
        position: Where the next batch starts; None for a frame of a notebook.
        ranges: What was read of each shard.
        fetch_seconds: How long that took.
        table: The same records, if the driver has them.
        arrivals: When they had arrived; None if that isn't known.
        is_split: Whether records with several events have been taken apart; else decoding does it, and the one range
            of the batch gets its number of records from there.
    """

    batch_id: str
    records: DataFrame
    position: Position | None = None
    ranges: tuple[ShardRange, ...] = ()
    fetch_seconds: float = 0.0
    table: pa.Table | None = None
    arrivals: Arrivals | None = None
    is_split: bool = True

    @property
    def count(self) -> int:
        """How many records were read."""
        return sum(r.records for r in self.ranges)

    @property
    def empty(self) -> int:
        """How many records beside them hold no event."""
        return sum(r.empty for r in self.ranges)

    def counted(self, read: int) -> "Batch":
        """Return the batch with the number of records in its one range, if they are taken apart by decoding."""
        return self if self.is_split else replace(self, ranges=tuple(replace(r, records=read) for r in self.ranges))

    def is_due(self, idle_seconds: float) -> bool:
        """Tell whether the batch is to be committed: it is past a record, or has shards to report, or it is time."""
        # A shard's end must be in a commit too, or the next commit's position doesn't follow from its ranges.
        is_told = any(r.lost or r.drained or r.last is not None for r in self.ranges)
        return is_told or idle_seconds > _IDLE_COMMIT_SECONDS


def batch_id_of(ranges: Iterable[ShardRange]) -> str:
    """Return a name that the same records always get, so that a batch that was repeated is seen to be one."""
    text = "|".join(f"{r.shard_id}:{r.first}:{r.last}" for r in ranges)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def follow_size(batch: Batch) -> int:
    """Let Spark's shuffles follow the size of the batch, not the default of 200; return how many tasks they get."""
    spark = batch.records.sparkSession
    known = batch.position is not None
    tasks = tasks_for(spark, batch.count) if known else spark.sparkContext.defaultParallelism
    spark.conf.set("spark.sql.shuffle.partitions", tasks)
    return tasks


def check_complete(batch: Batch, read: int) -> None:
    """Stop before the commit when rows came up short of, or beyond, what the commit would say was read."""
    if batch.position is not None and batch.is_split and read != batch.count:
        message = (
            f"batch '{batch.batch_id}': {batch.count} records were read from the stream, {read} arrived in the "
            "batch; nothing was committed, the batch is read again"
        )
        raise SourceError(message, retryable=True)
