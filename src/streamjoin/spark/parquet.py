"""Parquet files that hold every value, and are read as they were written.

Dates before 1582-10-15 and times before 1900 are what they say, also in files whose writer doesn't tell its calendar:
Spark's default is to refuse them. And an array may hold nulls: Parquet's older form of lists, which Avro's writer takes
unless told otherwise, has no place for them. Sources: spark.apache.org/docs/3.5.6, "Parquet Files";
github.com/apache/parquet-java, parquet-avro/README.md.
"""

from typing import Final

from pyspark.sql import SparkSession

PARQUET_SETTINGS: Final = {
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}
"""Settings of a session."""

_OLD_LISTS: Final = "parquet.avro.write-old-list-structure"


def set_parquet(session: SparkSession) -> None:
    """Let a session, also one that is not ours, write Parquet files that hold every value, and read them.

    Idempotent. To be called where the write happens: on a cluster the session was made by others.
    """
    for key, value in PARQUET_SETTINGS.items():
        session.conf.set(key, value)
    context = session.sparkContext
    context._jsc.hadoopConfiguration().set(_OLD_LISTS, "false")  # noqa: SLF001  (pyspark has no other way to it)
