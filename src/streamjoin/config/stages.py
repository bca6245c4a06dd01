"""The configuration of `job: enrich`: one model a stage, in the order of the data path.

Each model checks its own values only; what spans several keys is in `checks`. So `parse_config` is the way in.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema
from pyspark.sql.types import StructType

from streamjoin.config.hudi_options import HudiOptionName
from streamjoin.config.schema_forms import GlueCatalogSchema, SchemaForms, Stage
from streamjoin.config.values import (
    AttributeColumns,
    Choice,
    ColumnName,
    ColumnNames,
    Count,
    FormattingPattern,
    Matching,
    Moment,
    NotYet,
    OptionValue,
    ParsingPattern,
    Path,
    Seconds,
    SecondsOrZero,
    SizeBytes,
    Text,
    Zone,
)

JOBS_NOT_YET: Final = ("capture", "backfill", "replicate")

JobName = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits, and _ . - after the first of them")]
Region = Annotated[str, Matching(r"[a-z]{2,}(-[a-z]+)+-[0-9]", "a region such as us-east-1")]
RoleArn = Annotated[str, Matching(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+", "arn:aws:iam::<account>:role/<name>")]
StreamName = Annotated[str, Matching(r"[A-Za-z0-9_.-]{1,128}", "1 to 128 letters, digits and _ . -")]
StreamArn = Annotated[
    str,
    Matching(
        r"arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}",
        "arn:aws:kinesis:<region>:<account>:stream/<name>",
    ),
]
TableName = Annotated[str, Matching(r"[A-Za-z0-9_.-]{3,255}", "3 to 255 letters, digits and _ . -")]
CatalogName = Annotated[str, Matching(r"[a-z0-9_]+", "lower-case letters, digits and _ (what Athena can name)")]


class KinesisSettings(Stage):
    """The stream that events come from; give stream_name or stream_arn."""

    stream_name: StreamName | None = None
    """Name of the stream, in this account."""
    stream_arn: StreamArn | None = None
    """ARN of the stream, instead of its name."""
    region: Region | None = None
    """Region of the stream. Default: that of the ARN, else the SDK's."""
    starting_position: Annotated[
        Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"],
        Choice(
            TRIM_HORIZON="From the oldest record that the stream still has.",
            LATEST="From the records that arrive after the first start.",
            AT_TIMESTAMP="From the records that arrived at `timestamp` or later.",
        ),
    ] = "TRIM_HORIZON"
    """Where the first start begins; later starts go on where the table's last commit ended."""
    timestamp: Moment | None = None
    """Time for AT_TIMESTAMP, in ISO 8601; UTC where it names no zone."""
    fail_on_data_loss: bool = True
    """Whether to stop when the stream no longer has the records that come next; false goes on and records the gap."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a stream of another account."""
    fan_out: NotYet = None
    """Name of an enhanced fan-out consumer. Not supported yet: leave it out."""


class SourceSettings(Stage):
    """Where events come from."""

    kinesis: KinesisSettings
    """A stream of Kinesis Data Streams."""


class PayloadSettings(Stage):
    """What a record's data is."""

    format: Annotated[Literal["json"], Choice("csv", "avro", json="One JSON object a record.")] = "json"
    """Format of the payload."""
    schema_: Annotated[StructType | GlueCatalogSchema, SchemaForms(catalog=True)] = Field(alias="schema")
    """The event's columns: DDL text, a list of {name, type}, or {glue_catalog: {database, table}}."""


class DynamoDbSettings(Stage):
    """A DynamoDB table that is read as a reference."""

    table_name: TableName
    """Name of the table."""
    region: Region | None = None
    """Region of the table. Default: the SDK's."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a table of another account."""
    scan_segments: Count | None = None
    """How many parts of the table are read at the same time. Default: by its size."""


class RefreshSettings(Stage):
    """How a reference is kept current."""

    follow: Annotated[Literal["scan"], Choice("changes", scan="Read the whole table again at an interval.")] = "scan"
    """How changes of the table are noticed."""
    interval_seconds: SecondsOrZero = 60
    """Time between two scans; 0 scans before every batch."""
    max_staleness_seconds: Seconds = 300
    """How old the last good snapshot may get before the job stops; at least interval_seconds."""


class ReferenceSettings(Stage):
    """One reference table, and how events are joined with it."""

    name: JobName
    """Name of the reference, in reports and in the commit; two may share a table."""
    dynamodb: DynamoDbSettings
    """The table."""
    on: dict[Text, Text] = Field(min_length=1)
    """Join key: event column to attribute of the table; several make a composite key."""
    columns: AttributeColumns
    """Attributes that events get: a list, or a mapping from attribute to the name of the column."""
    how: Annotated[
        Literal["left", "inner"],
        Choice(left="Keep unmatched events, with nulls.", inner="Unmatched events become dead letters."),
    ] = "left"
    """What becomes of events without a match."""
    on_duplicate: Annotated[
        Literal["first", "fail"],
        Choice(first="The item with the lowest primary key counts.", fail="Stop the job."),
    ] = "first"
    """What to do when two items have the same join key."""
    mode: Annotated[
        Literal["snapshot"], Choice("lookup", "auto", snapshot="The whole table is read, and joined by broadcast.")
    ] = "snapshot"
    """How the table is read."""
    refresh: RefreshSettings = RefreshSettings()
    """How the reference is kept current."""
    on_change: Annotated[
        Literal["new_rows"], Choice("rewrite_rows", new_rows="Events that come after a change get the new values.")
    ] = "new_rows"
    """Which rows a change of the reference reaches."""
    schema_: Annotated[StructType, SchemaForms(catalog=False)] | None = Field(default=None, alias="schema")
    """Types of the attributes: DDL text or a list of {name, type}. Default: found in the items."""


class OutputSettings(Stage):
    """Which columns a row has; give drop or select."""

    drop: ColumnNames = Field(default_factory=list)
    """Columns that are left out."""
    select: Annotated[ColumnNames, Field(min_length=1)] | None = None
    """Columns that are kept, in this order; all others are left out."""
    derive: dict[ColumnName, Text] = Field(default_factory=dict)
    """Columns made after the joins, in this order: name to SQL expression; a column of that name is replaced."""


class OrderingSettings(Stage):
    """Which of several events with one record key is the newest."""

    column: Text
    """Column with the ordering value: a time, a date or an integer; it may be dropped from the output."""
    format: ParsingPattern | None = None
    """Java DateTimeFormatter pattern of a text column, such as M/d/yy. Default: ISO 8601."""


class PartitionSettings(Stage):
    """One level of the table's partitions; a bare name stands for a column of the output."""

    name: ColumnName
    """Name of the partition's column."""
    from_: Text | None = Field(default=None, alias="from")
    """Column that the value is made from; it may be left out of the output."""
    format: FormattingPattern | None = None
    """Java DateTimeFormatter pattern of the value, such as yyyyMMdd; needs from. Default: the text as it is."""
    zone: Zone = "UTC"
    """Time zone in which a time becomes a date."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow the bare name."""
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(schema))]}

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class HudiSettings(Stage):
    """The Hudi table that rows are upserted into."""

    base_path: Path
    """Where the table is: s3://bucket/prefix, file:/path or a local path."""
    database: CatalogName = "default"
    """Database of the table."""
    table_name: CatalogName
    """Name of the table."""
    record_key: Annotated[ColumnNames, Field(min_length=1)]
    """Columns of the output that tell rows apart."""
    ordering: OrderingSettings | None = None
    """Which event of a record key is the newest. Default: the one that arrived last."""
    partition_by: list[PartitionSettings] = Field(default_factory=list)
    """Levels of partitions, hive style; none by default."""
    table_type: Annotated[
        Literal["COPY_ON_WRITE", "MERGE_ON_READ"],
        Choice(
            COPY_ON_WRITE="Files are rewritten; fastest to query.",
            MERGE_ON_READ="Changes are appended; fastest to write.",
        ),
    ] = "COPY_ON_WRITE"
    """How Hudi keeps changes."""
    options: dict[HudiOptionName, OptionValue] = Field(default_factory=dict)
    """More options of Hudi (hoodie.*), but for those that streamjoin sets itself."""
    catalog: Annotated[Literal["none"], Choice("glue", none="The table is not entered in a catalog.")] = "none"
    """Catalog that the table is entered in."""


class SinkSettings(Stage):
    """Where rows go."""

    hudi: HudiSettings
    """A Hudi table."""


class DeadLetterSettings(Stage):
    """Where rejected records go."""

    base_path: Path
    """Where the dead letters are; neither inside nor around the table's base_path."""


class LimitSettings(Stage):
    """Bounds of one batch, and so of the memory it takes."""

    max_records_per_batch: Count = 200_000
    """Records that a batch has at most."""
    max_bytes_per_batch: SizeBytes = 256 * 1024 * 1024
    """Bytes of data that a batch has at most, such as 256MiB."""
    target_batch_seconds: Seconds = 30
    """How long a batch should take."""


class TriggerSettings(Stage):
    """When batches start."""

    interval_seconds: SecondsOrZero = 5
    """Time from the start of a batch to the start of the next; 0 leaves no pause."""


class MetricSettings(Stage):
    """Where metrics go, beside the log."""

    cloudwatch_namespace: NotYet = None
    """Namespace in CloudWatch. Not supported yet: leave it out."""
    prometheus_port: NotYet = None
    """Port that Prometheus scrapes. Not supported yet: leave it out."""


class EnrichConfig(Stage):
    """A streamjoin job: events of a stream, joined with references, upserted into a table."""

    job: Annotated[Literal["enrich"], Choice(*JOBS_NOT_YET, enrich="Events, joined with references, into a table.")]
    """What the job does."""
    name: JobName
    """Name of the job, in logs and reports."""
    source: SourceSettings
    """Where events come from."""
    payload: PayloadSettings
    """What a record's data is."""
    references: list[ReferenceSettings] = Field(default_factory=list)
    """Reference tables, joined in this order."""
    output: OutputSettings = OutputSettings()
    """Which columns a row has."""
    sink: SinkSettings
    """Where rows go."""
    dead_letters: DeadLetterSettings
    """Where rejected records go."""
    limits: LimitSettings = LimitSettings()
    """Bounds of one batch."""
    trigger: TriggerSettings = TriggerSettings()
    """When batches start."""
    metrics: MetricSettings = MetricSettings()
    """Where metrics go."""
