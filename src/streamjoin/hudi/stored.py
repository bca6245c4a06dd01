"""The rows of a table, as Hudi's reader for Spark gives them."""

from pyspark.sql import DataFrame, SparkSession

from streamjoin.aws.storage import as_hadoop_path
from streamjoin.hudi.timeline import in_turn


def stored_rows(spark: SparkSession, base_path: str) -> DataFrame:
    """Return what a table holds as of now.

    Columns out: those of the table, and the five of Hudi.

    Raises:
        PySparkException, Py4JError: The table can't be read.
    """
    # Its columns are looked up here, in the newest commit; nothing else of a commit is read for its rows.
    with in_turn(base_path):
        return spark.read.format("hudi").load(as_hadoop_path(base_path))
