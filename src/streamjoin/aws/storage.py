"""Base paths, on this machine and on S3, without Spark."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pyarrow import fs

from streamjoin.errors import SinkError


def is_s3(path: str) -> bool:
    """Tell whether `path` is on S3."""
    return path.startswith("s3://")


def bucket_and_key(path: str) -> tuple[str, str]:
    """Return the bucket of a path on S3, and the key without a slash at its ends."""
    parts = urlsplit(path)
    return parts.netloc, parts.path.strip("/")


def local_path(path: str) -> Path:
    """Return the absolute path on this machine.

    Raises:
        SinkError: `path` has a scheme that is neither `file:` nor none.
    """
    parts = urlsplit(path)
    if parts.scheme in ("", "file"):
        return Path(parts.path).absolute()
    message = f"'{path}': expected s3://bucket/…, file:/… or a local path, found the scheme '{parts.scheme}'"
    raise SinkError(message)


def as_hadoop_path(path: str) -> str:
    """Return `path` as Hadoop needs it: a local one absolute and with its scheme, for a cluster's default is another.

    Not percent-encoded: Hadoop takes a `%20` for these three characters.
    """
    return path if urlsplit(path).scheme not in ("", "file") else f"file://{local_path(path)}"


_REGIONS: Final = dict[tuple[str, str | None], str]()


def bucket_region(bucket: str) -> str | None:
    """Return the region of a bucket, which may be another than the SDK's; that one if S3 doesn't say.

    Only the SDK follows a bucket to its region: pyarrow and hudi-rs have to be told it. S3 says it also to those who
    may not look into the bucket, once a process.

    Raises:
        SinkError: S3 can't be reached, or refuses the credentials.
        AwsSettingsError: No client can be made, as without credentials.
    """
    endpoint = s3_endpoint()
    if (bucket, endpoint) not in _REGIONS:
        from streamjoin.aws.bucket import region_of  # noqa: PLC0415  (a local path doesn't need the SDK)

        _REGIONS[bucket, endpoint] = region_of(bucket)
    return _REGIONS[bucket, endpoint]


def s3_endpoint(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return where the SDK looks for S3, if that is not AWS."""
    return environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")


def open_path(path: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of `path`, and the path within it.

    On S3 the endpoint is the SDK's own `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, credentials come from its chain,
    and the region is the bucket's.

    Raises:
        SinkError: The scheme is neither `s3://` nor a local path; or S3 can't be reached, or refuses the credentials.
        AwsSettingsError: No client can be made, as without credentials.
    """
    if is_s3(path):
        bucket, key = bucket_and_key(path)
        endpoint = s3_endpoint()
        location = urlsplit(endpoint) if endpoint else None
        s3 = _s3_filesystem(
            region=bucket_region(bucket),
            endpoint_override=location.netloc if location else None,
            scheme="http" if location and location.scheme == "http" else "https",
            # As the SDK's and hudi-rs': Arrow's own 3 seconds fail a batch for one answer that is late.
            connect_timeout=5,
            request_timeout=30,
        )
        return s3, f"{bucket}/{key}".rstrip("/")
    return fs.LocalFileSystem(), str(local_path(path))


def _s3_filesystem(**options: Any) -> fs.S3FileSystem:
    try:
        # A small object is one request then, in place of the three of an upload in parts.
        return fs.S3FileSystem(**{**options, "allow_delayed_open": True})
    except TypeError:
        # A pyarrow that doesn't know it yet.
        return fs.S3FileSystem(**options)
