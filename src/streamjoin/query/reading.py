"""A Hudi table into Arrow, without Spark and without Java, by hudi-rs."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from streamjoin.aws.storage import bucket_and_key, bucket_region, s3_endpoint
from streamjoin.errors import SinkError
from streamjoin.query.planned import plans, read_beside_plans

_READ_ATTEMPTS = 5
_READ_PAUSE_SECONDS = 0.2


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
            return _read(base_path, columns)
        except Exception as error:
            # hudi-rs exports no class for its errors; this is the name of all of them.
            if type(error).__name__ != "HudiCoreError":
                raise
            # On a local disk a commit appears a moment before its content.
            if attempt == _READ_ATTEMPTS or "Failed to parse JSON commit metadata" not in str(error):
                raise _as_sink_error(base_path, str(error)) from error
            time.sleep(_READ_PAUSE_SECONDS)
    raise AssertionError


def _read(base_path: str, columns: list[str] | None) -> pa.Table:
    from hudi import HudiReadOptions, HudiTableBuilder  # noqa: PLC0415  (0.1 s that `import streamjoin.query` shouldn't cost)

    location, options = _as_uri(base_path), HudiReadOptions(projection=columns)
    # Looked up twice: while the table is opened a compaction may end, and another one be planned.
    planned = plans(base_path)
    table = HudiTableBuilder.from_base_uri(location).with_options(storage_options(location)).build()
    if table.is_mor:
        planned = {**planned, **plans(base_path)}
    batches = list(read_beside_plans(table, base_path, planned, options)) if planned else table.read(options)
    if not batches:
        return pa.schema(table.get_schema_with_meta_fields()).empty_table()
    # Files written before a column was added lack it; the newest schema has it.
    return pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")


def _as_sink_error(base_path: str, reason: str) -> SinkError:
    if "hoodie.properties not found" in reason or "NoSuchBucket" in reason:
        return SinkError(f"no Hudi table at '{base_path}'; the first commit of a job makes it")
    if "reconcile" in reason:
        message = (
            f"the Hudi table at '{base_path}' can't be read before its next compaction: hudi-rs can't merge a log that "
            f"has times inside other values ({reason}). Read it with Spark until then"
        )
        return SinkError(message)
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
    options = {"aws_region": bucket_region(bucket_and_key(location)[0]) or "us-east-1"}
    endpoint = s3_endpoint(environ)
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
