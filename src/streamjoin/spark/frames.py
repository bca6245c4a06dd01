"""Arrow tables of the driver as Spark frames."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.serializers import ArrowStreamSerializer

from streamjoin.spark.schema import to_spark

# One task without a shuffle beats two with one up to about here: a task decodes so many records in 0.1 s.
RECORDS_PER_TASK = 10_000
# Up to here Spark would make rows of Arrow's bytes at once, and look at them in every plan.
_LOCAL_RELATION = "spark.sql.execution.arrow.localRelationThreshold"


def frame_of(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Return `table` as a frame that lives in the driver: a lost executor can't lose it.

    Spark 3.5 takes Arrow from the driver by way of pandas (0.03 s for 4,000 records; a list of tuples takes 0.25 s),
    and makes a local relation of it, which needs no job to be broadcast.
    """
    schema = to_spark(table.schema)
    if table.num_rows == 0:
        return spark.createDataFrame([], schema)
    # Python's own objects: exact for decimals and nulls, and Spark 3.5 does not know the strings of pandas 3.
    columns = {name: pd.Series(table[name].to_pylist(), dtype=object) for name in schema.names}
    frame = spark.createDataFrame(pd.DataFrame(columns), schema)
    return frame.coalesce(tasks_for(spark, table.num_rows))


def activate(spark: SparkSession) -> None:
    """Let what this thread makes of columns and frames follow the session's settings, as in the thread that made it."""
    java: Any = spark.sparkContext._jvm  # noqa: SLF001  (pyspark does it in `createDataFrame` alone)
    java.SparkSession.setActiveSession(spark._jsparkSession)  # noqa: SLF001


def batch_frame(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Return the rows of a batch as a frame of as many partitions as they are worth; of one no step needs a shuffle.

    Like `frame_of` it lives in the driver. Arrow's bytes go to Java, and to the tasks, as they are: 4,000 records take
    0.01 s. Spark 3.5 has no public way to hand them over; its `createDataFrame` does this with what it makes of pandas.

    Args:
        spark: The session.
        table: Its types are those of `to_spark`, nested ones too.
    """
    schema, tasks = to_spark(table.schema), tasks_for(spark, table.num_rows)
    if table.num_rows == 0:
        return spark.createDataFrame([], schema)
    context: Any = spark.sparkContext
    java = context._jvm  # noqa: SLF001
    batches = context._serialize_to_jvm(  # noqa: SLF001
        table.combine_chunks().to_batches(max_chunksize=math.ceil(table.num_rows / tasks)),
        ArrowStreamSerializer(),
        java.PythonSQLUtils.readArrowStreamFromFile,
        java.ArrowIteratorServer,
    )
    with _set(spark, _LOCAL_RELATION, "0b"):
        frame = java.PythonSQLUtils.toDataFrame(batches, schema.json(), spark._jsparkSession)  # noqa: SLF001
    return DataFrame(frame, spark).coalesce(tasks)


def collected(frame: DataFrame) -> pa.Table:
    """Return a frame's rows in the driver, as Arrow.

    Spark 4 calls it `toArrow`; 3.5 has it for its own use alone, and by pandas numbers with nulls would be floats.
    """
    from pyspark.sql.pandas.types import to_arrow_schema  # noqa: PLC0415  (brings pandas)

    batches: list[pa.RecordBatch] = frame._collect_as_arrow()  # noqa: SLF001
    return pa.Table.from_batches(batches, None if batches else to_arrow_schema(frame.schema))


@contextmanager
def _set(spark: SparkSession, name: str, value: str) -> Iterator[None]:
    before = str(spark.conf.get(name))
    spark.conf.set(name, value)
    try:
        yield
    finally:
        spark.conf.set(name, before)


def quoted(name: str) -> str:
    """Return a column's name as Spark's SQL takes it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def tasks_for(spark: SparkSession, records: int) -> int:
    """Return how many tasks `records` are worth: by the batch's size, up to four for each core."""
    return max(1, min(4 * spark.sparkContext.defaultParallelism, math.ceil(records / RECORDS_PER_TASK)))


@contextmanager
def persisted(frame: DataFrame, *, needed: bool = True) -> Iterator[DataFrame]:
    """Keep what `frame` computes until the block ends.

    Args:
        frame: Computed when it is first used.
        needed: False changes nothing.
    """
    if not needed:
        yield frame
        return
    frame.persist()
    try:
        yield frame
    finally:
        frame.unpersist()
