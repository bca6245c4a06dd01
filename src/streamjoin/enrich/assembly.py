"""From a configuration to the parts of a running job."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeAlias

import pyarrow as pa
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.aws.storage import is_s3
from streamjoin.config.catalog_stages import entry_settings
from streamjoin.config.stages import DynamoDbSettings, ReferenceSettings, RefreshSettings
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.dynamodb.table import TableClient, TableDescription
from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.enrich import EnrichConfig, PayloadSettings
from streamjoin.enrich.config.rewriting import rewriting_plan
from streamjoin.enrich.config.versions import version_columns
from streamjoin.enrich.deletes import TOMBSTONE_HOURS, Deletion
from streamjoin.enrich.job import AnyReference, EnrichJob
from streamjoin.enrich.judging import check_delete_when, check_formats
from streamjoin.enrich.order import ORDERING_COLUMN
from streamjoin.errors import ConfigError
from streamjoin.hudi import write as hudi
from streamjoin.hudi.conflict import as_made, conflicts
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import Stream
from streamjoin.letters.table import DeadLetters
from streamjoin.records.decoder import PayloadFormat
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, Uses
from streamjoin.reference.followed.reference import Reference, own_feed
from streamjoin.reference.lookup.keys import SNAPSHOT_ITEMS, looks_up
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.reference.table import describe, unusable
from streamjoin.schema.columns import schema_from_glue
from streamjoin.spark.session import job_session

log = logging.getLogger(__name__)

Feeds: TypeAlias = list[tuple[tuple[DynamoDbSettings, RefreshSettings], TableFeed]]
Described: TypeAlias = Mapping[str, TableDescription]
"""Reference -> what DescribeTable says of its table."""


def resolve_schema(config: EnrichConfig) -> pa.Schema:
    """Return the payload's schema; one of the Glue catalog is looked up, and the columns checked against it.

    Raises:
        ConfigError: The catalog's columns don't have what the configuration names.
        SchemaError: The catalog's table can't be read.
    """
    declared = config.payload.schema_
    if isinstance(declared, pa.Schema):
        return declared
    table = declared.glue_catalog
    found = schema_from_glue(aws_client("glue"), table.database, table.table)
    check_columns(config, found)
    return found


def check_services(config: EnrichConfig, stream: Stream) -> Described:
    """Ask for the stream and its consumer, and as `check_references`, before Spark starts.

    Returns:
        What the reference tables are.

    Raises:
        SourceError: The stream is missing or denied, or a reference table's.
        ReferenceTableError: A reference table is.
    """
    kinesis.stream_client(stream).check()
    return check_references(config)


def check_references(config: EnrichConfig) -> Described:
    """Ask for each reference table and what follows it.

    Returns:
        What the tables are.

    Raises:
        SourceError: A table's stream is missing or denied.
        ReferenceTableError: A table is.
    """
    described = {}
    for reference in config.references:
        table = reference.dynamodb
        description = described[reference.name] = describe(
            aws_client("dynamodb", table.region, table.role_arn), table.table_name
        )
        is_followed = reference.mode == "snapshot" and reference.refresh.follow == "changes"
        if is_followed and description.stream_arn is not None and unusable(description) is None:
            streams = aws_client("dynamodbstreams", table.region, table.role_arn)
            TableStream(streams, description.stream_arn, table_name=table.table_name).start_at_tip()
    return described


def assemble(
    config: EnrichConfig,
    schema: pa.Schema,
    spark: SparkSession,
    described: Described | None = None,
    *,
    remembers_all: bool = False,
) -> EnrichJob:
    """Return the job of `config`; nothing is read or written yet.

    Args:
        config: A checked configuration.
        schema: The events' columns.
        spark: The session.
        described: What is known of the references' tables; with `mode: auto` the others are asked for.
        remembers_all: Whether deleted rows are remembered however long ago it was, as a redrive needs it.

    Raises:
        ReferenceTableError: With `mode: auto`: the table can't be described.
    """
    settings = config.sink.hudi
    dead_letters = _dead_letters(config)
    return EnrichJob(
        name=config.name,
        schema=schema,
        references=references_of(config.references, spark, described, _uses(config, schema)),
        output=config.output,
        ordering=settings.ordering,
        partition_by=tuple(PartitionColumn(p.name, p.from_, p.format, p.zone) for p in settings.partition_by),
        table=hudi_table(config),
        dead_letters=dead_letters,
        version_columns=version_columns(config),
        deletion=_deletion(config, spark, dead_letters, remembers_all=remembers_all),
        rewriting=rewriting_plan(config),
        payload=payload_format(config.payload),
    )


def _dead_letters(config: EnrichConfig) -> DeadLetters:
    hudi_settings = config.sink.hudi
    owner = (config.name, hudi_settings.base_path)
    return DeadLetters.of(config.dead_letters, hudi_settings.table_name, owner)


def hudi_table(config: EnrichConfig) -> hudi.HudiTable:
    """Return the table that rows go to, with the index that it was made with if it is there.

    Raises:
        SinkError: What is there can't be read.
    """
    settings = config.sink.hudi
    table = hudi.HudiTable(
        base_path=settings.base_path,
        table_name=settings.table_name,
        database=settings.database,
        record_key=tuple(settings.record_key),
        ordering=ORDERING_COLUMN,
        partition_by=tuple(p.name for p in settings.partition_by),
        table_type=settings.table_type,
        options=settings.options,
        is_fixed=settings.partitions == "fixed",
        expected_rows=settings.expected_rows,
        served_by=settings.table_services,
        glue=entry_settings(settings.catalog, settings.glue),
    )
    return as_made(table)


def references_of(
    configured: Sequence[ReferenceSettings],
    spark: SparkSession,
    described: Described | None = None,
    uses: Uses = NOTHING_KNOWN,
) -> tuple[AnyReference, ...]:
    """Return the references in the order of the configuration; no item is read yet.

    References that read one table in one way share its feed.

    Args:
        configured: Their settings.
        spark: The session.
        described: What is known of their tables.
        uses: What the job does with their columns.

    Raises:
        ReferenceTableError: With `mode: auto`: the table can't be described.
    """
    feeds: Feeds = []
    known = described or {}
    return tuple(_reference(settings, spark, feeds, known.get(settings.name), uses) for settings in configured)


def _uses(config: EnrichConfig, schema: pa.Schema) -> Uses:
    settings = config.sink.hudi
    columns = {
        *settings.record_key,
        *(column for reference in config.references for column in reference.on),
        *(partition.from_ or partition.name for partition in settings.partition_by),
        *([settings.ordering.column] if settings.ordering else []),
    }
    return Uses({field.name: field.type for field in schema}, frozenset(columns))


def _reference(
    settings: ReferenceSettings, spark: SparkSession, feeds: Feeds, described: TableDescription | None, uses: Uses
) -> AnyReference:
    table = settings.dynamodb
    client: TableClient = aws_client("dynamodb", table.region, table.role_arn)
    if _looks_up(settings, client, described):
        return LookupReference(settings, client=client, spark=spark, uses=uses)
    # How stale each may get is its own affair; all else decides how the table is read.
    read = (table, settings.refresh.model_copy(update={"max_staleness_seconds": 0}))
    feed = next((each for known, each in feeds if known == read), None)
    if feed is None:
        feed = own_feed(settings, client)
        feeds.append((read, feed))
    return Reference(settings, client=client, spark=spark, feed=feed, uses=uses)


def _looks_up(settings: ReferenceSettings, client: TableClient, described: TableDescription | None) -> bool:
    if settings.mode != "auto":
        return settings.mode == "lookup"
    table = settings.dynamodb
    description = described or describe(client, table.table_name)
    found = looks_up(settings, description)
    if description.items > SNAPSHOT_ITEMS and settings.on_change != "rewrite_rows":
        log.info(
            "reference '%s': table '%s' has %d items; mode auto takes %s",
            *(settings.name, table.table_name, description.items, "lookup" if found else "snapshot"),
        )
    return found


def _deletion(
    config: EnrichConfig, spark: SparkSession, dead_letters: DeadLetters, *, remembers_all: bool
) -> Deletion | None:
    settings = config.sink.hudi
    if settings.delete_when is None:
        return None
    tombstones = Tombstones(
        settings.base_path,
        settings.tombstone_hours or TOMBSTONE_HOURS,
        needed_since_us=partial(dead_letters.oldest_arrival_us, spark),
        whole=remembers_all,
    )
    return Deletion(settings.delete_when, tuple(settings.record_key), tombstones)


def payload_format(payload: PayloadSettings) -> PayloadFormat:
    """Return what `payload` says of a record's data, but for its columns."""
    return PayloadFormat(
        name=payload.format,
        delimiter=payload.delimiter or ",",
        null_text=payload.null_text or "",
        avro_schema=payload.schema_file.schema if payload.schema_file else None,
        avro_writer_schemas=tuple(file.schema for file in payload.writer_schema_files),
        max_unpacked_bytes=payload.max_unpacked_bytes,
        records=payload.records,
        path=payload.path,
    )


def prepare(
    config: EnrichConfig, schema: pa.Schema, described: Described | None = None, *, remembers_all: bool = False
) -> tuple[EnrichJob, SparkSession]:
    """Return the job of `config`, as `assemble`, and the session that it runs in; nothing is read or written yet.

    Raises:
        ConfigError: A table that is there was made with other settings, or Spark doesn't take a pattern or an
            expression.
        SinkError: What is there can't be read.
    """
    if found := [*conflicts(hudi_table(config)), *_dead_letters(config).conflicts()]:
        raise ConfigError(found, where=config.name)
    spark = job_session(config.name, s3=is_s3(config.sink.hudi.base_path) or is_s3(config.dead_letters.base_path))
    check_formats(config, schema, spark)
    check_delete_when(config, schema, spark)
    return assemble(config, schema, spark, described, remembers_all=remembers_all), spark
