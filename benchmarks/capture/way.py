"""The job `capture` as `streamjoin run` runs it, driven batch by batch, and the changes that it is given."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
import pyarrow as pa
from pyspark.sql import SparkSession

from benchmarks.our_way import JobWay
from benchmarks.workload import SHARDS
from streamjoin.aws.clients import aws_client
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.job import assemble
from streamjoin.capture.pipeline import process_batch, starting_point
from streamjoin.capture.sources import source_of
from streamjoin.entry import load_job
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.local.samples.orders import orders
from streamjoin.local.samples.produce import RECORDS_PER_CALL
from streamjoin.local.tables import create_stream
from streamjoin.query import read_table
from streamjoin.streaming.pace import Pace

TABLE = "orders"
# Of a batch: the rest are inserts.
MODIFIED_SHARE, REMOVED_SHARE = 0.3, 0.1

Order = Mapping[str, str]


class Changes:
    """Changes of a table of orders, and what the table holds after them.

    Args:
        stream_name: Where they are put.
        records: Changes of a batch.

    Attributes:
        items: The table's content.
    """

    def __init__(self, stream_name: str, records: int) -> None:
        self.stream_name, self._records = stream_name, records
        self.items: dict[str, Order] = {}
        self._dice = random.Random(7)
        self._orders = orders()
        self._numbers = count(10**20)

    def create_stream(self) -> None:
        """Create the stream."""
        create_stream(aws_client("kinesis"), self.stream_name, SHARDS)

    def send(self, batch: int) -> None:
        """Put the next batch into the stream, whatever its number."""
        kinesis: Any = aws_client("kinesis")
        changes = self.batch(self._records)
        for start in range(0, len(changes), RECORDS_PER_CALL):
            answer = kinesis.put_records(StreamName=self.stream_name, Records=changes[start : start + RECORDS_PER_CALL])
            if answer["FailedRecordCount"]:
                message = f"stream '{self.stream_name}': {answer['FailedRecordCount']} records were refused"
                raise RuntimeError(message)

    def check(self, base_path: str) -> tuple[int, list[str]]:
        """Compare a captured table with the items; return how many rows it has, and what is wrong."""
        table = read_table(base_path)
        return table.num_rows, item_problems(table, self.items)

    def batch(self, size: int) -> list[dict[str, Any]]:
        """Return so many changes as records of a stream."""
        return [self._change() for _ in range(size)]

    def _change(self) -> dict[str, Any]:
        draw = self._dice.random() if len(self.items) > 1_000 else 1.0
        # Keys are random, so that any of them is as good as another: the one that hasn't changed for longest.
        old = self.items.pop(next(iter(self.items))) if draw < REMOVED_SHARE + MODIFIED_SHARE else None
        if old is None:
            new: Order | None = next(self._orders)
        else:
            new = None if draw < REMOVED_SHARE else {**old, "unitssold": str(self._dice.randrange(10_000))}
        uuid = (new or old or {})["uuid"]
        if new is not None:
            self.items[uuid] = new
        return {"PartitionKey": uuid, "Data": self._record(uuid, old, new)}

    def _record(self, uuid: str, old: Order | None, new: Order | None) -> bytes:
        images = {"OldImage": old, "NewImage": new}
        return msgspec.json.encode(
            {
                "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}/stream/2026",
                "dynamodb": {
                    "ApproximateCreationDateTime": int(datetime.now(UTC).timestamp()),
                    "Keys": {"uuid": {"S": uuid}},
                    **{name: {n: {"S": v} for n, v in image.items()} for name, image in images.items() if image},
                    "SequenceNumber": str(next(self._numbers)),
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            }
        )


def item_problems(table: pa.Table, items: Mapping[str, Order]) -> list[str]:
    """Return what is wrong with a captured table: it must have the items that are left, each with all attributes."""
    rows = {row["uuid"]: row for row in table.select(list(next(iter(items.values())))).to_pylist()}
    problems = []
    if table.num_rows != len(rows):
        problems.append(f"expected one row an item, found {table.num_rows:,} rows of {len(rows):,}")
    wrong = sorted(uuid for uuid in rows.keys() | items.keys() if rows.get(uuid) != items.get(uuid))
    if wrong:
        problems.append(f"{len(wrong):,} of {len(items):,} items differ from their rows, among them {wrong[:3]}")
    return problems


def job_config(stream_name: str, base_path: str, table_type: str) -> dict[str, Any]:
    """Return a configuration that keeps a Hudi table equal to the table of orders; the rest is at its default."""
    columns = ", ".join(f"{name} string" for name in next(orders()))
    hudi = {"base_path": base_path, "table_name": TABLE, "record_key": ["uuid"], "table_type": table_type}
    return {
        "job": "capture",
        "name": stream_name,
        "source": {"kinesis": {"stream_name": stream_name, "starting_position": "TRIM_HORIZON"}},
        "tables": [{"table_name": TABLE, "schema": columns, "sink": {"hudi": hudi}}],
        "dead_letters": {"base_path": f"{base_path}_dead_letters"},
        "trigger": {"interval_seconds": 0},
    }


def capture_way(spark: SparkSession, settings: Mapping[str, Any]) -> JobWay:
    """Return `streamjoin.capture.pipeline.run`, a batch at a time."""
    config = load_job(settings)
    assert isinstance(config, CaptureConfig)
    source = source_of(config)
    source.check()
    job = assemble(config)
    pace = Pace(BatchLimits.of(config.limits), config.limits.target_batch_seconds)
    reader = source.open_reader(spark, starting_point(job, source, spark)())
    base_path = config.tables[0].sink.hudi.base_path
    return JobWay(base_path, lambda batch, on_step: process_batch(job, batch, on_step=on_step), reader, pace)
