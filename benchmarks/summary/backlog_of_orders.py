"""A stream that holds more than a batch may have: what a job that is behind reads, and its table must hold then."""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from typing import Any

from benchmarks.expectation import Row, check_table
from benchmarks.stopwatch import Stopwatch
from benchmarks.variants import Batch, Way
from benchmarks.workload import SHARDS, country_item
from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.orders import orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import create_stream

# The shards have not quite the same number of records, and each batch is to have as many of each.
_MARGIN = 1.05


@dataclass(frozen=True)
class OrdersBacklog:
    """Orders that lie in a stream before any job starts.

    Args:
        stream_name: The stream; jobs read it each for itself.
        items: Of the reference.
        records: Of a batch.
        batches: That each job can take.
    """

    stream_name: str
    items: int
    records: int
    batches: int

    def put(self) -> None:
        """Create the stream, and put all of it."""
        client = aws_client("kinesis")
        create_stream(client, self.stream_name, SHARDS)
        produce(client, self.stream_name, islice(orders(), self._all), record_key="uuid")

    def check(self, base_path: str, batches: int) -> tuple[int, list[str]]:
        """Compare a table with what it must hold after so many batches, each with as many records of each shard."""
        return check_table(base_path, self.rows(batches))

    @cache  # noqa: B019  (a process measures two of them)
    def rows(self, batches: int) -> dict[str, Row]:
        """Return what a table must hold after so many batches: what the emulator gives of each shard, joined."""
        combined = {item["countryname"]: item["combinedname"] for item in map(country_item, range(self.items))}
        rows: dict[str, Row] = {}
        for records in self._of_shards:
            for data in records[: batches * self.records // SHARDS]:
                event = json.loads(data)
                rows[event["uuid"]] = (event["country"], combined.get(event["country"]))
        return rows

    @property
    def _all(self) -> int:
        return int(self.records * self.batches * _MARGIN) + 400

    @cached_property
    def _of_shards(self) -> list[list[bytes]]:
        """What the jobs can take of each shard."""
        client, found = aws_client("kinesis"), []
        for shard in client.list_shards(StreamName=self.stream_name)["Shards"]:
            where: dict[str, Any] = {"StreamName": self.stream_name, "ShardId": shard["ShardId"]}
            iterator = client.get_shard_iterator(**where, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            records: list[bytes] = []
            while left := self.batches * self.records // SHARDS - len(records):
                answer = client.get_records(ShardIterator=iterator, Limit=min(left, 10_000))
                if not answer["Records"]:
                    message = f"stream '{self.stream_name}' shard '{shard['ShardId']}': {left} records less than put"
                    raise RuntimeError(message)
                records += [record["Data"] for record in answer["Records"]]
                iterator = answer["NextShardIterator"]
            found.append(records)
        return found


def drain(way: Way, batches: int) -> list[Batch]:
    """Let a job that is behind take batches as its loop does: while one is committed, the next is prepared.

    Nothing of it goes on afterwards. The first is not prepared, and beside the last nothing is: they don't count.
    """
    found = []
    for number in range(batches):
        watch = Stopwatch()
        records = way.run_batch(watch, is_last=number == batches - 1)
        found.append(Batch(watch.seconds, watch.laps, records))
    return found
