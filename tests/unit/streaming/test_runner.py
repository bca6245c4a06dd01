"""The loop, over a reader and a job in memory."""

import logging
from collections.abc import Iterable
from typing import Any, cast

import pytest

from streamjoin.errors import ConfigError, DataLossError, SourceError
from streamjoin.history.counts import BatchCounts
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.process import FIELDS, ExitCode, exit_code_of
from streamjoin.shards.position import LostRange, Position, ShardRange
from streamjoin.streaming.attempts import MAX_ATTEMPTS
from streamjoin.streaming.batch import Batch, batch_id_of
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.runner import RunSummary, StreamJob, Until, run_stream
from streamjoin.streaming.signals import StopRequest

NOWHERE = Position("s", {})
LOST = "records are gone"


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
        self.reader_kind, self.fails_between = Reader, False

    def open_reader(self) -> Reader:
        self.readers.append(self.reader_kind(self.batches[len(self.processed) :]))
        return self.readers[-1]

    def process(self, batch: Batch) -> BatchReport:
        if self.fails:
            self.fails -= 1
            message = "not now"
            raise SourceError(message, retryable=True)
        self.processed.append(batch.ranges)
        self.fails = int(self.fails_between)
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
    assert job.run().commits == 2
    assert job.processed[0] == (told,)


def test_after_an_error_that_may_pass_another_reader_goes_on_from_where_the_job_says() -> None:
    job = Job((read(1),), (read(2),), fails=2)
    assert job.run().records == 3
    assert [reader.is_closed for reader in job.readers] == [True, True, True]


def test_a_run_is_not_caught_up_as_long_as_something_is_left_between_batches() -> None:
    job = Job((read(1),))
    job.left = 5
    assert (job.run().caught_up, job.left) == (True, 0)


def test_a_run_ends_after_so_many_batches_those_without_records_not_counted() -> None:
    job = Job((read(drained=True),), (read(2),), (read(3),))
    summary = job.run(Until(batches=1))
    assert (summary.batches, summary.records, summary.caught_up, summary.commits) == (1, 2, False, 2)


def test_commits_without_records_are_progress_for_the_attempts_after_them() -> None:
    job = Job(*[(read(drained=True),)] * 8)
    job.fails_between = True
    assert job.run().commits == 8


class CutOff(Reader):
    """Is cut off when it has nothing to give for the second time."""

    def next(self, limits: BatchLimits) -> Batch:
        if self.caught_up:
            message = "killed"
            raise SourceError(message, retryable=True)
        return super().next(limits)


def test_a_source_that_is_cut_off_while_nothing_is_left_to_read_is_opened_again_however_often() -> None:
    job, until = Job(), Until()
    job.reader_kind = CutOff
    stop = NoWaiting()

    def open_reader() -> Reader:
        if len(job.readers) > 20:
            stop.make()
        return job.open_reader()

    summary = run_stream(
        StreamJob(open_reader, job.process, 0.0, job.settle), Pace(BatchLimits(10, 10), None), stop, until
    )
    assert summary.commits == 0


class Idle(Reader):
    """Has something only when it is asked for the second time."""

    is_first = True

    def next(self, limits: BatchLimits) -> Batch:
        self._batches = [] if self.is_first else [(read(1),)]
        self.is_first = False
        return super().next(limits)


def test_a_step_that_fails_time_and_again_ends_the_run_also_if_all_was_read_before() -> None:
    job = Job(fails=MAX_ATTEMPTS + 1)
    job.reader_kind = Idle
    with pytest.raises(SourceError, match="not now"):
        job.run(Until())
    assert len(job.readers) == MAX_ATTEMPTS


class LossAhead(Reader):
    """Has lost what comes after its last batch."""

    def next(self, limits: BatchLimits) -> Batch:
        batch = super().next(limits)
        if not batch.ranges:
            raise DataLossError(LOST)
        self.caught_up = False
        return batch

    def fetch_ahead(self, limits: BatchLimits) -> None:
        raise DataLossError(LOST)


def test_the_batch_in_hand_is_committed_though_the_next_one_cannot_be_read() -> None:
    job = Job((read(2),))
    job.reader_kind = LossAhead
    with pytest.raises(DataLossError, match=LOST):
        job.run()
    assert job.processed == [(read(2),)]


class Refusing(Reader):
    """Its second batch doesn't go with the configuration."""

    def next(self, limits: BatchLimits) -> Batch:
        batch = super().next(limits)
        self.caught_up = False
        if not batch.ranges:
            raise ConfigError(["tables: two would have one name"], "job.yaml")
        return batch


def test_what_comes_while_the_job_runs_is_no_wrong_configuration() -> None:
    job = Job((read(2),))
    job.reader_kind = Refusing
    assert exit_code_of(job.run) is ExitCode.FAILED
    with pytest.raises(SourceError, match="two would have one name"):
        job.run()


def test_what_the_start_finds_wrong_is_the_configuration() -> None:
    def refuse() -> Reader:
        raise ConfigError(["tables: two would have one name"], "job.yaml")

    job = Job()
    job.open_reader = refuse  # type: ignore[method-assign]
    assert exit_code_of(job.run) is ExitCode.CONFIG


def test_the_numbers_of_each_batch_are_told_and_a_retry_is_counted_before_it() -> None:
    job, told, retries = Job((read(2),), (read(1),), fails=2), list[list[str]](), list[int]()
    run_stream(
        StreamJob(
            job.open_reader,
            job.process,
            0.0,
            tell=lambda measures: told.append([each.key for each in measures]),
            on_retry=lambda: retries.append(len(told)),
        ),
        Pace(BatchLimits(10, 10), None),
        NoWaiting(),
        Until(caught_up=True),
    )
    assert retries == [0, 0]
    assert len(told) == 2
    assert all({"records_read", "lag_seconds", "batch_seconds"} <= set(keys) for keys in told)


def test_the_line_of_a_batch_has_its_metrics_for_a_log_of_json(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="streamjoin"):
        Job((read(2),)).run()
    (record,) = [each for each in caplog.records if hasattr(each, FIELDS)]
    assert record.getMessage().startswith("job=j batch=b read=0 ")
    assert getattr(record, FIELDS)["batch_seconds"] == 0.0
