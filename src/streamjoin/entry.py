"""The one place that knows all jobs: from a file to the job of its `job:`.

A job's own modules are imported once its file is known to be good: Spark takes its seconds to start.
"""

import importlib.util
import logging
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from streamjoin.errors import ConfigError
from streamjoin.process import configure_logging

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from streamjoin.backfill.config.backfill import BackfillConfig
    from streamjoin.capture.config.capture import CaptureConfig
    from streamjoin.config.catalog_stages import CatalogTable
    from streamjoin.config.file import RawConfig
    from streamjoin.config.job_file import JobFile
    from streamjoin.enrich.config.enrich import EnrichConfig
    from streamjoin.query.tables import QueryTables
    from streamjoin.replicate.config import ReplicateConfig

    JobConfig: TypeAlias = EnrichConfig | CaptureConfig | BackfillConfig | ReplicateConfig

log = logging.getLogger(__name__)

# The value of `job:` -> the module that says how its file is checked.
_JOB_FILES: Final = {
    "enrich": "streamjoin.enrich.config.file",
    "capture": "streamjoin.capture.config.file",
    "backfill": "streamjoin.backfill.config.file",
    "replicate": "streamjoin.replicate.config",
}
JOBS: Final = list(_JOB_FILES)


def load_job(source: str | Path | Mapping[str, Any], environ: Mapping[str, str] | None = None) -> "JobConfig":
    """Read and check the configuration of any job.

    Args:
        source: A path, local or `s3://bucket/key`; or text of YAML (more than one line, or `{…}`); or a mapping.
        environ: Where `${VAR}` and `${VAR:-default}` are looked up. Default: the environment of the process.

    Raises:
        ConfigError: Lists every problem.
    """
    from streamjoin.config.file import read_config  # noqa: PLC0415

    return _checked(read_config(source, os.environ if environ is None else environ))


def load_config(source: str | Path | Mapping[str, Any], environ: Mapping[str, str] | None = None) -> "EnrichConfig":
    """Read and check the configuration of a job that writes a table: `job: enrich`; as `load_job` does.

    Raises:
        ConfigError: Lists every problem, or it is another job's.
    """
    return _enrich(load_job(source, environ), source if isinstance(source, str | Path) else "configuration")


def parse_job(values: Mapping[str, Any], where: str = "configuration") -> "JobConfig":
    """Check the configuration of any job that is a mapping already; variables are not looked up.

    Raises:
        ConfigError: Lists every problem.
    """
    from streamjoin.config.file import substitute  # noqa: PLC0415

    return _checked(substitute(values, where, None))


def parse_config(values: Mapping[str, Any], where: str = "configuration") -> "EnrichConfig":
    """Check the configuration of `job: enrich` that is a mapping already; variables are not looked up.

    Raises:
        ConfigError: Lists every problem, or it is another job's.
    """
    return _enrich(parse_job(values, where), where)


def summary(config: "JobConfig") -> str:
    """Return a sentence that says what a checked job reads and writes.

    Raises:
        ConfigError: The table mappings of a replication have problems.
    """
    return f"Job '{config.name}', {_file_of(config.job).summary(config)}"


def judge(config: "JobConfig") -> None:
    """Check what only Spark can judge of a configuration, if Spark is installed; a run does so in any case.

    Raises:
        ConfigError: An expression can't be used.
    """
    if config.job != "enrich" or config.sink.hudi.delete_when is None or not importlib.util.find_spec("pyspark"):
        return
    import_module("streamjoin.enrich.judging").judge(config)


def json_schema(job: str = "enrich") -> dict[str, Any]:
    """Return the JSON Schema of the file of a `job`, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_file_of(job).model.model_json_schema(by_alias=True),
    }


def tables_of(target: "str | Path | JobConfig") -> "QueryTables":
    """Return the Hudi tables of a base path, of a configuration, or of the file of one.

    Raises:
        ConfigError: The configuration is wrong, or its job writes no Hudi table.
        SinkError: The place of a template's tables can't be listed.
    """
    from streamjoin.query.tables import QueryTables  # noqa: PLC0415

    # A bare path is answered without pydantic.
    if isinstance(target, str | Path) and not str(target).endswith((".yaml", ".yml")):
        return QueryTables.of_path(str(target))
    config = load_job(target) if isinstance(target, str | Path) else target
    tables = _file_of(config.job).tables
    if tables is None:
        where = str(target) if isinstance(target, str | Path) else "configuration"
        raise ConfigError([f"job: found '{config.job}', which writes no Hudi table"], where)
    return QueryTables.named(tables(config))


def hudi_tables(config: "JobConfig") -> "list[tuple[str, str]] | None":
    """Return name and base path of each Hudi table that a job writes; None: it writes none.

    Raises:
        SinkError: The place of a template's tables can't be listed.
    """
    tables = _file_of(config.job).tables
    return None if tables is None else list(tables(config))


def entered_tables(config: "JobConfig") -> "list[CatalogTable]":
    """Return the tables of a job, also of its dead letters, that are to be in a catalog.

    Raises:
        SinkError: The place of a template's tables can't be listed.
    """
    return list(_file_of(config.job).entered(config))


def query(target: "str | Path | JobConfig", sql: str) -> "pa.Table":
    """Run `sql` on the Hudi tables of a base path, of a configuration, or of the file of one.

    Args:
        target: A table's base path, or a job's configuration, or the path of its file.
        sql: As `query.query` takes it.

    Columns out: those of the query; times with zone are UTC.

    Raises:
        SinkError: There is no Hudi table, it can't be read, or DuckDB refuses the SQL.
        ConfigError: The configuration is wrong, or its job writes no Hudi table.
    """
    from streamjoin.query import query as run_query  # noqa: PLC0415

    return run_query(tables_of(target), sql)


def run_job(
    config: str,
    *,
    job: str | None = None,
    until_caught_up: bool = False,
    max_batches: int | None = None,
    reload: bool = False,
) -> None:
    """Run the job that the file `config` describes; log what it does.

    Args:
        config: A local path or `s3://…`.
        job: Which one it must be. Default: any.
        until_caught_up: Stop when there is nothing left to read; a backfill does so anyway.
        max_batches: Stop after so many micro-batches that had records; a backfill has none.
        reload: Load all tables first, whatever was loaded before; for `job: replicate` alone.

    Raises:
        ConfigError: The configuration is wrong, or it is another job's; nothing was started.
        StreamJoinError: The job can't go on.
    """
    settings = load_job(config)
    if job is not None and settings.job != job:
        raise ConfigError([f"job: found '{settings.job}'; expected here: {job}"], config)
    if reload and settings.job != "replicate":
        raise ConfigError([f"--reload: allowed with job: replicate only; found job: {settings.job}"], config)
    if max_batches is not None and settings.job == "backfill":
        raise ConfigError(["--max-batches: found with job: backfill, which ends by itself; leave it out"], config)
    configure_logging(form=settings.logging.format)
    log.info("job=%s starting kind=%s config=%s", settings.name, settings.job, config)
    pipeline = import_module(f"streamjoin.{settings.job}.pipeline")
    if settings.job == "backfill":
        pipeline.run(settings)
        return
    options = {"reload": reload} if settings.job == "replicate" else {}
    ended = pipeline.run(settings, until_caught_up=until_caught_up, max_batches=max_batches, **options)
    log.info(
        "job=%s ended batches=%d records=%d caught_up=%s",
        *(settings.name, ended.batches, ended.records, ended.caught_up),
    )
    if ended.batches and settings.job != "replicate":
        import_module("streamjoin.spark.class_archive").keep()


def foreach_batch(
    config: "EnrichConfig | str | Path | Mapping[str, Any]", *, query_id: str | None = None
) -> "Callable[[DataFrame, int], None]":
    """Return what `writeStream.foreachBatch` and Glue's `forEachBatch` take: it upserts each batch of a query.

    Columns in: `data` (binary or string), what is there of partition key, arrival and place; `enrich/any_source.py`
        lists the names, those of Kafka among them.
    Delivery: exactly once: a commit says which batch it is, and a batch that was committed is passed over.

    Args:
        config: Of `job: enrich`, as `load_config` takes or gives it; its `source`, `limits` and `trigger` aren't used.
        query_id: Names the query in the table. Default: Spark's own, kept in its checkpoint; else the job's name.

    Raises:
        ConfigError: The configuration is wrong, or the table is one of a job that reads its stream itself.
        StreamJoinError: A reference table is missing or denied, or a table can't be read.
    """
    settings = load_config(config) if isinstance(config, str | Path | Mapping) else config
    batches = import_module("streamjoin.enrich.foreach_batch").QueryBatches
    taken: Callable[[DataFrame, int], None] = batches(settings, query_id)
    return taken


def _file_of(job: str) -> "JobFile[Any]":
    found: JobFile[Any] = import_module(_JOB_FILES[job]).JOB_FILE
    return found


def _checked(raw: "RawConfig") -> "JobConfig":
    from streamjoin.config.problems import Unset, shown  # noqa: PLC0415
    from streamjoin.config.values import did_you_mean  # noqa: PLC0415

    job = raw.values.get("job") if isinstance(raw.values, Mapping) else None
    if job is None or isinstance(job, Unset):
        job = "enrich"
    if isinstance(job, str) and job in _JOB_FILES:
        config: JobConfig = _file_of(job).checked(raw)
        return config
    # Of one job the keys of another would all be unknown.
    refusal = f"job: found {shown(raw.written.get(('job',), job))}; {did_you_mean(job, JOBS)}allowed: {', '.join(JOBS)}"
    raise ConfigError([raw.redact(line) for line in (*raw.problems, refusal)], raw.where)


def _enrich(config: "JobConfig", where: str | Path) -> "EnrichConfig":
    if config.job == "enrich":
        return config
    writes = {"capture": "many tables", "backfill": "its table once"}
    what = writes.get(config.job, "DynamoDB tables and no Hudi table")
    raise ConfigError([f"job: found '{config.job}', which writes {what}; expected here: enrich"], str(where))
