"""How many requests Spark's own file system has sent to S3, as it counts them itself."""

from typing import Any, Final

from pyspark.sql import SparkSession

# Source: Hadoop 3.3.4, S3AStorageStatistics and Statistic.STORE_IO_REQUEST: each request of the SDK, repeated ones too.
_STATISTICS: Final = "S3AStorageStatistics"
_REQUESTS: Final = "store_io_request"


class S3Requests:
    """Counts the requests of the driver's Java between two looks.

    Not those of executors elsewhere, nor those of Python (ledger, lock, timeline). Where the file system isn't Hadoop's
    S3A, nothing is counted.
    """

    def __init__(self) -> None:
        self._before: int | None = None

    def take(self, spark: SparkSession) -> int | None:
        """Return how many there were since this was called before; None if that isn't known."""
        java: Any = spark.sparkContext._jvm  # noqa: SLF001  (there is no public way to Hadoop's statistics)
        found = java.org.apache.hadoop.fs.FileSystem.getGlobalStorageStatistics().get(_STATISTICS)
        count = None if found is None else found.getLong(_REQUESTS)
        before, self._before = self._before, count
        return None if count is None or before is None else int(count - before)
