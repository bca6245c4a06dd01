"""Glue's own Kinesis source, as a table of the catalog describes the stream, for the batches of an enrichment."""

from datetime import UTC
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.foreach_batch import QueryBatches
from streamjoin.errors import ConfigError
from streamjoin.spark.frames import quoted

# Its name if `addRecordTimestamp` is true (Glue 4.0 and later).
# Source: AWS Glue's API, KinesisStreamingSourceOptions.
_ARRIVED: Final = "__src_timestamp"


def run(config: EnrichConfig, glue: Any, checkpoint: str) -> None:
    """Run the job of `config` on Glue's source until Glue ends it: a batch every `trigger.interval_seconds`.

    Of the configuration, `payload.schema.glue_catalog` names the table that describes stream and fields, and
    `source.kinesis` says where Glue begins without a checkpoint, with which role, and what it does about lost records.

    Delivery: as `QueryBatches`. Glue starts a query that failed again, three times, from its checkpoint.

    Args:
        config: A checked configuration.
        glue: Glue's own `GlueContext`.
        checkpoint: Where Glue keeps its checkpoint.

    Raises:
        ConfigError: The configuration asks for what Glue's source can't do.
        StreamJoinError: As `QueryBatches`.
    """
    kinesis, schema = config.source.kinesis, config.payload.schema_
    problems = []
    if isinstance(schema, pa.Schema):
        problems.append(
            "payload.schema: found columns; expected glue_catalog, the table that describes the stream to Glue"
        )
    if config.payload.format != "json":
        problems.append(f"payload.format: found {config.payload.format}; expected json, which Glue's source gives")
    if kinesis.fan_out is not None:
        problems.append("source.kinesis.fan_out: found a consumer, which Glue's source does not take; leave it out")
    if problems or isinstance(schema, pa.Schema):
        raise ConfigError(problems, config.name)
    begin: str = kinesis.starting_position
    if kinesis.timestamp is not None:
        begin = f"{kinesis.timestamp.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    role = {"awsSTSRoleARN": kinesis.role_arn, "awsSTSSessionName": config.name} if kinesis.role_arn else {}
    # First of all: what is wrong with the job is said before Glue asks for the stream.
    batches = QueryBatches(config)
    frame = glue.create_data_frame.from_catalog(
        database=schema.glue_catalog.database,
        table_name=schema.glue_catalog.table,
        transformation_ctx="records",
        additional_options={
            "startingPosition": begin,
            # The text of each record as it is, not what a parser made of it: a bad one is a dead letter, not a null.
            "inferSchema": "true",
            "addRecordTimestamp": "true",
            "failOnDataLoss": str(kinesis.fail_on_data_loss).lower(),
            **role,
        },
    )
    glue.forEachBatch(
        frame=frame,
        batch_function=lambda batch, number: batches(with_payload(batch), number),
        options={"windowSize": f"{config.trigger.interval_seconds:g} seconds", "checkpointLocation": checkpoint},
    )


def with_payload(frame: DataFrame) -> DataFrame:
    """Return a batch of Glue's with its payloads.

    Columns in: one string column with each record's text, however it is called; or the fields of the catalog's table,
        which become the text of a JSON object. `__src_timestamp`, if it is there.
    Columns out: `data`, `__src_timestamp`.
    """
    fields = [field for field in frame.schema.fields if field.name != _ARRIVED]
    columns = [F.col(quoted(field.name)) for field in fields]
    is_text = len(fields) == 1 and isinstance(fields[0].dataType, T.StringType)
    data = columns[0] if is_text else F.to_json(F.struct(*columns))
    arrived = [_ARRIVED] if _ARRIVED in frame.columns else []
    return frame.select(data.alias("data"), *arrived)
