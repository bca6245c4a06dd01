"""The job as it is written today, in the manner of the blog posts: what `streamjoin` is measured against.

Every batch reads the stream, scans the whole reference table, joins, and upserts with Hudi's defaults. Where today's
scripts are wrong rather than slow this one is mended: all pages of the scan are read. There is no open Kinesis source
for Spark 3.5, so the stream is read as every Spark source would do it: a task a shard.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import boto3
import pyarrow as pa
from pyspark.accumulators import AccumulatorParam
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.stopwatch import Stopwatch
from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.orders import COUNTRY_TABLE, orders

RECORDS_PER_CALL = 10_000
ORDER_SCHEMA = ", ".join(f"{field} string" for field in next(orders()))
DROPPED = ("countryname", "country", "unitprice", "unitcost", "totalrevenue", "totalcost", "totalprofit")
DAY = "dt"
PAYLOAD = pa.schema([("data", pa.binary())])


class LastRead(AccumulatorParam[dict[str, str]]):
    """Carries each shard's last sequence number from the tasks to the driver, without a job of its own."""

    def zero(self, value: dict[str, str]) -> dict[str, str]:
        """Return what no task has said anything of."""
        return {}

    def addInPlace(self, value1: dict[str, str], value2: dict[str, str]) -> dict[str, str]:
        """Return the later of both, for each shard."""
        for shard_id, number in value2.items():
            value1[shard_id] = max(value1.get(shard_id, "0"), number, key=int)
        return value1


def today_session(spark: SparkSession, shuffle_partitions: int | None = None) -> SparkSession:
    """Return a session for today's script on the same Spark, adaptive as Spark has it by default.

    A tuned one, by default, has as many partitions in a shuffle as the session of `spark`.
    """
    partitions = shuffle_partitions or spark.conf.get("spark.sql.shuffle.partitions")
    session = spark.newSession()
    session.conf.set("spark.sql.adaptive.enabled", "true")
    session.conf.set("spark.sql.shuffle.partitions", str(partitions))
    return session


def todays_options(table_type: str, *, by_day: bool = False) -> dict[str, str]:
    """Return what the script says to Hudi; all else is at Hudi's default."""
    keys = "" if by_day else "org.apache.hudi.keygen.NonpartitionedKeyGenerator"
    return {
        "hoodie.table.name": "orders",
        "hoodie.datasource.write.table.type": table_type,
        "hoodie.datasource.write.operation": "upsert",
        "hoodie.datasource.write.recordkey.field": "uuid",
        "hoodie.datasource.write.precombine.field": "orderdate",
        "hoodie.datasource.write.partitionpath.field": DAY if by_day else "",
        **({"hoodie.datasource.write.keygenerator.class": keys} if keys else {}),
    }


class TodaysWay:
    """Today's script, a batch at a time.

    Args:
        spark: The session.
        stream_name: What is read, from its beginning.
        base_path: Where the table lies.
        table_type: COPY_ON_WRITE as in the script, or MERGE_ON_READ.
        counts: Whether each batch is counted first, as in the script, which reads the stream twice.
        table_name: The reference table.
        by_day: Whether the table has a partition a day, that of `impressiontime`.
        most_records: Of a batch, for a job that is behind; else it takes all that the stream has.
    """

    def __init__(  # noqa: PLR0913  (all but the first three have a default)
        self,
        spark: SparkSession,
        stream_name: str,
        base_path: str,
        *,
        table_type: str = "COPY_ON_WRITE",
        counts: bool = True,
        table_name: str = COUNTRY_TABLE,
        by_day: bool = False,
        most_records: int | None = None,
    ) -> None:
        self.base_path = base_path
        self._spark, self._stream_name, self._counts, self._by_day = spark, stream_name, counts, by_day
        shards = aws_client("kinesis").list_shards(StreamName=stream_name)["Shards"]
        self._shard_ids = [shard["ShardId"] for shard in shards]
        self._most_of_shard = most_records and most_records // len(shards)
        self._position: dict[str, str] = {}
        self._countries = boto3.resource("dynamodb").Table(table_name)
        self._options = todays_options(table_type, by_day=by_day)

    def idle(self) -> None:
        """Do nothing between two batches."""

    def run_batch(self, watch: Stopwatch) -> int | None:
        """Take what is in the stream to a commit; return how many records, if the script counts them."""
        last_read = self._spark.sparkContext.accumulator({}, LastRead())
        batch = self._read(last_read)
        records = batch.count() if self._counts else None
        watch.lap("count")
        if records == 0:
            return 0
        events = batch.select(F.from_json(F.col("data").cast("string"), ORDER_SCHEMA).alias("event")).select("event.*")
        countries = self._spark.createDataFrame(self._scan())
        watch.lap("reference")
        rows = events.join(countries, events.country == countries.countryname, "left").drop(*DROPPED)
        if self._by_day:
            rows = rows.withColumn(DAY, F.substring("impressiontime", 1, 10))
        rows.write.format("hudi").options(**self._options).mode("append").save(self.base_path)
        watch.lap("read, join, commit")
        self._position |= last_read.value
        return records

    def close(self) -> None:
        """Hold nothing."""

    def _read(self, last_read: Any) -> DataFrame:
        shard_ids, position, name = self._shard_ids, dict(self._position), self._stream_name
        most = self._most_of_shard

        def read_shards(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                indexes: list[Any] = batch.column("id").to_pylist()
                for index in indexes:
                    yield from read_shard(name, shard_ids[index], position, last_read, most)

        shards = self._spark.range(0, len(shard_ids), 1, len(shard_ids))
        return shards.mapInArrow(read_shards, "data binary")

    def _scan(self) -> Any:
        page = self._countries.scan()
        items = page["Items"]
        while "LastEvaluatedKey" in page:
            page = self._countries.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
            items += page["Items"]
        return items


def read_shard(
    stream_name: str, shard_id: str, position: Mapping[str, str], last_read: Any, most: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the payloads after `position` up to the shard's tip, at most so many if `most` says so."""
    kinesis = task_client()
    start = (
        {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": position[shard_id]}
        if shard_id in position
        else {"ShardIteratorType": "TRIM_HORIZON"}
    )
    iterator = kinesis.get_shard_iterator(StreamName=stream_name, ShardId=shard_id, **start)["ShardIterator"]
    left = sys.maxsize if most is None else most
    while left > 0:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=min(left, RECORDS_PER_CALL))
        left -= len(answer["Records"])
        if answer["Records"]:
            last_read.add({shard_id: answer["Records"][-1]["SequenceNumber"]})
            yield pa.RecordBatch.from_pydict({"data": [r["Data"] for r in answer["Records"]]}, PAYLOAD)
        if answer["MillisBehindLatest"] == 0:
            return
        iterator = answer["NextShardIterator"]


@cache
def task_client() -> Any:
    """Return the worker's client, made once: workers import this module by its name, so that its cache lives on."""
    return boto3.client("kinesis")
