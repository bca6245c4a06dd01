"""What a table is given for as many batches as one likes: new versions of the same rows, so that it doesn't grow."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pyspark.sql import SparkSession

from benchmarks.expectation import Row
from benchmarks.workload import ARRIVED, SHARDS, payloads_of, records_of, shard_id
from streamjoin.local.samples.orders import COUNTRY_ROWS, orders
from streamjoin.shards.position import Position, ShardRange
from streamjoin.spark.frames import batch_frame
from streamjoin.streaming.batch import Batch

# The column of the table that says which batch wrote the row.
VERSION_COLUMN = "unitssold"
# As wide as those of the service.
_FIRST_SEQUENCE_NUMBER = 10**55
_COMBINED = {str(item["countryname"]): str(item["combinedname"]) for item in COUNTRY_ROWS}
# Those of the reference table, and one that it lacks.
_COUNTRIES = (*_COMBINED, "Brazil")


@dataclass(frozen=True)
class Updates:
    """Batches that go round and round the same record keys.

    Args:
        stream_name: Whose records they would be; nothing reads it, since an emulator slows with what it holds.
        keys: So many orders; a multiple of `records`.
        records: Events of a batch, each of another order.
    """

    stream_name: str
    keys: int
    records: int

    def events(self, batch: int) -> Iterator[dict[str, str]]:
        """Yield the events of batch number `batch`, counted from 0: its orders, each in the version of this batch."""
        start = batch * self.records % self.keys
        for index, order in enumerate(islice(orders(start=start), self.records), start):
            yield order | {"country": _COUNTRIES[(index + batch) % len(_COUNTRIES)], VERSION_COLUMN: str(batch)}

    def batch(self, spark: SparkSession, number: int, payloads: list[bytes]) -> Batch:
        """Return a batch as the runner gives it to the job; its payloads were made before the clock runs."""
        ranges = self.ranges(number, payloads)
        records = records_of(self.stream_name, payloads, int(self._sequence_number(number, 0)))
        return Batch(
            batch_id=f"{number:012d}",
            records=batch_frame(spark, records),
            position=Position(self.stream_name, {}).advance(ranges),
            ranges=ranges,
            table=records,
        )

    def payloads(self, number: int) -> list[bytes]:
        """Return the events of a batch as a producer sends them."""
        return payloads_of(self.events(number))

    def ranges(self, number: int, payloads: list[bytes]) -> tuple[ShardRange, ...]:
        """Return what the batch read of each shard; it follows on that of the batch before."""
        found = []
        for shard in range(min(SHARDS, self.records)):
            own = range(shard, self.records, SHARDS)
            found.append(
                ShardRange(
                    shard_id=shard_id(shard),
                    first=self._sequence_number(number, own[0]),
                    last=self._sequence_number(number, own[-1]),
                    records=len(own),
                    bytes=sum(len(payloads[index]) for index in own),
                    drained=False,
                    millis_behind_latest=0,
                    read_at_ms=int(ARRIVED.timestamp() * 1000) + number,
                    after=self._sequence_number(number - 1, own[-1]) if number else None,
                )
            )
        return tuple(found)

    def expected(self, batches: int) -> dict[str, tuple[Row, str]]:
        """Return, by uuid, what the rows must be after so many batches: country, its combined name, the version."""
        rows: dict[str, tuple[Row, str]] = {}
        # An order's last version is among the batches of the last time round.
        for number in range(max(0, batches - self.keys // self.records), batches):
            for event in self.events(number):
                name = _COMBINED.get(event["country"])
                rows[event["uuid"]] = (event["country"], name), event[VERSION_COLUMN]
        return rows

    def _sequence_number(self, number: int, index: int) -> str:
        return str(_FIRST_SEQUENCE_NUMBER + number * self.records + index)
