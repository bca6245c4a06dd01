"""Which actions of which services a job needs, on what: docs/glue.md and docs/replicate.md as code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamjoin.aws.errors import SDK_ERRORS
from streamjoin.aws.storage import bucket_and_key, is_s3
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.capture.config.capture import CaptureConfig, TableStreamSettings
from streamjoin.config.catalog_stages import CatalogTable, entry_names
from streamjoin.config.schema_forms import GlueCatalogSchema
from streamjoin.config.stages import DynamoDbSettings, KinesisSettings, ReferenceSettings
from streamjoin.doctor.context import Context
from streamjoin.doctor.places import base_paths
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import entered_tables
from streamjoin.kinesis.plan import Stream
from streamjoin.replicate.config import ReplicateConfig

_READ_STREAM: Final = (
    "kinesis:ListShards",
    "kinesis:GetShardIterator",
    "kinesis:GetRecords",
    "kinesis:DescribeStreamSummary",
)
_FAN_OUT: Final = ("kinesis:DescribeStreamConsumer", "kinesis:RegisterStreamConsumer")
_READ_TABLE_STREAM: Final = ("dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords")
_OBJECTS: Final = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
_ENTRIES: Final = (
    *("glue:GetTable", "glue:CreateTable", "glue:UpdateTable", "glue:GetPartitions", "glue:BatchGetPartition"),
    *("glue:BatchCreatePartition", "glue:BatchUpdatePartition"),
)
_CONTROL: Final = ("dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem")
# A replication writes its dead letters, and neither lists nor deletes any.
_LETTERS_ALONE: Final = ("s3:PutObject",)


# A pattern of a policy matches names, and no other pattern: so each is asked for as the service would name it.
_SIX_LETTERS: Final = "AbCdEf"
_CONSUMER_ENDING: Final = "1700000000"
_STREAM_LABEL: Final = "2026-01-01T00:00:00.000"


@dataclass(frozen=True)
class Need:
    """Actions on the same resources, for one role.

    Args:
        what: What it is for.
        actions: Such as `kinesis:GetRecords`.
        resources: Their ARNs.
        role_arn: The role that the job assumes for it; None: its own.
    """

    what: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    role_arn: str | None = None


def needs(context: Context, *, partition: str, account: str) -> Iterator[Need]:
    """Yield what the job of a configuration needs.

    Args:
        context: The job.
        partition: Such as `aws`, as ARNs begin.
        account: The account of what no ARN says otherwise.
    """
    config = context.config
    roles, listed = list[str](), set[str]()
    for need in _of_job(context, partition, account):
        yield need
        if need.role_arn is not None and need.role_arn not in roles:
            roles.append(need.role_arn)
    for role in roles:
        yield Need(f"assuming {role.rpartition('/')[2]}", ("sts:AssumeRole",), (role,))
    if isinstance(config, EnrichConfig) and isinstance(config.payload.schema_, GlueCatalogSchema):
        table = config.payload.schema_.glue_catalog
        arns = _glue_arns(context, partition, account, None, table.database, (table.table,))
        yield Need("payload.schema of the catalog", ("glue:GetTable",), arns)
    if not isinstance(config, ReplicateConfig):
        for entry in entered_tables(config):
            place = (context, partition, entry.glue.catalog_id or account, entry.glue.region)
            arns = _glue_arns(*place, entry.database, _entries(config, entry))
            yield Need(f"catalog entry {entry}", _ENTRIES, arns, entry.glue.role_arn)
    for path in dict.fromkeys(path for _, path in base_paths(context) if is_s3(path)):
        bucket, key = bucket_and_key(path)
        arn = f"arn:{partition}:s3:::{bucket}"
        is_lake = not isinstance(config, ReplicateConfig)
        if is_lake and bucket not in listed:
            yield Need(f"listing bucket '{bucket}'", ("s3:ListBucket",), (arn,))
        listed.add(bucket)
        actions = _OBJECTS if is_lake else _LETTERS_ALONE
        yield Need(f"objects below {path}", actions, (f"{arn}/{f'{key}/' if key else ''}*",))


def _of_job(context: Context, partition: str, account: str) -> Iterator[Need]:
    config = context.config
    if isinstance(config, EnrichConfig):
        yield from _kinesis(context, config.source.kinesis, partition, account)
        for reference in config.references:
            yield from _reference(context, reference, partition, account)
    elif isinstance(config, CaptureConfig):
        if config.source.kinesis is not None:
            yield from _kinesis(context, config.source.kinesis, partition, account)
        if (own := config.source.dynamodb_stream) is not None:
            arn = _table_arn(context, partition, account, own.region, own.table_name)
            yield Need(f"table '{own.table_name}'", ("dynamodb:DescribeTable",), (arn,), own.role_arn)
            yield Need(
                f"stream of '{own.table_name}'", _READ_TABLE_STREAM, (_stream_arn(context, own, arn),), own.role_arn
            )
    elif isinstance(config, BackfillConfig):
        if (table := config.source.dynamodb_table) is not None:
            arn = _table_arn(context, partition, account, table.region, table.table_name)
            actions = ("dynamodb:DescribeTable", "dynamodb:Scan")
            yield Need(f"table '{table.table_name}'", actions, (arn,), table.role_arn)
        if (export := config.source.dynamodb_export) is not None and is_s3(export.path):
            bucket, key = bucket_and_key(export.path)
            arn = f"arn:{partition}:s3:::{bucket}"
            yield Need("the export", ("s3:GetObject",), (f"{arn}/{key}/*",))
            yield Need("listing the export's bucket", ("s3:ListBucket",), (arn,))
    else:
        target = config.target.dynamodb
        arn = _table_arn(context, partition, account, target.region, target.control_table)
        making = ("dynamodb:CreateTable",) if target.create_tables else ()
        yield Need(f"control table '{target.control_table}'", (*_CONTROL, *making), (arn,), target.role_arn)
        if config.source.mysql.password_secret is not None:
            secret = config.source.mysql.password_secret
            region = context.client("secretsmanager", None, None).meta.region_name
            arn = (
                secret
                if secret.startswith("arn:")
                else f"arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}-{_SIX_LETTERS}"
            )
            yield Need("the password's secret", ("secretsmanager:GetSecretValue",), (arn,))


def _kinesis(context: Context, settings: KinesisSettings, partition: str, account: str) -> Iterator[Need]:
    stream = Stream.from_config(settings)
    region = stream.region or context.client("kinesis", None, None).meta.region_name
    arn = stream.arn or f"arn:{partition}:kinesis:{region}:{account}:stream/{stream.name}"
    yield Need(f"stream '{stream.name}'", _READ_STREAM, (arn,), settings.role_arn)
    if settings.fan_out is not None:
        consumer = f"{arn}/consumer/{settings.fan_out}:{_CONSUMER_ENDING}"
        yield Need(f"consumer '{settings.fan_out}'", _FAN_OUT, (arn,), settings.role_arn)
        yield Need(
            f"subscribing as '{settings.fan_out}'", ("kinesis:SubscribeToShard",), (consumer,), settings.role_arn
        )


def _reference(context: Context, reference: ReferenceSettings, partition: str, account: str) -> Iterator[Need]:
    settings = reference.dynamodb
    arn = _table_arn(context, partition, account, settings.region, settings.table_name)
    reads = {
        "snapshot": ("dynamodb:Scan",),
        "lookup": ("dynamodb:BatchGetItem", "dynamodb:Query"),
        "auto": ("dynamodb:Scan", "dynamodb:BatchGetItem", "dynamodb:Query"),
    }[reference.mode]
    name = f"reference '{reference.name}'"
    yield Need(name, ("dynamodb:DescribeTable", *reads), (arn,), settings.role_arn)
    if settings.index_name is not None:
        yield Need(f"{name}, index", ("dynamodb:Query",), (f"{arn}/index/{settings.index_name}",), settings.role_arn)
    if reference.mode != "lookup" and reference.refresh.follow == "changes":
        yield Need(f"{name}, its stream", _READ_TABLE_STREAM, (_stream_arn(context, settings, arn),), settings.role_arn)


def _table_arn(context: Context, partition: str, account: str, region: str | None, table: str) -> str:
    region = region or context.client("dynamodb", None, None).meta.region_name
    return f"arn:{partition}:dynamodb:{region}:{account}:table/{table}"


def _stream_arn(context: Context, table: DynamoDbSettings | TableStreamSettings, arn: str) -> str:
    """Return the ARN of a table's stream, or of one that it might have."""
    try:
        client = context.client("dynamodb", table.region, table.role_arn)
        described = client.describe_table(TableName=table.table_name)["Table"]
    except SDK_ERRORS:
        described = {}
    return str(described.get("LatestStreamArn") or f"{arn}/stream/{_STREAM_LABEL}")


def _entries(config: EnrichConfig | CaptureConfig | BackfillConfig, entry: CatalogTable) -> tuple[str, ...]:
    """Return the names that a table's entries have."""
    tables = [config.sink.hudi] if isinstance(config, EnrichConfig) else [each.sink.hudi for each in config.tables]
    table_type = next((each.table_type for each in tables if each.base_path == entry.base_path), None)
    return entry_names(entry.table_name, table_type, tombstones=entry.glue.tombstones)


def _glue_arns(
    context: Context, partition: str, account: str, region: str | None, database: str, tables: tuple[str, ...]
) -> tuple[str, ...]:
    region = region or context.client("glue", None, None).meta.region_name
    root = f"arn:{partition}:glue:{region}:{account}"
    return (f"{root}:catalog", f"{root}:database/{database}", *(f"{root}:table/{database}/{each}" for each in tables))
