"""The configuration of `job: replicate`: a MySQL or MariaDB server, the file of AWS DMS, and DynamoDB tables."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic_core import CoreSchema, core_schema

from streamjoin.config.file import RawConfig, read_text
from streamjoin.config.job_file import JobFile
from streamjoin.config.schema_forms import Stage
from streamjoin.config.stages import JobName, LoggingSettings, MetricSettings, Region, RoleArn, TableName
from streamjoin.config.values import Choice, Count, Path, Port, Seconds, SecondsOrZero, SizeBytes, Text, refuse
from streamjoin.errors import ConfigError

if TYPE_CHECKING:
    from streamjoin.dms import TableMappings

log = logging.getLogger(__name__)

DEFAULT_CONTROL_TABLE: Final = "streamjoin_replication"
_BOOLEANS: Final = {"true": True, "false": False}


def _password(value: object) -> object:
    if not isinstance(value, str | SecretStr):
        refuse("allowed: text, such as ${MYSQL_PASSWORD}")
    return value


class TlsSettings(Stage):
    """How the server's certificate is judged."""

    ca_file: Text
    """Path of the certificates (PEM) that may have signed the server's."""


class TlsForms:
    """Takes true, false, or a mapping with the certificates to trust."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check a word here and a mapping as one, so that a problem has the path that it has in the file."""
        return core_schema.no_info_wrap_validator_function(self._check, handler.generate_schema(TlsSettings))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe both forms."""
        return {"anyOf": [{"type": "boolean"}, handler(schema)]}

    def _check(self, value: object, handler: core_schema.ValidatorFunctionWrapHandler) -> object:
        if isinstance(value, bool):
            return value
        # A variable of the environment is text.
        if isinstance(value, str) and value in _BOOLEANS:
            return _BOOLEANS[value]
        if not isinstance(value, Mapping | TlsSettings):
            refuse("allowed: true, false, or {ca_file: PATH}")
        return handler(value)


class MySqlSettings(Stage):
    """A MySQL or MariaDB server; give password or password_secret."""

    host: Text
    """Name or address of the server."""
    port: Port = 3306
    """Port of the server."""
    user: Text
    """User that reads the tables and the binlog; the grants that it needs are checked at start."""
    password: Annotated[SecretStr, BeforeValidator(_password)] | None = None
    """Password of the user; from a variable: ${MYSQL_PASSWORD}."""
    password_secret: Text | None = None
    """Name or ARN of a secret of Secrets Manager: JSON with the key password, or the plain text."""
    tls: Annotated[bool | TlsSettings, TlsForms()] = False
    """Whether the connection is encrypted and the server's certificate checked; {ca_file: PATH} says whom to trust."""


class MySqlSourceSettings(Stage):
    """Where rows come from."""

    mysql: MySqlSettings
    """The server."""


class DynamoDbTargetSettings(Stage):
    """The DynamoDB tables that rows go to; their names are in the table mappings."""

    create_tables: bool = True
    """Whether tables that are missing are made: on demand, with a stream of new and old images."""
    region: Region | None = None
    """Region of the tables. Default: the SDK's."""
    role_arn: RoleArn | None = None
    """Role to assume through STS, for tables of another account."""
    control_table: TableName = DEFAULT_CONTROL_TABLE
    """Table in which jobs keep their positions, one item a job."""


class TargetSettings(Stage):
    """Where items go."""

    dynamodb: DynamoDbTargetSettings = DynamoDbTargetSettings()
    """DynamoDB tables."""


class RejectedRowSettings(Stage):
    """Where rows go that can't be items."""

    base_path: Path
    """Folder of the dead letters: one JSON file a row, named after table and position."""


class ChangeLimitSettings(Stage):
    """Bounds of one batch, and so of the memory it takes."""

    max_records_per_batch: Count = 10_000
    """Changes that a batch has at most, and rows that a full load reads at a time."""
    max_bytes_per_batch: SizeBytes = 64 * 1024 * 1024
    """Bytes of changed values that a batch has at most, such as 64MiB."""
    grace_seconds: Seconds = 60
    """How long the batch in hand may take after Ctrl-C or SIGTERM before it is abandoned."""


class ChangeTriggerSettings(Stage):
    """When batches start."""

    interval_seconds: SecondsOrZero = 0.2
    """Time from the start of a batch to the start of the next, once caught up; each writes the position once."""


class ReplicateConfig(Stage):
    """A streamjoin job: rows of MySQL tables, and whatever changes in them, as items of DynamoDB tables."""

    job: Annotated[
        Literal["replicate"],
        Choice(replicate="Rows of MySQL tables, and their changes, into DynamoDB tables."),
    ]
    """What the job does."""
    name: JobName
    """Name of the job, in logs, and of its item in the control table."""
    source: MySqlSourceSettings
    """Where rows come from."""
    table_mappings: Text
    """Path of the table mappings as AWS DMS takes them, from the working directory or from this file's, or s3://."""
    target: TargetSettings = TargetSettings()
    """Where items go."""
    dead_letters: RejectedRowSettings | None = None
    """Where rows go that can't be items. Default: the first one stops the job."""
    limits: ChangeLimitSettings = ChangeLimitSettings()
    """Bounds of one batch."""
    trigger: ChangeTriggerSettings = ChangeTriggerSettings()
    """When batches start."""
    metrics: MetricSettings = MetricSettings()
    """Where metrics go."""
    logging: LoggingSettings = LoggingSettings()
    """How the log is written."""


def replicate_problems(config: ReplicateConfig) -> Iterator[str]:
    """Yield what is wrong across the keys of `config`, which may be a draft (see `checks`)."""
    mysql, at = config.source.mysql, "source.mysql"
    if mysql.password is None and mysql.password_secret is None:
        yield f"{at}: found neither password nor password_secret; give one of them"
    if isinstance(mysql.password, SecretStr) and isinstance(mysql.password_secret, str):
        yield f"{at}: found both password and password_secret; give one of them"


def with_located_mappings(raw: RawConfig) -> RawConfig:
    """Return `raw` with a `table_mappings` that can be opened from here, if it is there at all.

    A path that leads nowhere from the working directory is taken from the directory of the configuration.
    """
    path = raw.values.get("table_mappings")
    if not isinstance(path, str) or not path.strip() or re.match(r"s3://|file:|/", path) or LocalPath(path).exists():
        return raw
    folder, slash, _ = raw.where.rpartition("/")
    beside = f"{folder}{slash}{path}"
    if not beside.startswith("s3://") and not LocalPath(beside).exists():
        return raw
    return replace(raw, values={**raw.values, "table_mappings": beside})


def read_table_mappings(config: ReplicateConfig) -> "TableMappings":
    """Return the table mappings that `config` names.

    Raises:
        ConfigError: The file can't be read, or has problems; all are listed.
    """
    from streamjoin.dms import TableMappings  # noqa: PLC0415  (the other jobs don't need it)

    mappings = TableMappings.parse(read_text(config.table_mappings), config.table_mappings)
    if mappings.notes:
        log.warning("%s: changes nothing here: %s", config.table_mappings, "; ".join(mappings.notes))
    return mappings


def _summary(config: ReplicateConfig) -> str:
    read_table_mappings(config)
    mysql, table = config.source.mysql, config.target.dynamodb.control_table
    return f"server '{mysql.host}:{mysql.port}', table mappings: {config.table_mappings}, control table '{table}'"


def _mapping_problems(config: ReplicateConfig) -> Iterator[str]:
    """Yield what is wrong with the table mappings that a draft names."""
    if isinstance(config.table_mappings, str):
        try:
            read_table_mappings(config)
        except ConfigError as error:
            yield from (f"table_mappings '{config.table_mappings}': {problem}" for problem in error.problems)


JOB_FILE = JobFile(
    ReplicateConfig, replicate_problems, _summary, located=with_located_mappings, beside=_mapping_problems
)
