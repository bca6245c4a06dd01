"""Arrow tables of the driver as Spark frames."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamjoin.spark.schema import to_spark

# One task without a shuffle beats two with one up to about here: a task decodes so many records in 0.1 s.
RECORDS_PER_TASK = 10_000


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
