"""The pipeline's steps with the arguments that a notebook has at hand."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from streamjoin.aws.clients import aws_client
from streamjoin.config.stages import ReferenceSettings
from streamjoin.enrich.order import ORDERING_COLUMN
from streamjoin.history.set_position import StartAt
from streamjoin.hudi import write as hudi
from streamjoin.hudi.conflict import as_made
from streamjoin.kinesis import stream as kinesis
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.spark.frames import frame_of
from streamjoin.spark.schema import declared


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
    settings = StartAt("TRIM_HORIZON") if since is None else StartAt("AT_TIMESTAMP", since.astimezone())
    position = kinesis.start(stream, settings, int(time.time() * 1000))
    plan = kinesis.plan(stream, position, kinesis.BatchLimits(max_records, 256 * 1024 * 1024))
    return frame_of(spark, kinesis.fetch(plan).table)


def load_reference(  # noqa: PLR0913  (a notebook's one call; all but the first four have defaults)
    spark: SparkSession,
    table_name: str,
    on: str | Mapping[str, str],
    columns: Sequence[str] | Mapping[str, str],
    *,
    schema: str | pa.Schema | StructType | None = None,
    on_duplicate: Literal["first", "fail"] = "first",
    name: str | None = None,
    region: str | None = None,
    role_arn: str | None = None,
    scan_segments: int | None = None,
) -> Snapshot:
    """Read a DynamoDB table once, as one row a join key.

    Columns out: of `frame`, the output columns and the join attributes.

    Args:
        spark: Where the frame lives.
        table_name: Name of the table.
        on: Event column -> attribute; one name if both are called the same.
        columns: Attributes that events get, or attribute -> output column.
        schema: Types of the attributes, as DDL text, Arrow's schema or Spark's. Default: inferred.
        on_duplicate: Of several items with one join key take that with the lowest primary key, or fail.
        name: Name in logs and errors. Default: the table's.
        region: Default: the SDK's.
        role_arn: A role to assume, for a table of another account.
        scan_segments: How many parts are read at the same time. Default: by the table's size.

    Raises:
        ReferenceTableError: The table can't be read, or has duplicates that are not allowed.
        SchemaError: `schema` lacks an attribute, or a join attribute's type can't be compared.
        ValidationError: An argument isn't what a configuration may have in its place (pydantic's).
    """
    dynamodb = {"table_name": table_name, "region": region, "role_arn": role_arn, "scan_segments": scan_segments}
    settings = ReferenceSettings.model_validate(
        {
            "name": name or table_name,
            "dynamodb": dynamodb,
            "on": {on: on} if isinstance(on, str) else dict(on),
            "columns": dict(columns) if isinstance(columns, Mapping) else list(columns),
            "on_duplicate": on_duplicate,
            "schema": schema if schema is None or isinstance(schema, str) else declared(schema),
            # Read once: there is nothing to follow.
            "refresh": {"follow": "scan"},
        }
    )
    return Reference(settings, client=aws_client("dynamodb", region, role_arn), spark=spark).current()


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
    hudi.upsert(rows, as_made(table), commit_metadata={})
