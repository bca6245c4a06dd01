"""The job `capture` as `streamjoin run` runs it, driven batch by batch, and the changes that it is given."""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
from pyspark.sql import SparkSession
from stopwatch import Stopwatch

from streamjoin.aws.clients import aws_client
from streamjoin.capture.assembly import assemble, batch_limits
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.pipeline import process_batch, starting_point
from streamjoin.capture.sources import source_of
from streamjoin.entry import load_job
from streamjoin.local.samples.orders import orders
from streamjoin.streaming.pace import Pace

TABLE = "orders"
PUT_RECORDS = 500
# Of a batch: the rest are inserts.
MODIFIED_SHARE, REMOVED_SHARE = 0.3, 0.1
# What `process_batch` has done when it calls `at`; before the first of them the batch is read.
STEPS = {
    "read": "read",
    "counted": "changes, rows, count",
    "dead_letters_written": "dead letters",
    "tombstones_written": "tombstones",
    "table_committed": "commit",
    "committed": "all commits",
    "recorded": "journal",
}


class Changes:
    """Changes of a table of orders, and what the table holds after them.

    Attributes:
        items: The table's content.
    """

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._dice = random.Random(7)
        self._orders = orders()
        self._numbers = count(10**20)

    def batch(self, size: int) -> list[tuple[str, bytes]]:
        """Return so many changes: partition key and record."""
        return [self._change() for _ in range(size)]

    def _change(self) -> tuple[str, bytes]:
        draw = self._dice.random() if len(self.items) > 1_000 else 1.0
        if draw < REMOVED_SHARE:
            uuid = self._any()
            old = self.items.pop(uuid)
            return uuid, self._record("REMOVE", old, None)
        if draw < REMOVED_SHARE + MODIFIED_SHARE:
            old = self.items[self._any()]
            new = {**old, "unitssold": str(self._dice.randrange(10_000))}
        else:
            old, new = None, dict(next(self._orders))
        self.items[new["uuid"]] = new
        return new["uuid"], self._record("MODIFY" if old else "INSERT", old, new)

    def _any(self) -> str:
        # Keys are random, so that any of them is as good as another; the oldest are found first.
        uuid = next(iter(self.items))
        self.items[uuid] = self.items.pop(uuid)
        return uuid

    def _record(self, operation: str, old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> bytes:
        uuid = (new or old or {})["uuid"]
        images = {name: typed(item) for name, item in (("OldImage", old), ("NewImage", new)) if item is not None}
        return msgspec.json.encode(
            {
                "eventName": operation,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "eventSourceARN": f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}/stream/2026",
                "dynamodb": {
                    "ApproximateCreationDateTime": int(datetime.now(UTC).timestamp()),
                    "Keys": {"uuid": {"S": uuid}},
                    **images,
                    "SequenceNumber": str(next(self._numbers)),
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            }
        )


def typed(item: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return an order in DynamoDB's form."""
    return {name: {"S": value} for name, value in item.items()}


def send(stream_name: str, changes: list[tuple[str, bytes]]) -> None:
    """Put the changes into the stream."""
    kinesis: Any = aws_client("kinesis")
    for some in chunks(changes):
        answer = kinesis.put_records(
            StreamName=stream_name, Records=[{"PartitionKey": key, "Data": data} for key, data in some]
        )
        if answer["FailedRecordCount"]:
            message = f"stream '{stream_name}': {answer['FailedRecordCount']} of {len(some)} records were refused"
            raise RuntimeError(message)


def chunks(changes: list[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the changes, as many at a time as PutRecords takes."""
    for start in range(0, len(changes), PUT_RECORDS):
        yield changes[start : start + PUT_RECORDS]


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


class CaptureWay:
    """`streamjoin.capture.pipeline.run`, a batch at a time.

    Args:
        spark: The session.
        settings: The job's configuration, as `job_config` gives it.

    Attributes:
        base_path: Where the table lies.
    """

    def __init__(self, spark: SparkSession, settings: Mapping[str, Any]) -> None:
        config = load_job(settings)
        assert isinstance(config, CaptureConfig)
        self.base_path = config.tables[0].sink.hudi.base_path
        source = source_of(config)
        source.check()
        self._job = assemble(config)
        self._pace = Pace(batch_limits(config), config.limits.target_batch_seconds)
        self._reader = source.open_reader(spark, starting_point(self._job, source, spark)())

    def idle(self) -> None:
        """Look for records while there are none, as the runner does between two batches."""
        self._reader.next(self._pace.limits)

    def run_batch(self, watch: Stopwatch) -> int:
        """Take what is in the stream to the journal's entry; return how many records."""
        batch = self._reader.next(self._pace.limits)
        if not self._reader.caught_up:
            self._reader.fetch_ahead(self._pace.limits)
        report = process_batch(self._job, batch, at=lambda step: watch.lap(STEPS[step]))
        watch.lap("let go of the batch")
        self._pace.took(report.counts.read, report.seconds)
        return report.counts.read

    def close(self) -> None:
        """End the background thread."""
        self._reader.close()
