"""The places that a job writes to: an object in each, written, read and deleted again."""

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from streamjoin.aws.errors import SDK_ERRORS, code_of
from streamjoin.aws.storage import bucket_and_key, is_s3, local_path
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.config.paths import TEMPLATE_MARK
from streamjoin.doctor.context import Context
from streamjoin.doctor.finding import Finding, bad, good
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.replicate.config import ReplicateConfig

PROBE: Final = ".streamjoin_probe"
"""What the name of the object begins with; Hudi and its readers pass over it."""

_CONTENT: Final = b"streamjoin doctor"
_NETWORK: Final = "Check that the bucket exists, the network, the credentials and AWS_ENDPOINT_URL."
_SOURCE: Final = "s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket"


def places(context: Context) -> Iterator[Finding]:
    """Write a probe below each base path, read it, list it and delete it."""
    for key, path in base_paths(context):
        found = _on_s3(context, key, path) if is_s3(path) else _on_disk(key, path)
        yield from (replace(each, found=f"{path}: {each.found}") for each in found)


def base_paths(context: Context) -> Iterator[tuple[str, str]]:
    """Yield key and path of each place that the job writes to; of a template the folder of its tables."""
    config = context.config
    if isinstance(config, ReplicateConfig):
        if config.dead_letters is not None:
            yield "dead_letters.base_path", config.dead_letters.base_path
        return
    if isinstance(config, EnrichConfig):
        yield "sink.hudi.base_path", config.sink.hudi.base_path
    else:
        for index, table in enumerate(config.tables):
            yield f"tables[{index}].sink.hudi.base_path", _around_template(table.sink.hudi.base_path)
    if isinstance(config, CaptureConfig):
        yield "journal.base_path", journal_path(config)
    assert isinstance(config, EnrichConfig | CaptureConfig | BackfillConfig)  # noqa: S101
    yield "dead_letters.base_path", config.dead_letters.base_path


def _around_template(path: str) -> str:
    before, mark, _ = path.partition(TEMPLATE_MARK)
    return (before.rpartition("/")[0] or ".") if mark else path


def _on_s3(context: Context, what: str, path: str) -> Iterator[Finding]:
    bucket, prefix = bucket_and_key(path)
    # By the SDK alone: pyarrow leaves an object for the folder behind.
    client = context.client("s3", None, None)
    name = {"Bucket": bucket, "Key": f"{prefix}/{PROBE}-{secrets.token_hex(8)}".lstrip("/")}
    done: list[str] = []
    try:
        client.put_object(**name, Body=_CONTENT)
        done.append("written")
        if client.get_object(**name)["Body"].read() != _CONTENT:
            yield bad(what, "the probe was read back with other content", "See what else writes below this path.")
        done.append("read")
        client.list_objects_v2(Bucket=bucket, Prefix=name["Key"], MaxKeys=1)
        done.append("listed")
    except SDK_ERRORS as error:
        yield _refused(what, error, done, path)
    if done:
        try:
            client.delete_object(**name)
            done.append("deleted")
        except SDK_ERRORS as error:
            left = f"Delete 's3://{bucket}/{name['Key']}' yourself, and allow s3:DeleteObject below the path."
            yield Finding.of_error(what, error, remedy=left)
    if done[-3:] == ["read", "listed", "deleted"]:
        yield good(what, "a probe was written, read, listed and deleted")


def _refused(what: str, error: Exception, done: list[str], path: str) -> Finding:
    step = ("PutObject", "GetObject", "ListBucket")[min(len(done), 2)]
    code = code_of(error)
    if code == "NoSuchBucket":
        return bad(what, "there is no such bucket", "Create the bucket, or correct the path.")
    if "Denied" in code or code == "403":
        return bad(
            what,
            f"s3:{step} was denied",
            f"Allow {_SOURCE} below {path} to the job's role; of an encrypted bucket its key too: kms:GenerateDataKey "
            "and kms:Decrypt.",
        )
    return Finding.of_error(what, error, remedy=_NETWORK)


def _on_disk(what: str, path: str) -> Iterator[Finding]:
    folder = local_path(path)
    made: list[Path] = []
    probe = folder / f"{PROBE}-{secrets.token_hex(8)}"
    try:
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(_CONTENT)
        content = probe.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield bad(what, f"it can't be written: {reason}", "Let the job's user write there, or correct the path.")
        return
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
        _removed(made)
    if content == _CONTENT:
        yield good(what, "a probe was written, read and deleted")
    else:
        yield bad(what, "the probe was read back with other content", "See what else writes below this path.")


def _removed(made: list[Path]) -> None:
    """Take the folders away again that the probe needed; one that another process writes into by now stays."""
    for folder in made:
        with suppress(OSError):
            folder.rmdir()
