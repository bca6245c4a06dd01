"""From a configuration to the parts of a running job."""

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.aws.clients import aws_client
from streamjoin.aws.storage import is_s3
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.enrich import EnrichConfig, PayloadSettings
from streamjoin.enrich.config.rewriting import rewriting_plan
from streamjoin.enrich.config.versions import version_columns
from streamjoin.enrich.job import EnrichJob, Ordering, Output
from streamjoin.enrich.order import ORDERING_COLUMN
from streamjoin.enrich.references import references_of
from streamjoin.errors import ConfigError
from streamjoin.hudi import write as hudi
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import Stream
from streamjoin.letters.table import DeadLetters
from streamjoin.records.decoder import PayloadFormat
from streamjoin.reference.followed.changes import unusable
from streamjoin.reference.table import describe
from streamjoin.schema.columns import schema_from_glue
from streamjoin.spark.session import job_session


def resolve_schema(config: EnrichConfig) -> T.StructType:
    """Return the payload's schema; one of the Glue catalog is looked up, and the columns checked against it.

    Raises:
        ConfigError: The catalog's columns don't have what the configuration names.
        SchemaError: The catalog's table can't be read.
    """
    declared = config.payload.schema_
    if isinstance(declared, T.StructType):
        return declared
    table = declared.glue_catalog
    found = schema_from_glue(aws_client("glue"), table.database, table.table)
    check_columns(config, found)
    return found


def check_services(config: EnrichConfig, stream: Stream) -> None:
    """Ask for the stream, and for each reference table and what follows it, before Spark takes its seconds to start.

    Raises:
        SourceError: The stream is missing or denied, or a reference table's.
        ReferenceTableError: A reference table is.
    """
    kinesis.stream_client(stream).shards()
    for reference in config.references:
        table = reference.dynamodb
        description = describe(aws_client("dynamodb", table.region, table.role_arn), table.table_name)
        is_followed = reference.mode == "snapshot" and reference.refresh.follow == "changes"
        if is_followed and description.stream_arn is not None and unusable(description) is None:
            streams = aws_client("dynamodbstreams", table.region, table.role_arn)
            TableStream(streams, description.stream_arn, table_name=table.table_name).start_at_tip()


def assemble(config: EnrichConfig, schema: T.StructType, spark: SparkSession) -> EnrichJob:
    """Return the job of `config`; nothing is read or written yet."""
    settings = config.sink.hudi
    return EnrichJob(
        name=config.name,
        schema=schema,
        references=references_of(config.references, spark),
        output=Output(derive=config.output.derive, drop=config.output.drop, select=config.output.select),
        ordering=Ordering(settings.ordering.column, settings.ordering.format) if settings.ordering else Ordering(),
        partition_by=tuple(PartitionColumn(p.name, p.from_, p.format, p.zone) for p in settings.partition_by),
        table=hudi.HudiTable(
            base_path=settings.base_path,
            table_name=settings.table_name,
            database=settings.database,
            record_key=tuple(settings.record_key),
            ordering=ORDERING_COLUMN,
            partition_by=tuple(p.name for p in settings.partition_by),
            table_type=settings.table_type,
            options=settings.options,
        ),
        dead_letters=DeadLetters(config.dead_letters.base_path, f"{settings.table_name}_dead_letters"),
        version_columns=version_columns(config),
        rewriting=rewriting_plan(config),
        payload=_payload_format(config.payload),
    )


def _payload_format(payload: PayloadSettings) -> PayloadFormat:
    return PayloadFormat(
        name=payload.format,
        delimiter=payload.delimiter or ",",
        null_text=payload.null_text or "",
        avro_schema=payload.schema_file.schema if payload.schema_file else None,
        avro_writer_schemas=tuple(file.schema for file in payload.writer_schema_files),
        max_unpacked_bytes=payload.max_unpacked_bytes,
    )


def prepare(config: EnrichConfig, schema: T.StructType) -> tuple[EnrichJob, SparkSession]:
    """Return the job of `config` and the session that it runs in; nothing is read or written yet.

    Raises:
        ConfigError: Spark doesn't take a pattern.
    """
    spark = job_session(config.name, s3=is_s3(config.sink.hudi.base_path) or is_s3(config.dead_letters.base_path))
    check_formats(config, spark)
    return assemble(config, schema, spark), spark


def check_formats(config: EnrichConfig, spark: SparkSession) -> None:
    """Let Spark judge the patterns that only it can.

    Raises:
        ConfigError: Names each pattern that Spark doesn't take.
    """
    settings = config.sink.hudi
    patterns = {f"sink.hudi.partition_by[{i}].format": p.format for i, p in enumerate(settings.partition_by)}
    if settings.ordering is not None:
        patterns["sink.hudi.ordering.format"] = settings.ordering.format
    problems = []
    for key, pattern in patterns.items():
        if pattern is None:
            continue
        try:
            spark.range(1).select(F.date_format(F.current_timestamp(), pattern)).collect()
        except PySparkException as error:
            problems.append(f"{key}: {pattern!r} is no datetime pattern of Spark: {hudi.root_cause(error)}")
    if problems:
        raise ConfigError(problems, where=config.name)
