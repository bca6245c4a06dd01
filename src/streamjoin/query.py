"""SQL on a Hudi table, without Spark and without Java: hudi-rs reads it into Arrow, DuckDB queries that.

What it shows is what Athena shows: the newest committed row of every record key, with Hudi's five `_hoodie_…` columns.
"""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from streamjoin.errors import SinkError

if TYPE_CHECKING:
    import duckdb

    from streamjoin.config import EnrichConfig

DEFAULT_TABLE_NAME = "t"
_READ_ATTEMPTS = 5
_READ_PAUSE_SECONDS = 0.2

# A query reads the table that it was given and nothing else: no files, no network, no extensions, no Python variables.
_SEALED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


def query(target: "str | Path | EnrichConfig", sql: str) -> pa.Table:
    """Run `sql` on the newest commit of a Hudi table.

    Args:
        target: The table's base path, or a job's configuration, or the path of its file.
        sql: The table is called `t`, and with a configuration also by its `sink.hudi.table_name`. Read-only in effect:
            what a statement makes is gone with the answer.

    Columns out: those of the query; times with zone are UTC.

    Raises:
        SinkError: There is no Hudi table, it can't be read, or DuckDB refuses the SQL.
        ConfigError: The configuration is wrong.
    """
    base_path, names = _locate(target)
    return run_sql(read_table(base_path), names, sql)


def _locate(target: "str | Path | EnrichConfig") -> tuple[str, list[str]]:
    if isinstance(target, str | Path) and not str(target).endswith((".yaml", ".yml")):
        return str(target), [DEFAULT_TABLE_NAME]
    if isinstance(target, str | Path):
        from streamjoin.config import load_config  # noqa: PLC0415  (a bare path is answered without pydantic)

        target = load_config(target)
    hudi = target.sink.hudi
    return hudi.base_path, list(dict.fromkeys([DEFAULT_TABLE_NAME, hudi.table_name]))


def read_table(base_path: str, columns: list[str] | None = None) -> pa.Table:
    """Read the newest commit of the Hudi table at `base_path` into memory.

    Args:
        base_path: A local path, `file:/…`, or `s3://…` by the SDK's endpoint, region and credentials.
        columns: Which ones to read. Default: all, with Hudi's own.

    Raises:
        SinkError: There is no Hudi table, no commit in it yet, or it can't be read.
    """
    for attempt in range(1, _READ_ATTEMPTS + 1):
        try:
            return _read(_as_uri(base_path), columns)
        except Exception as error:
            # hudi-rs exports no class for its errors; this is the name of all of them.
            if type(error).__name__ != "HudiCoreError":
                raise
            # On a local disk a commit appears a moment before its content.
            if attempt == _READ_ATTEMPTS or "Failed to parse JSON commit metadata" not in str(error):
                raise _as_sink_error(base_path, str(error)) from error
            time.sleep(_READ_PAUSE_SECONDS)
    raise AssertionError


def _read(location: str, columns: list[str] | None) -> pa.Table:
    from hudi import HudiReadOptions, HudiTableBuilder  # noqa: PLC0415  (0.1 s that `import streamjoin.query` shouldn't cost)

    table = HudiTableBuilder.from_base_uri(location).with_options(storage_options(location)).build()
    batches = table.read(HudiReadOptions(projection=columns))
    if not batches:
        return pa.schema(table.get_schema_with_meta_fields()).empty_table()
    # Files written before a column was added lack it; the newest schema has it.
    return pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")


def _as_sink_error(base_path: str, reason: str) -> SinkError:
    if "hoodie.properties not found" in reason or "NoSuchBucket" in reason:
        return SinkError(f"no Hudi table at '{base_path}'; the first commit of a job makes it")
    return SinkError(f"the Hudi table at '{base_path}' can't be read: {reason}", retryable=True)


def _as_uri(base_path: str) -> str:
    if base_path.startswith(("s3a://", "s3n://")):
        return "s3://" + base_path.split("://", 1)[1]
    if base_path.startswith("file:"):
        return Path("/" + base_path.removeprefix("file:").lstrip("/")).as_uri()
    return base_path if "://" in base_path else Path(base_path).absolute().as_uri()


def storage_options(location: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return hudi-rs' options to reach `location` as the AWS SDK would; none for a local path.

    Args:
        location: A URI.
        environ: Where `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL` are looked up.
    """
    if not location.startswith("s3://"):
        return {}
    import boto3  # noqa: PLC0415  (half a second that a local table doesn't cost)

    session = boto3.Session()
    options = {"aws_region": session.region_name or "us-east-1"}
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        options["aws_endpoint"] = endpoint
        options["aws_allow_http"] = str(endpoint.startswith("http://")).lower()
    credentials = session.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options["aws_access_key_id"] = str(frozen.access_key)
        options["aws_secret_access_key"] = str(frozen.secret_key)
        if frozen.token:
            options["aws_session_token"] = str(frozen.token)
    return options


def run_sql(table: pa.Table, names: Iterable[str], sql: str) -> pa.Table:
    """Run `sql` on an Arrow table that is known under `names`, in a DuckDB that reaches nothing else.

    Raises:
        SinkError: DuckDB refuses the SQL; the text is DuckDB's.
    """
    import duckdb  # noqa: PLC0415  (0.2 s)

    with duckdb.connect(":memory:", config=_SEALED) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        for name in names:
            connection.register(name, table)
        try:
            return _result(connection, sql)
        except duckdb.Error as error:
            message = f"the query can't be answered: {str(error).strip()}"
            raise SinkError(message) from error


def _result(connection: "duckdb.DuckDBPyConnection", sql: str) -> pa.Table:
    relation = connection.sql(sql)
    # A statement without a result (CREATE VIEW, an empty text) has no relation.
    if relation is None:
        return pa.table({})
    result: pa.Table = relation.to_arrow_table()
    return result
