"""A job's file as somebody wrote it: what it names beside it, and what must not stay in it."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from botocore.exceptions import ClientError

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import code_of
from streamjoin.aws.storage import bucket_and_key
from streamjoin.config.file import RawConfig, read_config
from streamjoin.config.problems import Unset, dotted
from streamjoin.errors import ConfigError

Values: TypeAlias = dict[str, Any]

_FILES: Final = (("payload", "schema_file"), ("payload", "writer_schema_files"), ("table_mappings",))
_MISSING: Final = frozenset({"404", "NoSuchBucket", "NoSuchKey"})


def read_base(path: str) -> RawConfig:
    """Read a job's file; variables come from the environment, and one that isn't set is a problem only if it stays.

    Raises:
        ConfigError: It can't be read, or isn't YAML.
    """
    return read_config(path, os.environ)


def as_base(values: Mapping[str, Any]) -> RawConfig:
    """Return a mapping as if it had been read."""
    return read_config(values, {})


def read_deployed(uri: str) -> RawConfig | None:
    """Read a configuration that a deployment has put on S3; None: there is none.

    Raises:
        ConfigError: It can't be read.
    """
    bucket, key = bucket_and_key(uri)
    try:
        aws_client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in _MISSING:
            return None
    return read_config(uri, {})


def object_name(job: str, table: str | None = None) -> str:
    """Return how the configuration of a job is called on S3, below the stack's `ConfigurationUri`."""
    return f"{job}-{table}.yaml" if job == "backfill" else f"{job}.yaml"


def beside(base: str) -> Callable[[str], str]:
    """Return what finds a file that the configuration `base` names: as it is, else beside `base`, else as written."""

    def placed(path: str) -> str:
        if "://" in path or path.startswith(("file:", "/")):
            return path
        places = [Path(path), Path(base).parent / path]
        return next((str(each.absolute()) for each in places if each.exists()), path)

    return placed


def place_files(values: Values, placed: Callable[[str], str]) -> None:
    """Replace the paths of files that `values` name by what `placed` makes of them."""
    for path in _FILES:
        *parents, last = path
        section: Any = values
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        found = section.get(last) if isinstance(section, dict) else None
        if isinstance(found, str):
            section[last] = placed(found)
        elif isinstance(found, list):
            section[last] = [placed(each) if isinstance(each, str) else each for each in found]


def refuse_what_is_left(values: Values, base: RawConfig) -> None:
    """Refuse variables that aren't set, and secrets, as far as the stack has put nothing in their places.

    Raises:
        ConfigError: Lists them.
    """
    problems = [line for line in base.problems if "environment variable" not in line]

    def look(value: object, path: tuple[str | int, ...]) -> None:
        if isinstance(value, Unset):
            problems.extend(line for line in value.problems if line not in problems)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                look(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                look(inner, (*path, index))
        elif isinstance(value, str):
            shown = [variable for secret, variable in base.secrets.items() if secret in value]
            problems.extend(f"{dotted(path)}: would show the secret variable '{each}' in the file" for each in shown)

    look(values, ())
    if problems:
        raise ConfigError(problems, base.where)
