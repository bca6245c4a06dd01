"""The configuration of `job: enrich`: one model a stage, in the order of the data path.

Each model checks its own values only; what spans several keys is in `checks`.
"""

from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from streamjoin.config.schema_forms import GlueCatalogSchema, SchemaForms, Stage
from streamjoin.config.sink_stages import DeadLetterSettings, SinkSettings
from streamjoin.config.stages import (
    JobName,
    KinesisSettings,
    LimitSettings,
    LoggingSettings,
    MetricSettings,
    ReferenceSettings,
    TriggerSettings,
)
from streamjoin.config.values import Choice, ColumnName, ColumnNames, Matching, SizeBytes, Text, VersionColumns
from streamjoin.enrich.config.avro_file import AvroFile, AvroFilePath
from streamjoin.records.json_path import PATH


class SourceSettings(Stage):
    """Where events come from."""

    kinesis: KinesisSettings
    """A stream of Kinesis Data Streams."""


class PayloadSettings(Stage):
    """What a record's data is; gzip and zstd are recognised with every format."""

    format: Annotated[
        Literal["json", "csv", "avro"],
        Choice(
            json="JSON objects.",
            csv="Rows of CSV, their fields in the order of `schema`.",
            avro="Avro records, single-object or plain.",
        ),
    ] = "json"
    """Format of the payload."""
    records: Annotated[
        Literal["one", "many"],
        Choice(
            one="A record is one event.",
            many="A record has any number of them: JSON values one after the other, an array, or lines of CSV.",
        ),
    ] = "one"
    """How many events a record may have; with format json or csv."""
    path: Annotated[str, Matching(PATH, "names with dots between them, [*] behind one for each element")] | None = None
    """Where in a JSON document the event is, such as detail, or with many logEvents[*].message; text is JSON again."""
    # Never None once it is checked: json and csv need it, avro has it from schema_file.
    schema_: Annotated[pa.Schema | GlueCatalogSchema, SchemaForms(catalog=True)] = Field(  # type: ignore[assignment]
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
            # Frozen for others; from here on it no longer counts where the columns came from.
            object.__setattr__(self, "schema_", self.schema_file.schema.columns)
        return self


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
    logging: LoggingSettings = LoggingSettings()
    """How the log is written."""
