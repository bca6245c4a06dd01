"""The configuration of a job: one YAML file, checked whole before anything is started.

`stages` has the models in the order of the data path; `load_config` is the way in.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pyspark.sql.types import StructType

from streamjoin.config.checks import draft, problems
from streamjoin.config.columns import column_problems
from streamjoin.config.file import RawConfig, read_config, substitute
from streamjoin.config.hudi_options import OWNED_HUDI_OPTIONS
from streamjoin.config.problems import explain
from streamjoin.config.rewriting import DEFAULT_MAX_ROWS_PER_PASS, RewritingPlan, rewriting_plan
from streamjoin.config.schema_forms import GlueCatalogSchema, GlueTable
from streamjoin.config.sink_stages import (
    DeadLetterSettings,
    HudiSettings,
    OrderingSettings,
    PartitionSettings,
    SinkSettings,
)
from streamjoin.config.stages import (
    JOBS_NOT_YET,
    DynamoDbSettings,
    EnrichConfig,
    KinesisSettings,
    LimitSettings,
    MetricSettings,
    OutputSettings,
    PayloadSettings,
    ReferenceSettings,
    RefreshSettings,
    SourceSettings,
    TriggerSettings,
)
from streamjoin.config.versions import version_columns
from streamjoin.errors import ConfigError

__all__ = [
    "DEFAULT_MAX_ROWS_PER_PASS",
    "OWNED_HUDI_OPTIONS",
    "DeadLetterSettings",
    "DynamoDbSettings",
    "EnrichConfig",
    "GlueCatalogSchema",
    "GlueTable",
    "HudiSettings",
    "KinesisSettings",
    "LimitSettings",
    "MetricSettings",
    "OrderingSettings",
    "OutputSettings",
    "PartitionSettings",
    "PayloadSettings",
    "ReferenceSettings",
    "RefreshSettings",
    "RewritingPlan",
    "SinkSettings",
    "SourceSettings",
    "TriggerSettings",
    "check_columns",
    "json_schema",
    "load_config",
    "parse_config",
    "rewriting_plan",
    "version_columns",
]


def load_config(source: str | Path | Mapping[str, Any], environ: Mapping[str, str] | None = None) -> EnrichConfig:
    """Read and check a configuration.

    Args:
        source: A path, local or `s3://bucket/key`; or text of YAML (more than one line, or `{…}`); or a mapping.
        environ: Where `${VAR}` and `${VAR:-default}` are looked up. Default: the environment of the process.

    Raises:
        ConfigError: Lists every problem.
    """
    return _checked(read_config(source, os.environ if environ is None else environ))


def parse_config(values: Mapping[str, Any], where: str = "configuration") -> EnrichConfig:
    """Check a configuration that is a mapping already; variables are not looked up.

    Raises:
        ConfigError: Lists every problem.
    """
    return _checked(substitute(values, where, None))


def check_columns(config: EnrichConfig, payload_schema: StructType) -> None:
    """Check the columns that `config` names, once a schema from a catalog is known.

    Raises:
        ConfigError: Lists every problem.
    """
    found = column_problems(config, payload_schema)
    if found:
        raise ConfigError(found)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **EnrichConfig.model_json_schema(by_alias=True),
    }


def _checked(raw: RawConfig) -> EnrichConfig:
    values = raw.values
    job = values.get("job") if isinstance(values, Mapping) else None
    if job in JOBS_NOT_YET:
        # The keys of another job would all be unknown ones here.
        refusal = f"job: found '{job}'; not supported yet by this version; allowed: enrich"
        raise ConfigError([raw.redact(line) for line in (*raw.problems, refusal)], raw.where)
    found = list(raw.problems)
    try:
        config = EnrichConfig.model_validate(values)
    except ValidationError as error:
        found += explain(error, EnrichConfig, raw.written)
        config = draft(EnrichConfig, values if isinstance(values, Mapping) else {})
    if isinstance(values, Mapping):
        found += problems(config)
    if found:
        raise ConfigError([raw.redact(line) for line in dict.fromkeys(found)], raw.where)
    return config
