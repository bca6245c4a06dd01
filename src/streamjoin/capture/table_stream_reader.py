"""The batches of a DynamoDB table's own stream, by threads of the driver."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from pyspark.sql import SparkSession

from streamjoin.dynamodb.stream.batches import TableBatch, TableStreamBatches
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.spark.frames import frame_of
from streamjoin.streaming.batch import Batch, batch_id_of


class TableStreamReader:
    """A `BatchReader` of a table's stream: fetches the next batch while this one is processed.

    Invariant: one thread at a time reads, the background one: what is fetched ahead is the next batch, whatever the
    limits have become.

    Args:
        spark: The session.
        open_batches: Opens the stream where the reader is to begin.
    """

    def __init__(self, spark: SparkSession, open_batches: Callable[[], TableStreamBatches]) -> None:
        self._spark = spark
        self._batches = open_batches()
        self._ahead: Future[TableBatch] | None = None
        self._background = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead")
        self.caught_up = False

    def next(self, limits: BatchLimits) -> Batch:
        """Return the next batch; one without records when there are none."""
        ahead, self._ahead = self._ahead, None
        read = (ahead or self._background.submit(self._batches.read, limits)).result()
        self.caught_up = read.at_tip
        return Batch(
            batch_id=batch_id_of(read.ranges),
            records=frame_of(self._spark, read.records, RECORD_SCHEMA),
            position=read.position,
            ranges=read.ranges,
            fetch_seconds=read.seconds,
        )

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Start to fetch the next batch in the background."""
        self._ahead = self._background.submit(self._batches.read, limits)

    def close(self) -> None:
        """Let go of the background thread; what it still fetches is not used."""
        self._background.shutdown(wait=False, cancel_futures=True)
