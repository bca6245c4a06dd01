"""The configuration of a job: one YAML file, checked whole before anything is started.

`stages` has the models in the order of the data path; `load_config` is the way in.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pyspark.sql.types import StructType

from streamjoin.backfill.config.backfill import (
    BackfillConfig,
    BackfillLimitSettings,
    BackfillSourceSettings,
    BackfillTableSettings,
    TableExportSettings,
    TableScanSettings,
    Watermark,
    WhereSettings,
)
from streamjoin.backfill.config.checks import backfill_problems
from streamjoin.capture.config.capture import (
    CaptureConfig,
    CaptureSourceSettings,
    JournalSettings,
    TableStreamSettings,
    journal_path,
    settings_of_table,
)
from streamjoin.capture.config.checks import capture_problems
from streamjoin.capture.config.tables import (
    ALL_OTHERS,
    CaptureHudiSettings,
    CapturePartitionSettings,
    CaptureSinkSettings,
    CaptureTableSettings,
)
from streamjoin.config.file import RawConfig, read_config, substitute
from streamjoin.config.hudi_options import OWNED_HUDI_OPTIONS
from streamjoin.config.paths import TEMPLATE_MARK
from streamjoin.config.problems import Unset, explain, shown
from streamjoin.config.schema_forms import GlueCatalogSchema, GlueTable
from streamjoin.config.sink_stages import (
    DeadLetterSettings,
    HudiSettings,
    OrderingSettings,
    PartitionSettings,
    SinkSettings,
)
from streamjoin.config.stages import (
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
from streamjoin.config.summaries import JobConfig, summary
from streamjoin.config.values import did_you_mean
from streamjoin.enrich.config.checks import draft, problems
from streamjoin.enrich.config.columns import column_problems
from streamjoin.enrich.config.rewriting import DEFAULT_MAX_ROWS_PER_PASS, RewritingPlan, rewriting_plan
from streamjoin.enrich.config.versions import version_columns
from streamjoin.errors import ConfigError
from streamjoin.replicate.config import ReplicateConfig, read_table_mappings, replicate_problems, with_located_mappings

__all__ = [
    "ALL_OTHERS",
    "DEFAULT_MAX_ROWS_PER_PASS",
    "OWNED_HUDI_OPTIONS",
    "TEMPLATE_MARK",
    "BackfillConfig",
    "BackfillLimitSettings",
    "BackfillSourceSettings",
    "BackfillTableSettings",
    "CaptureConfig",
    "CaptureHudiSettings",
    "CapturePartitionSettings",
    "CaptureSinkSettings",
    "CaptureSourceSettings",
    "CaptureTableSettings",
    "DeadLetterSettings",
    "DynamoDbSettings",
    "EnrichConfig",
    "GlueCatalogSchema",
    "GlueTable",
    "HudiSettings",
    "JobConfig",
    "JournalSettings",
    "KinesisSettings",
    "LimitSettings",
    "MetricSettings",
    "OrderingSettings",
    "OutputSettings",
    "PartitionSettings",
    "PayloadSettings",
    "ReferenceSettings",
    "RefreshSettings",
    "ReplicateConfig",
    "RewritingPlan",
    "SinkSettings",
    "SourceSettings",
    "TableExportSettings",
    "TableScanSettings",
    "TableStreamSettings",
    "TriggerSettings",
    "Watermark",
    "WhereSettings",
    "check_columns",
    "journal_path",
    "json_schema",
    "load_config",
    "load_job",
    "parse_config",
    "parse_job",
    "read_table_mappings",
    "rewriting_plan",
    "settings_of_table",
    "summary",
    "version_columns",
]

_MODELS: Final[dict[str, type[JobConfig]]] = {
    "enrich": EnrichConfig,
    "capture": CaptureConfig,
    "backfill": BackfillConfig,
    "replicate": ReplicateConfig,
}
_Config = TypeVar("_Config", EnrichConfig, CaptureConfig, BackfillConfig, ReplicateConfig)


def load_config(source: str | Path | Mapping[str, Any], environ: Mapping[str, str] | None = None) -> EnrichConfig:
    """Read and check the configuration of a job that writes a table: `job: enrich`.

    Args:
        source: A path, local or `s3://bucket/key`; or text of YAML (more than one line, or `{…}`); or a mapping.
        environ: Where `${VAR}` and `${VAR:-default}` are looked up. Default: the environment of the process.

    Raises:
        ConfigError: Lists every problem.
    """
    raw = read_config(source, os.environ if environ is None else environ)
    return _enrich(_checked(raw), raw.where)


def load_job(source: str | Path | Mapping[str, Any], environ: Mapping[str, str] | None = None) -> JobConfig:
    """Read and check the configuration of any job; as `load_config` does.

    Raises:
        ConfigError: Lists every problem.
    """
    return _checked(read_config(source, os.environ if environ is None else environ))


def parse_config(values: Mapping[str, Any], where: str = "configuration") -> EnrichConfig:
    """Check the configuration of `job: enrich` that is a mapping already; variables are not looked up.

    Raises:
        ConfigError: Lists every problem.
    """
    return _enrich(parse_job(values, where), where)


def parse_job(values: Mapping[str, Any], where: str = "configuration") -> JobConfig:
    """Check the configuration of any job that is a mapping already; variables are not looked up.

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


def json_schema(job: str = "enrich") -> dict[str, Any]:
    """Return the JSON Schema of the file of a `job`, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_MODELS[job].model_json_schema(by_alias=True),
    }


def _enrich(config: JobConfig, where: str = "configuration") -> EnrichConfig:
    if isinstance(config, EnrichConfig):
        return config
    writes = {"capture": "many tables", "backfill": "its table once"}
    what = writes.get(config.job, "DynamoDB tables and no Hudi table")
    refusal = f"job: found '{config.job}', which writes {what}; expected here: enrich"
    raise ConfigError([refusal], where)


def _checked(raw: RawConfig) -> JobConfig:
    job = raw.values.get("job") if isinstance(raw.values, Mapping) else None
    match job:
        case "enrich" | None | Unset():
            return _validated(raw, EnrichConfig, problems)
        case "capture":
            return _validated(raw, CaptureConfig, capture_problems)
        case "backfill":
            return _validated(raw, BackfillConfig, backfill_problems)
        case "replicate":
            return _validated(with_located_mappings(raw), ReplicateConfig, replicate_problems)
    # Of one job the keys of another would all be unknown.
    words = list(_MODELS)
    refusal = (
        f"job: found {shown(raw.written.get(('job',), job))}; {did_you_mean(job, words)}allowed: {', '.join(words)}"
    )
    raise ConfigError([raw.redact(line) for line in (*raw.problems, refusal)], raw.where)


def _validated(raw: RawConfig, model: type[_Config], across_keys: Callable[[_Config], Iterable[str]]) -> _Config:
    values, found = raw.values, list(raw.problems)
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        found += explain(error, model, raw.written)
        config = draft(model, values if isinstance(values, Mapping) else {})
    if isinstance(values, Mapping):
        found += across_keys(config)
    if found:
        raise ConfigError([raw.redact(line) for line in dict.fromkeys(found)], raw.where)
    return config
