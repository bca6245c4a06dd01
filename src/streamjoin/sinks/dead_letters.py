"""Rejected records, each kept with its bytes, where it came from and why."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamjoin.sinks.hudi import HudiTable, upsert

_ID = "dead_letter_id"
_DATE = "dt"
_WRITTEN_ORDER = "_ordering_us"


@dataclass(frozen=True)
class DeadLetters:
    """The dead-letter table of one job: a Hudi table, partitioned by the day on which the record arrived.

    Args:
        base_path: Where the table lies.
        table_name: Its name.
    """

    base_path: str
    table_name: str

    def write(self, rejected: DataFrame, *, batch_id: str, parallelism: int = 1) -> None:
        """Upsert the rejected records of a batch.

        Columns in: those of a record, `reason`, `detail`.
        Columns out: the same, `dead_letter_id`, `dt` (day of arrival, UTC), `_ordering_us`.
        Delivery: at least once, before the batch's commit; a row is known by stream, shard and sequence numbers, so
            that writing it again changes nothing.

        Raises:
            SinkError: The write failed; the batch must not be committed.
        """
        place = F.concat_ws("/", "stream", "shard_id", "sequence_number", F.col("sub_sequence_number").cast("string"))
        arrived = F.col("approximate_arrival_timestamp")
        rows = rejected.withColumns(
            {
                # A frame that is not from Kinesis has no place in a shard: there the content identifies the record.
                _ID: F.when(F.col("sequence_number").isNotNull(), place).otherwise(
                    F.sha2(F.coalesce(F.col("data"), F.lit(b"")), 256)
                ),
                _DATE: F.coalesce(F.date_format(arrived, "yyyyMMdd"), F.lit("00000000")),
                _WRITTEN_ORDER: F.coalesce(F.unix_micros(arrived), F.lit(0).cast("bigint")),
            }
        )
        upsert(rows, self._table(), commit_metadata={"batch_id": batch_id}, parallelism=parallelism)

    def _table(self) -> HudiTable:
        return HudiTable(
            base_path=self.base_path,
            table_name=self.table_name,
            record_key=(_ID,),
            ordering=_WRITTEN_ORDER,
            partition_by=(_DATE,),
            # The day of arrival never changes, so that a row can't move to another partition.
            options={"hoodie.index.type": "BUCKET", "hoodie.bucket.index.num.buckets": "1"},
        )
