"""The job `capture`: changes of DynamoDB tables, from a stream into tables of the lake, each change exactly once."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from streamjoin.capture.backfill_note import noted_moment
from streamjoin.capture.changes.read import read_changes
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.capture.isolation import unwritable_rows
from streamjoin.capture.job import CaptureJob, prepare
from streamjoin.capture.left_out import check_left_out
from streamjoin.capture.parts import BatchParts, Part, divide
from streamjoin.capture.sources import ChangeSource, source_of
from streamjoin.errors import SinkError, StreamJoinError
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.figures import Files, Freshness, Known, Observed
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.table import letter_id
from streamjoin.metrics.outputs import metric_outputs
from streamjoin.records.events import RECORD_COLUMN, Events
from streamjoin.shards.position import Position
from streamjoin.streaming.batch import Batch, check_complete, follow_size
from streamjoin.streaming.isolation import FailedRecords, SetAside, Undecoded, isolating, not_computed
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.runner import RunSummary, StreamJob, Until, run_stream
from streamjoin.streaming.signals import stop_on_signals
from streamjoin.streaming.stages import Stages

# The steps between which a batch may die; tests kill it at each. Two of them are done by each table.
STEPS: Final = (
    "read",
    "counted",
    "dead_letters_written",
    "tombstones_written",
    "table_committed",
    "committed",
    "recorded",
)

_COMMITS_AT_ONCE: Final = 4


def process_batch(job: CaptureJob, batch: Batch, *, on_step: Callable[[str], None] = lambda step: None) -> BatchReport:
    """Take one batch from records to the journal's entry.

    1. changes: every record becomes a change of an item, or is rejected.
    2. tables: each change becomes a row of its table, or is rejected; those of unlisted tables are rejected or ignored.
       All but the newest change of an item are superseded, and so is one that comes after the item was removed.
    3. count: all tables in one pass.
    4. dead letters are written: keyed by shard and sequence number, so that repeating it changes nothing. What an
       earlier try of the batch rejected, and this one doesn't, is deleted.
    5. commits: for each table its tombstones, then one upsert of rows and deletes; several tables at the same time.
    6. journal: position, ranges and counts: the entry that counts.

    A record by which step 3 or 5 fails is found, rejected, and all but it goes through them again.

    Delivery: exactly once. Steps 4 and 5 can be repeated, in other batches too: of two rows of an item the one with the
    greater order wins, and a changelog's row is known by its change. So whatever dies before step 6 ends leaves tables
    that the next start brings to the same content.

    Args:
        job: The job's parts.
        batch: What to process.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: The batch is not in the journal; some of its tables may have it.
    """
    stages, meanwhile = Stages(), Counter(job.meanwhile)
    on_step("read")
    parallelism = follow_size(batch)
    # Of an attempt before: all of their rows are there, and a repetition would leave them as they are.
    committed, services = dict[str, Files](), dict[str, float]()

    def attempt(aside: SetAside) -> tuple[BatchCounts, Observed]:
        with ExitStack() as kept:
            parts, counts = _counted(job, batch, aside, kept)  # 1, 2, 3
            check_complete(batch, counts.read)
            stages.done("compute")
            on_step("counted")
            job.check()
            if counts.rejected:
                job.dead_letters.write(parts.rejected(), batch_id=batch.batch_id, parallelism=parallelism)  # 4
            if not job.unread_letters.is_empty:
                job.unread_letters.delete_outdated(batch, parts.rejected())
            stages.done("dead_letters")
            on_step("dead_letters_written")
            metadata = _trace(job, batch)
            commits = [
                partial(_commit, part, counts, metadata, parallelism, on_step, committed)
                for part in parts.tables
                if part.table.name not in committed
                and part.table.name in counts.tables
                and counts.tables[part.table.name].kept
            ]
            _all_done(commits)  # 5
            stages.done("commit")
            on_step("committed")
            observed = Observed(round(time.time() * 1000), stages.seconds["commit"], Files.together(committed.values()))
            services.update(job.tables.service_seconds())
            if batch.position is not None:
                job.check()
                seconds = {"fetch": batch.fetch_seconds, **stages.seconds, **job.after_commit}
                known = Known(batch.arrivals, seconds, meanwhile=meanwhile, services=services)
                entry = {**_entry(batch.batch_id, batch.position, batch, counts), **job.tables.catalog_said()}
                job.journal.append({**entry, **known.to_metadata()}, observed.to_dict())  # 6
            stages.done("ledger")
            on_step("recorded")
        return counts, observed

    counts, observed = isolating(batch.batch_id, attempt)
    requests = job.told(meanwhile, batch.records.sparkSession, {"ledger": stages.seconds["ledger"]})
    return BatchReport(
        job=job.name,
        batch_id=batch.batch_id,
        counts=counts,
        catalog_failures=job.tables.catalog_failures(),
        services=services,
        millis_behind_latest=max((r.millis_behind_latest or 0 for r in batch.ranges), default=0),
        seconds=stages.total_seconds,
        fetch_seconds=batch.fetch_seconds,
        stage_seconds=stages.seconds,
        bytes=sum(r.bytes for r in batch.ranges),
        freshness=Freshness.of(batch.arrivals, observed.committed_ms or 0) if batch.arrivals else None,
        commits=len(committed),
        files=observed.files,
        s3_requests=requests,
        meanwhile=meanwhile,
    )


def _counted(job: CaptureJob, batch: Batch, aside: SetAside, kept: ExitStack) -> tuple[BatchParts, BatchCounts]:
    read = partial(read_changes, is_split=batch.position is not None)
    changes = aside.decoded(batch.records, read, letter_id)
    try:
        parts = divide(job, changes, batch.batch_id, kept)
        return parts, replace(parts.count(), empty=batch.empty)
    except (PySparkException, Py4JError) as error:

        def compute(part: Events) -> object:
            with ExitStack() as alone:
                return divide(job, part, batch.batch_id, alone).count()

        undecoded = Undecoded(aside.left_of(batch.records, letter_id()), read, letter_id())
        raise not_computed(error, batch.batch_id, changes, letter_id(RECORD_COLUMN), compute, undecoded) from error


def _commit(
    part: Part,
    counts: BatchCounts,
    metadata: Mapping[str, str],
    parallelism: int,
    on_step: Callable[[str], None],
    committed: dict[str, Files],
) -> None:
    rows = part.table.latest(part.rows)
    removed = part.table.removed(rows) if counts.tables[part.table.name].removed else None
    try:
        written = part.table.commit(rows, removed, metadata, parallelism=parallelism, on_step=on_step)
    except SinkError as error:
        row_id = letter_id(RECORD_COLUMN)
        found = unwritable_rows(part.table, part.rows, error, batch_id=metadata["batch_id"], row_id=row_id)
        raise FailedRecords(found) from error
    committed[part.table.name] = written
    on_step("table_committed")


def _all_done(commits: Sequence[Callable[[], None]]) -> None:
    """Run the commits, several at the same time; raise an error of one when all have ended."""
    if len(commits) <= 1:
        for commit in commits:
            commit()
        return
    with ThreadPoolExecutor(_COMMITS_AT_ONCE, thread_name_prefix="commit") as pool:
        running = [pool.submit(commit) for commit in commits]
        wait(running)
    errors = [error for each in running if (error := each.exception()) is not None]
    if errors:
        # One that no repetition mends comes first, or the job would try again for nothing.
        raise min(errors, key=_passes)


def _passes(error: BaseException) -> int:
    if isinstance(error, FailedRecords):
        return 1
    return 2 if isinstance(error, StreamJoinError) and error.retryable else 0


def _trace(job: CaptureJob, batch: Batch) -> dict[str, str]:
    """Return what a table's commit says of the batch, so that its rows can be traced to their records.

    Not under the names that a job's own table has them: a start goes on from the `position` of a commit, and this one
    doesn't count before it is in the journal.
    """
    if batch.position is None:
        return {"batch_id": batch.batch_id, "capture_job": job.name}
    return {
        "batch_id": batch.batch_id,
        "capture_job": job.name,
        "capture_position": batch.position.to_json(),
        "capture_ranges": json.dumps([r.to_dict() for r in batch.ranges], sort_keys=True, separators=(",", ":")),
    }


def _entry(batch_id: str, position: Position, batch: Batch | None, counts: BatchCounts) -> dict[str, str]:
    ranges = batch.ranges if batch else ()
    return {"batch_id": batch_id, **checkpoint.to_metadata(position, ranges, {}, counts.to_dict())}


def run(
    config: CaptureConfig,
    *,
    until_caught_up: bool = False,
    max_batches: int | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> RunSummary:
    """Run the job of `config` until it is asked to stop (Ctrl-C, SIGTERM), or as far as told.

    Delivery: exactly once, as `process_batch`; it goes on where the journal's newest entry says.

    Args:
        config: A checked configuration.
        until_caught_up: End when every shard has been read to its tip.
        max_batches: End after so many batches that had records.
        on_step: Called with each step of a batch that has been done.

    Raises:
        StreamJoinError: The job can't go on; every commit made so far stands.
    """
    source = source_of(config)
    # Whatever is missing or denied is said before Spark takes its seconds to start.
    source.check()
    with ExitStack() as opened:
        tell = opened.enter_context(metric_outputs(config))
        prepared, spark = prepare(config)
        stop = opened.enter_context(stop_on_signals(config.limits.grace_seconds))
        job = opened.enter_context(prepared.locked())
        start = starting_point(job, source, spark)
        stream_job = StreamJob(
            open_reader=lambda: source.open_reader(spark, start()),
            process=lambda batch: process_batch(job, batch, on_step=on_step),
            interval_seconds=config.trigger.interval_seconds,
            tell=tell,
            on_retry=lambda: job.meanwhile.update(("retries",)),
        )
        summary = run_stream(
            stream_job,
            Pace(BatchLimits.of(config.limits), config.limits.target_batch_seconds),
            stop,
            Until(caught_up=until_caught_up, batches=max_batches),
        )
        job.finish()
        return summary


def starting_point(job: CaptureJob, source: ChangeSource, spark: SparkSession) -> Callable[[], Position]:
    """Return the function that says where the job starts: at the journal's newest entry, else where it first begins.

    At the very first start the position is written before anything is read: LATEST means the moment of the first start,
    also for a job that is stopped before its first change. If a backfill of a table has begun, nothing is left out
    that has changed since.
    """

    def start() -> Position:
        job.open()
        newest = job.journal.newest()
        if newest is None:
            position = source.first(noted_moment(job.tables.base_paths(), has_template=job.tables.has_template))
            job.journal.append(_entry("start", position, None, BatchCounts()))
            return position
        source.check_position(newest.position)
        check_left_out(job, key=source.key_of_data_loss)
        job.unread_letters.find(spark, newest.position)
        return newest.position

    return start
