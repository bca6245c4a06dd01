"""The pipeline's steps with the arguments that a notebook has at hand."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.frames import frame_of
from streamjoin.schema import RECORD_SCHEMA
from streamjoin.sinks import hudi
from streamjoin.sources import kinesis
from streamjoin.transforms.order import ORDERING_COLUMN


@dataclass(frozen=True)
class _Start:
    starting_position: Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]
    timestamp: datetime | None = None


def read_kinesis(
    spark: SparkSession,
    stream_name: str,
    *,
    since: datetime | None = None,
    max_records: int = 10_000,
    region: str | None = None,
) -> DataFrame:
    """Read one batch of a stream, from its oldest record on.

    Columns out: those of a record (`stream`, `shard_id`, `sequence_number`, …, `data`).
    Delivery: keeps no position: the next call starts at the same place.

    Args:
        spark: The session.
        stream_name: The stream.
        since: Start with the records that arrived from this time on.
        max_records: Read no more than so many, and 256 MiB.
        region: Default: the SDK's.

    Raises:
        SourceError: The stream is missing, denied or unreachable.
    """
    stream = kinesis.Stream(stream_name, region=region)
    settings = _Start("TRIM_HORIZON") if since is None else _Start("AT_TIMESTAMP", since)
    position = kinesis.start(stream, settings, int(time.time() * 1000))
    plan = kinesis.plan(stream, position, kinesis.BatchLimits(max_records, 256 * 1024 * 1024))
    return frame_of(spark, kinesis.fetch(plan).table, RECORD_SCHEMA)


def upsert(
    rows: DataFrame,
    base_path: str,
    *,
    table_name: str,
    record_key: Sequence[str],
    partition_by: Sequence[str] = (),
    table_type: Literal["COPY_ON_WRITE", "MERGE_ON_READ"] = "COPY_ON_WRITE",
    options: Mapping[str, str] | None = None,
) -> None:
    """Upsert `rows` into a Hudi table as the job does, in a commit without a position.

    Columns in: the table's; with `_ordering_us` (bigint) the greater one wins, without it the newest written.
    Delivery: one commit, or none.

    Args:
        rows: One row a record key: see `keep_latest`.
        base_path: Where the table lies: `s3://…`, `file:/…` or a local path.
        table_name: Its name.
        record_key: The columns that identify a row.
        partition_by: Partition columns.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
        options: More `hoodie.*` options.

    Raises:
        SinkError: The write failed.
    """
    if ORDERING_COLUMN not in rows.columns:
        rows = rows.withColumn(ORDERING_COLUMN, F.lit(time.time_ns() // 1000))
    table = hudi.HudiTable(
        base_path=base_path,
        table_name=table_name,
        record_key=tuple(record_key),
        ordering=ORDERING_COLUMN,
        partition_by=tuple(partition_by),
        table_type=table_type,
        options=options or {},
    )
    hudi.upsert(rows, table, commit_metadata={})
