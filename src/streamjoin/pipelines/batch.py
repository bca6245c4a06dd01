"""One micro-batch, as every job's `process_batch` takes it."""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from streamjoin.sources.position import Position, ShardRange


@dataclass(frozen=True)
class Batch:
    """The records of one micro-batch, fixed by their ranges.

    Args:
        batch_id: Names the batch in log and commit.
        records: Columns as `schema.RECORD_SCHEMA`; reading it again gives the same records.
        position: Where the next batch starts; None for a frame that isn't from a stream (Glue's `forEachBatch`).
        ranges: What was read of each shard.
        fetch_seconds: How long that took.
    """

    batch_id: str
    records: DataFrame
    position: Position | None = None
    ranges: tuple[ShardRange, ...] = ()
    fetch_seconds: float = 0.0
