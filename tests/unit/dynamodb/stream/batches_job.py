"""A process that reads a table's stream in batches and commits them, for tests."""

from typing import Any

from streamjoin.dynamodb.stream.batches import TableBatch, TableStreamBatches
from streamjoin.dynamodb.stream.stream import TableStream
from streamjoin.history import checkpoint
from streamjoin.history.entry import Entry
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.shards.position import Position
from streamjoin.verify.chain import Chain
from tests.faults.reference import FakeClock
from tests.faults.stream import FakeTableStream

PLENTY = BatchLimits(10_000, 10**9)


def item(code: str, value: int = 0) -> dict[str, Any]:
    return {"code": {"S": code}, "value": {"N": str(value)}}


class Job:
    """A process that commits what it reads, and joins its commits as `verify` does."""

    def __init__(self, *, at_tip: bool = False, fail_on_data_loss: bool = True, **stream: Any) -> None:
        self.clock, self.fails = FakeClock(), fail_on_data_loss
        self.table = FakeTableStream(clock=self.clock, **stream)
        self.records: list[dict[str, Any]] = []
        self.batches: list[TableBatch] = []
        self.chain, self.violations, self._instant = Chain(), list[Any](), 0
        begun = self.open()
        begun.start_at_tip() if at_tip else begun.start_at_trim_horizon()
        self.position = begun.position
        self._commit("start", self.position, ())
        self.reader = self.read_from_position(begun)

    def open(self) -> TableStream:
        return TableStream(
            self.table, self.table.arn, table_name="countries", clock=self.clock, sleep=self.clock.advance
        )

    def read_from_position(self, begun: TableStream | None = None) -> TableStreamBatches:
        return TableStreamBatches(self.open, self.position, fail_on_data_loss=self.fails, begun=begun, clock=self.clock)

    def restart(self) -> None:
        self.reader = self.read_from_position()

    def read(self, limits: BatchLimits = PLENTY, *, commits: bool = True) -> TableBatch:
        batch = self.reader.read(limits)
        is_told = any(r.records or r.lost or r.drained for r in batch.ranges)
        if commits and is_told:
            self.records += batch.records.to_pylist()
            self.batches.append(batch)
            self.position = batch.position
            self._commit(f"b{self._instant}", batch.position, batch.ranges)
        return batch

    def drain(self, limits: BatchLimits = PLENTY) -> None:
        for _ in range(200):
            if self.read(limits).at_tip:
                return
            self.clock.advance(1)
        raise AssertionError("the tip was not reached")

    def _commit(self, batch_id: str, position: Position, ranges: Any) -> None:
        self._instant += 1
        metadata = {"batch_id": batch_id, **checkpoint.to_metadata(position, tuple(ranges), {}, {})}
        self.violations += self.chain.join(Entry.of(f"{self._instant:017d}", metadata))

    def numbers(self) -> list[str]:
        return [record["sequence_number"] for record in self.records]
