"""Sections that the files of several jobs have, or that describe a thing of the world.

Each model checks its own values only; what spans several keys is checked with the job.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from streamjoin.config.schema_forms import SchemaForms, Stage
from streamjoin.config.values import (
    AttributeColumns,
    Choice,
    Count,
    Matching,
    Moment,
    Port,
    Rate,
    Seconds,
    SecondsOrZero,
    SizeBytes,
    Text,
)

JobName = Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits, and _ . - after the first of them")]
Region = Annotated[str, Matching(r"[a-z]{2,}(-[a-z]+)+-[0-9]", "a region such as us-east-1")]
RoleArn = Annotated[str, Matching(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/.+", "arn:aws:iam::<account>:role/<name>")]
StreamName = Annotated[str, Matching(r"[A-Za-z0-9_.-]{1,128}", "1 to 128 letters, digits and _ . -")]
ConsumerName = Annotated[str, Matching(r"[A-Za-z0-9_.-]{1,128}", "1 to 128 letters, digits and _ . -")]
StreamArn = Annotated[
    str,
    Matching(
        r"arn:aws[a-z-]*:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}",
        "arn:aws:kinesis:<region>:<account>:stream/<name>",
    ),
]
# Source: Amazon CloudWatch API reference, MetricDatum; names that begin with AWS/ are the services' own.
MetricNamespace = Annotated[
    str,
    Matching(
        r"(?!AWS/)[A-Za-z0-9._/#-][A-Za-z0-9._/# :-]{0,254}",
        "1 to 255 letters, digits and . - _ / # : or blanks, no colon first, and not AWS/ at the beginning",
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
    """Time for AT_TIMESTAMP, in ISO 8601; UTC if it names no zone."""
    fail_on_data_loss: bool = True
    """Whether to stop when the stream no longer has the records that come next; false goes on and records the gap."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a stream of another account."""
    fan_out: ConsumerName | None = None
    """Name of the enhanced fan-out consumer that reads the stream, registered if missing. Default: it is polled."""


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
            changes="Read the table once, then the changes in its stream; scan if it has none.",
            scan="Read the whole table again at an interval.",
        ),
    ] = "changes"
    """How changes of the table are noticed; has no effect with mode lookup."""
    interval_seconds: SecondsOrZero = 60
    """Time between two scans if no stream is followed; 0 scans before every batch. With lookup: an item's life."""
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
    on_misfit: Annotated[
        Literal["null_value", "fail"],
        Choice(null_value="That value alone is null, and is counted.", fail="Stop the job."),
    ] = "null_value"
    """What to do when a value doesn't fit its column's type; one of the join key matches nothing."""
    mode: Annotated[
        Literal["snapshot", "lookup", "auto"],
        Choice(
            snapshot="The whole table is read, kept, and joined.",
            lookup="The items of a batch's join keys are fetched; for tables beyond memory.",
            auto="Lookup above 1,000,000 items if the join key is a key of the table or index, else snapshot.",
        ),
    ] = "snapshot"
    """How the table is read; auto takes snapshot if on_change is rewrite_rows."""
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
    schema_: Annotated[pa.Schema, SchemaForms(catalog=False)] | None = Field(default=None, alias="schema")
    """Types of the attributes: DDL text or a list of {name, type}. Default: found in the items."""


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

    cloudwatch_namespace: MetricNamespace | None = None
    """Namespace in CloudWatch: each batch prints a line in the embedded metric format. Default: none is printed."""
    prometheus_port: Port | None = None
    """Port that Prometheus scrapes while the job runs. Default: none is opened."""
    prometheus_host: Text = "127.0.0.1"
    """Address that the port is opened at; 0.0.0.0 for a Prometheus on another machine."""


class LoggingSettings(Stage):
    """How the log is written, to standard error."""

    format: Annotated[
        Literal["text", "json"],
        Choice(text="A line of text, batches as key=value pairs.", json="An object of JSON a line."),
    ] = "text"
    """What a line of the log is."""


def kinesis_problems(kinesis: KinesisSettings) -> Iterator[str]:
    """Yield what is wrong across the keys of `source.kinesis`, which may be a draft."""
    at = "source.kinesis"
    if kinesis.stream_name is None and kinesis.stream_arn is None:
        yield f"{at}: found neither stream_name nor stream_arn; give one of them"
    if kinesis.stream_name is not None and kinesis.stream_arn is not None:
        yield f"{at}: found both stream_name and stream_arn; give one of them"
    if isinstance(kinesis.stream_arn, str) and isinstance(kinesis.region, str):
        named = kinesis.stream_arn.split(":")[3]
        if named != kinesis.region:
            yield f"{at}.region: found '{kinesis.region}', but stream_arn names '{named}'; leave region out"
    if kinesis.starting_position == "AT_TIMESTAMP" and kinesis.timestamp is None:
        yield f"{at}.timestamp: missing; starting_position AT_TIMESTAMP needs it, such as 2026-01-31T00:00:00Z"
    if kinesis.starting_position in ("TRIM_HORIZON", "LATEST") and kinesis.timestamp is not None:
        yield f"{at}.timestamp: allowed with AT_TIMESTAMP only; found {kinesis.starting_position}"


def named_stream(kinesis: KinesisSettings) -> str:
    """Return what messages call the stream."""
    return f"stream '{kinesis.stream_name or kinesis.stream_arn}'"
