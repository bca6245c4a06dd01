"""The configuration of `job: enrich`: one model a stage, in the order of the data path.

Each model checks its own values only; what spans several keys is in `checks`. So `parse_config` is the way in.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pyspark.sql.types import StructType

from streamjoin.config.schema_forms import GlueCatalogSchema, SchemaForms, Stage
from streamjoin.config.sink_stages import DeadLetterSettings, SinkSettings
from streamjoin.config.values import (
    AttributeColumns,
    Choice,
    ColumnName,
    ColumnNames,
    Count,
    Matching,
    Moment,
    NotYet,
    Rate,
    Seconds,
    SecondsOrZero,
    SizeBytes,
    Text,
    VersionColumns,
)
from streamjoin.enrich.config.avro_file import AvroFile, AvroFilePath

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
    """What a record's data is; gzip and zstd are recognised with every format."""

    format: Annotated[
        Literal["json", "csv", "avro"],
        Choice(
            json="One JSON object a record.",
            csv="One row of CSV a record, its fields in the order of `schema`.",
            avro="One Avro record a record, single-object or plain.",
        ),
    ] = "json"
    """Format of the payload."""
    # Never None once it is checked: json and csv need it, avro has it from schema_file.
    schema_: Annotated[StructType | GlueCatalogSchema, SchemaForms(catalog=True)] = Field(  # type: ignore[assignment]
        default=None, alias="schema"
    )
    """The event's columns: DDL text, a list of {name, type}, or {glue_catalog: …}; with avro those of schema_file."""
    schema_file: Annotated[AvroFile, AvroFilePath()] | None = None
    """Path of the Avro schema whose fields are the columns; with format avro, which needs it."""
    writer_schema_files: list[Annotated[AvroFile, AvroFilePath()]] = Field(default_factory=list)
    """Paths of older Avro schemas, whose single-object records are read as those of schema_file; with format avro."""
    delimiter: Annotated[str, Matching(r'[^"\r\n]', "one character, and no double quote")] | None = None
    """What stands between two fields; with format csv. Default: a comma."""
    null_text: str | None = None
    """The field that is null; with format csv. Default: the empty one."""
    max_unpacked_bytes: SizeBytes = 10 * 1024 * 1024
    """Size that a compressed payload has at most once it is unpacked, such as 10MiB; what is larger is rejected."""

    @model_validator(mode="after")
    def _with_columns_of_file(self) -> Self:
        if self.schema_ is None and self.schema_file is not None:
            # Frozen for others; from here on nobody has to know where the columns came from.
            object.__setattr__(self, "schema_", self.schema_file.schema.columns)
        return self


class DynamoDbSettings(Stage):
    """A DynamoDB table that is read as a reference."""

    table_name: TableName
    """Name of the table."""
    region: Region | None = None
    """Region of the table. Default: the SDK's."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a table of another account."""
    scan_segments: Count | None = None
    """How many parts of the table are read at the same time; not with mode lookup. Default: by its size."""
    index_name: TableName | None = None
    """Secondary index whose hash key is the join key; with mode lookup or auto only."""
    max_read_units_per_second: Rate | None = None
    """Read units that scans and lookups consume at most, on average. Default: no bound."""


class RefreshSettings(Stage):
    """How a reference is kept current."""

    follow: Annotated[
        Literal["changes", "scan"],
        Choice(
            changes="Read the table once, then the changes in its stream; scan where it has none.",
            scan="Read the whole table again at an interval.",
        ),
    ] = "changes"
    """How changes of the table are noticed; has no effect with mode lookup."""
    interval_seconds: SecondsOrZero = 60
    """Time between two scans where no stream is followed; 0 scans before every batch. With lookup: an item's life."""
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
        Literal["snapshot", "lookup", "auto"],
        Choice(
            snapshot="The whole table is read, kept, and joined.",
            lookup="The items of a batch's join keys are fetched; for tables beyond memory.",
            auto="Lookup above 1,000,000 items where the join key is a key of the table or index, else snapshot.",
        ),
    ] = "snapshot"
    """How the table is read; auto takes snapshot where on_change is rewrite_rows."""
    max_cached_items: Count | None = None
    """Items that each worker process keeps; with mode lookup or auto only. Default: 100000."""
    refresh: RefreshSettings = RefreshSettings()
    """How the reference is kept current."""
    on_change: Annotated[
        Literal["new_rows", "rewrite_rows"],
        Choice(
            new_rows="Events that come after a change get the new values.",
            rewrite_rows="Rows that are in the table already get them too.",
        ),
    ] = "new_rows"
    """Which rows a change of the reference reaches."""
    max_rows_per_pass: Count | None = None
    """Rows that are rewritten after a batch at most; with on_change rewrite_rows only. Default: 100000."""
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
    reference_version: VersionColumns | None = None
    """Column (bigint) with the version of the reference that a row was joined with; of several: {reference: column}."""


class LimitSettings(Stage):
    """Bounds of one batch, and so of the memory it takes."""

    max_records_per_batch: Count = 200_000
    """Records that a batch has at most."""
    max_bytes_per_batch: SizeBytes = 256 * 1024 * 1024
    """Bytes of data that a batch has at most, such as 256MiB."""
    target_batch_seconds: Seconds = 30
    """How long a batch should take."""
    grace_seconds: Seconds = 60
    """How long the batch in hand may take after Ctrl-C or SIGTERM before it is abandoned."""


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

    job: Annotated[Literal["enrich"], Choice(enrich="Events, joined with references, into a table.")]
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
