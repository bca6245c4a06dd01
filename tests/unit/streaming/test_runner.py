"""The loop, over a reader and a job in memory."""

from collections.abc import Iterable
from typing import Any, cast

import pytest

from streamjoin.errors import SourceError
from streamjoin.history.counts import BatchCounts
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.shards.position import LostRange, Position, ShardRange
from streamjoin.streaming.batch import Batch, batch_id_of
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.runner import RunSummary, StreamJob, Until, run_stream
from streamjoin.streaming.signals import StopRequest

NOWHERE = Position("s", {})


class NoWaiting(StopRequest):
    def wait(self, seconds: float) -> None:
        del seconds


class Reader:
    """Gives these ranges, a batch each, and is caught up then."""

    def __init__(self, batches: Iterable[tuple[ShardRange, ...]]) -> None:
        self._batches = list(batches)
        self.caught_up, self.is_closed, self.ahead = False, False, 0

    def next(self, limits: BatchLimits) -> Batch:
        ranges = self._batches.pop(0) if self._batches else ()
        self.caught_up = not self._batches
        return Batch(batch_id_of(ranges), cast(Any, None), NOWHERE, ranges)

    def fetch_ahead(self, limits: BatchLimits) -> None:
        self.ahead += 1

    def close(self) -> None:
        self.is_closed = True


def read(records: int = 0, *, drained: bool = False, lost: LostRange | None = None) -> ShardRange:
    first, last = ("1", "2") if records else (None, None)
    return ShardRange("a", first, last, records, 0, drained, 0, 0, lost)


class Job:
    def __init__(self, *batches: tuple[ShardRange, ...], fails: int = 0) -> None:
        self.batches, self.fails = batches, fails
        self.processed: list[tuple[ShardRange, ...]] = []
        self.readers: list[Reader] = []
        self.left = 0

    def open_reader(self) -> Reader:
        self.readers.append(Reader(self.batches[len(self.processed) :]))
        return self.readers[-1]

    def process(self, batch: Batch) -> BatchReport:
        if self.fails:
            self.fails -= 1
            message = "not now"
            raise SourceError(message, retryable=True)
        self.processed.append(batch.ranges)
        return BatchReport(
            job="j", batch_id="b", counts=BatchCounts(), millis_behind_latest=0, seconds=0.0, fetch_seconds=0.0
        )

    def settle(self) -> bool:
        self.left = max(0, self.left - 1)
        return not self.left

    def run(self, until: Until = Until(caught_up=True)) -> RunSummary:  # noqa: B008  (frozen)
        job = StreamJob(self.open_reader, self.process, 0.0, self.settle)
        return run_stream(job, Pace(BatchLimits(10, 10), None), NoWaiting(), until)


def test_batches_are_processed_until_caught_up_and_the_reader_is_closed() -> None:
    job = Job((read(2),), (read(1),))
    summary = job.run()
    assert (summary.batches, summary.records, summary.caught_up) == (2, 3, True)
    assert [(reader.is_closed, reader.ahead) for reader in job.readers] == [(True, 1)]


def test_nothing_is_committed_if_nothing_was_read() -> None:
    job = Job((read(),), (read(1),), (read(),))
    job.batches = ((read(),), (read(1),))
    assert job.run().batches == 1


@pytest.mark.parametrize("told", [read(drained=True), read(lost=LostRange("1", None))])
def test_the_end_of_a_shard_and_a_lost_range_are_committed_also_without_records(told: ShardRange) -> None:
    job = Job((told,), (read(1),))
    assert job.run().batches == 2
    assert job.processed[0] == (told,)


def test_after_an_error_that_may_pass_another_reader_goes_on_from_where_the_job_says() -> None:
    job = Job((read(1),), (read(2),), fails=2)
    assert job.run().records == 3
    assert [reader.is_closed for reader in job.readers] == [True, True, True]


def test_a_run_is_not_caught_up_as_long_as_something_is_left_between_batches() -> None:
    job = Job((read(1),))
    job.left = 5
    assert (job.run().caught_up, job.left) == (True, 0)


def test_a_run_ends_after_so_many_batches_those_without_records_counted() -> None:
    job = Job((read(drained=True),), (read(2),), (read(3),))
    summary = job.run(Until(batches=2))
    assert (summary.batches, summary.records, summary.caught_up) == (2, 2, False)
