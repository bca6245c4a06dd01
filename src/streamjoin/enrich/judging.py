"""What only Spark can judge of a configuration; nothing is computed of any event."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.deletes import TOMBSTONE_HOURS, Deletion
from streamjoin.errors import ConfigError, SchemaError
from streamjoin.hudi.tombstones import Tombstones
from streamjoin.hudi.write import root_cause
from streamjoin.records.events import Events
from streamjoin.schema.names import nested_problems
from streamjoin.spark.failures import first_line
from streamjoin.spark.schema import to_arrow, to_spark
from streamjoin.spark.session import job_session


def judge(config: EnrichConfig) -> None:
    """Check without any service what only Spark can judge; a schema of the catalog is not known here.

    Raises:
        ConfigError: Spark doesn't take the expression of sink.hudi.delete_when.
    """
    schema = config.payload.schema_
    if isinstance(schema, pa.Schema):
        check_delete_when(config, schema, job_session(config.name, s3=False))


def check_delete_when(config: EnrichConfig, schema: pa.Schema, spark: SparkSession) -> None:
    """Let Spark judge the expression of `sink.hudi.delete_when`; nothing is computed.

    Raises:
        ConfigError: It can't be parsed, names a column that events don't have, or is not boolean.
    """
    settings = config.sink.hudi
    if settings.delete_when is None:
        return
    deletion = Deletion(
        settings.delete_when, tuple(settings.record_key), Tombstones(settings.base_path, TOMBSTONE_HOURS)
    )
    try:
        deletion.mark(Events.of(spark.createDataFrame([], to_spark(schema))))
    except SchemaError as error:
        raise ConfigError([str(error)], where=config.name) from error


def check_formats(config: EnrichConfig, schema: pa.Schema, spark: SparkSession) -> None:
    """Let Spark judge the patterns and expressions that only it can, and what columns expressions give.

    Raises:
        ConfigError: Names each one that Spark doesn't take, and each column that no table can have.
    """
    settings = config.sink.hudi
    patterns = {f"sink.hudi.partition_by[{i}].format": p.format for i, p in enumerate(settings.partition_by)}
    if settings.ordering is not None:
        patterns["sink.hudi.ordering.format"] = settings.ordering.format
    problems = []
    for key, pattern in patterns.items():
        if pattern is None:
            continue
        try:
            spark.range(1).select(F.date_format(F.current_timestamp(), pattern)).collect()
        except PySparkException as error:
            problems.append(f"{key}: {pattern!r} is no datetime pattern of Spark: {root_cause(error)}")
    events = spark.createDataFrame([], to_spark(schema))
    for column, expression in config.output.derive.items():
        try:
            events = events.withColumn(column, F.expr(expression))
        except PySparkException as error:
            # It may be one of a reference, whose type isn't known yet.
            if not str(error.getErrorClass()).startswith("UNRESOLVED_COLUMN"):
                said = f"{expression!r} is no expression that Spark takes: {first_line(error)}"
                problems.append(f"output.derive.{column}: {said}")
            continue
        if column not in config.output.drop and column in (config.output.select or [column]):
            problems += [f"output.derive.{column}: {said}" for said in _unstorable(events.schema[column])]
    if problems:
        raise ConfigError(problems, where=config.name)


def _unstorable(field: T.StructField) -> Iterator[str]:
    try:
        found = to_arrow(T.StructType([field])).field(0)
    except SchemaError as error:
        yield f"Hudi can't store its values: {error}"
        return
    yield from nested_problems(found)
