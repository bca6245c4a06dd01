"""The configuration of `job: capture`: changes of DynamoDB tables, from a stream into tables of the lake."""

from typing import Annotated, Literal

from pydantic import Field

from streamjoin.capture.config.tables import ALL_OTHERS, CaptureTableSettings
from streamjoin.config.paths import overlap
from streamjoin.config.problems import shown
from streamjoin.config.schema_forms import Stage
from streamjoin.config.sink_stages import DeadLetterSettings
from streamjoin.config.stages import (
    JobName,
    KinesisSettings,
    LimitSettings,
    LoggingSettings,
    MetricSettings,
    Region,
    RoleArn,
    TableName,
    TriggerSettings,
)
from streamjoin.config.values import Choice, Path
from streamjoin.errors import ConfigError


class TableStreamSettings(Stage):
    """A DynamoDB table whose own stream is read."""

    table_name: TableName
    """Name of the table; it needs a stream with new and old images."""
    region: Region | None = None
    """Region of the table. Default: the SDK's."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for a table of another account."""
    starting_position: Annotated[
        Literal["TRIM_HORIZON", "LATEST"],
        Choice(
            TRIM_HORIZON="From the oldest change that the stream still has.",
            LATEST="From the changes that happen after the first start.",
        ),
    ] = "TRIM_HORIZON"
    """Where the first start begins; later starts go on where the journal says."""
    fail_on_data_loss: bool = True
    """Whether to stop when the stream no longer has the changes that come next; false goes on and records the gap."""


class CaptureSourceSettings(Stage):
    """Where changes come from; give kinesis or dynamodb_stream."""

    kinesis: KinesisSettings | None = None
    """A stream of Kinesis Data Streams with the changes of one or many tables."""
    dynamodb_stream: TableStreamSettings | None = None
    """The stream of one table."""


class JournalSettings(Stage):
    """Where the job keeps its position, which stands for all of its tables."""

    base_path: Path
    """Where the journal is: small objects, beside all tables."""


class CaptureConfig(Stage):
    """A streamjoin job: changes of DynamoDB tables, applied to or listed in tables of the lake."""

    job: Annotated[Literal["capture"], Choice(capture="Changes of DynamoDB tables, into tables.")]
    """What the job does."""
    name: JobName
    """Name of the job, in logs and reports."""
    source: CaptureSourceSettings
    """Where changes come from."""
    tables: list[CaptureTableSettings] = Field(min_length=1)
    """The tables that are captured."""
    unlisted_tables: Annotated[
        Literal["dead_letter", "ignore"],
        Choice(dead_letter="Their changes become dead letters.", ignore="Their changes are counted and left out."),
    ] = "dead_letter"
    """What becomes of changes of tables that have no entry and no template."""
    dead_letters: DeadLetterSettings
    """Where rejected records go."""
    journal: JournalSettings | None = None
    """Where the position is kept. Default: base_path of dead_letters, with _journal behind it."""
    limits: LimitSettings = LimitSettings()
    """Bounds of one batch."""
    trigger: TriggerSettings = TriggerSettings()
    """When batches start."""
    metrics: MetricSettings = MetricSettings()
    """Where metrics go."""
    logging: LoggingSettings = LoggingSettings()
    """How the log is written."""


def journal_path(config: CaptureConfig) -> str:
    """Return where the journal of `config` is."""
    return config.journal.base_path if config.journal else f"{config.dead_letters.base_path}_journal"


def letters_name(job_name: str) -> str:
    """Return how the dead letters of a job are called that writes many tables, without `_dead_letters` behind it."""
    return "".join(letter if letter.isalnum() else "_" for letter in job_name).lower()


def settings_of_table(config: CaptureConfig, table_name: str) -> CaptureTableSettings | None:
    """Return what `config` says of the DynamoDB table `table_name`, a template filled in; None: it isn't listed.

    Raises:
        ConfigError: By the template the table would lie in another one, or in dead letters or journal.
    """
    listed = {table.table_name: table for table in config.tables}
    if table_name in listed or ALL_OTHERS not in listed:
        return listed.get(table_name)
    found = listed[ALL_OTHERS].for_table(table_name)
    others = {
        f"tables[{index}].sink.hudi.base_path": table.sink.hudi.base_path
        for index, table in enumerate(config.tables)
        if table.table_name != ALL_OTHERS
    }
    others |= {"dead_letters.base_path": config.dead_letters.base_path, "journal.base_path": journal_path(config)}
    path = found.sink.hudi.base_path
    for key, other in others.items():
        how = overlap(path, other)
        if how:
            index = config.tables.index(listed[ALL_OTHERS])
            problem = (
                f"tables[{index}].sink.hudi.base_path: for the table '{table_name}' it is {shown(path)}, {how} {key} "
                f"{shown(other)}; give '{table_name}' an entry of its own, or move one of the two"
            )
            raise ConfigError([problem], config.name)
    return found
