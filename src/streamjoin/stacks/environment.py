"""What an environment is: the file infra/environments/ENV.yaml."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from streamjoin.config.file import read_config
from streamjoin.config.problems import explain
from streamjoin.errors import ConfigError

PREFIX = "streamjoin-"


def _as_text(value: object) -> object:
    """Return a value of a parameter as CloudFormation takes it: text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value) if isinstance(value, int | float) else value


class Environment(BaseModel):
    """An environment: one stack, its parameters, and the files of its jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameters: dict[str, Annotated[str, BeforeValidator(_as_text)]] = {}
    """Values of parameters of infra/streamjoin.yaml; the rest have its defaults."""
    configurations: dict[Literal["enrich", "capture", "backfill", "replicate"], str] = {}
    """The file of each job, from the repository's root; the stack's values are put into it."""
    tags: dict[str, str] = {}
    """Tags of all that the stack makes."""
    name: str = ""
    """Name of the stack, in front of all names. Default: streamjoin-ENV."""

    @classmethod
    def read(cls, folder: Path, env: str) -> "Environment":
        """Read the file of an environment.

        Raises:
            ConfigError: There is no such file, or it has problems; all are listed.
        """
        path = folder / f"{env}.yaml"
        if not path.exists():
            there = ", ".join(sorted(each.stem for each in folder.glob("*.yaml"))) or "none"
            raise ConfigError([f"there is no such environment; there are: {there}. Copy one of them"], str(path))
        raw = read_config(path, os.environ)
        problems = list(raw.problems)
        try:
            found = cls.model_validate(raw.values or {})
        except ValidationError as error:
            problems += explain(error, cls, raw.written)
        if not problems and (decided := sorted({"Name", "ArtefactsBucket", "ArtefactsPrefix"} & set(found.parameters))):
            problems.append(f"parameters: found {', '.join(decided)}; make deploy sets them itself")
        if problems:
            raise ConfigError([raw.redact(line) for line in problems], str(path))
        return found.model_copy(update={"name": found.name or f"{PREFIX}{env}"})
