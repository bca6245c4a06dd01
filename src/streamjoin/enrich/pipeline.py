"""The main job: a stream of events, joined with references that keep changing, upserted into a Hudi table."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import Any

from streamjoin.enrich.assembly import check_services, payload_format, resolve_schema
from streamjoin.enrich.assembly import prepare as prepare_job
from streamjoin.enrich.batch import commit_rows, order_batch
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.job import AnySnapshot, EnrichJob
from streamjoin.enrich.prepared import Prepared, prepare
from streamjoin.enrich.rewrite import rewrite
from streamjoin.enrich.rows import remember_removed
from streamjoin.enrich.start import starting_point
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.figures import Freshness, Known, Observed
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.metrics.outputs import metric_outputs
from streamjoin.streaming.ahead import PreparingReader, Turn
from streamjoin.streaming.batch import Batch, check_complete, follow_size
from streamjoin.streaming.isolation import SetAside, isolating
from streamjoin.streaming.metrics import BatchReport
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.runner import RunSummary, StreamJob, Until, run_stream
from streamjoin.streaming.signals import stop_on_signals
from streamjoin.streaming.stages import Stages
from streamjoin.streaming.stream_reader import StreamReader

log = logging.getLogger(__name__)

# The steps between which a batch may die; tests kill it at each.
STEPS = ("read", "counted", "dead_letters_written", "tombstones_written", "committed", "recorded")


def process_batch(
    job: EnrichJob,
    batch: Batch,
    *,
    prepared: Prepared | None = None,
    begin_next: Callable[[], None] = lambda: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> BatchReport:
    """Take one batch from records to a commit.

    1. decode: every payload becomes an event, or is rejected.
    2. reference: one version of each for the whole batch.
    3. enrich: joined with each reference; unmatched events are kept (or rejected, with `inner`).
    4. order: the table's columns; the newest event of each record key.
    5. dead letters are written: keyed by shard and sequence number, so that repeating it changes nothing. What an
       earlier try of the batch rejected, and this one doesn't, is deleted.
    6. tombstones of the rows that are deleted.
    7. upsert: rows, position, ranges, reference versions and counts in one commit, the only one that counts.
    8. ledger: what the commit says, kept beside the table for as long as the table is.
    9. services of the table that are due are planned; they are carried out beside the batches that follow.

    A record by which step 3, 4 or 7 fails is found, rejected, and all but it goes through them again.

    Delivery: exactly once. Before step 7 ends nothing has happened that a repeat doesn't overwrite with the same. Step
    8 is done from the commit, by the next start if this process doesn't come to it.

    Args:
        job: The job's parts.
        batch: What to process.
        prepared: Steps 1 to 4, if they are done; they are done again if a version has become too old by now.
        begin_next: Called once they are: from here on only this batch is written, and the next may be prepared.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: The batch did not happen, or (`SinkError`) may have: the timeline knows.
    """
    stages, meanwhile = Stages(), Counter(job.meanwhile)
    on_step("read")
    parallelism = follow_size(batch)
    if prepared is not None and not prepared.is_fresh():
        prepared.discard()
        prepared = None
    if prepared is not None:
        stages.seconds["compute"] = prepared.seconds
    snapshots: dict[str, AnySnapshot] = dict(prepared.snapshots) if prepared else job.current()  # 2

    def failures() -> dict[str, int]:
        # Of what is looked up they are known once the batch is joined.
        return {name: snapshot.failures for name, snapshot in snapshots.items()}

    def attempt(aside: SetAside) -> tuple[BatchCounts, dict[str, dict[str, Any]], Observed]:
        with ExitStack() as kept:
            if prepared and prepared.ordered and not aside:
                ordered, counts = prepared.ordered
            else:
                joined = prepared.joined if prepared else None
                ordered, counts = order_batch(job, batch, snapshots, aside, kept, joined)  # 1, 3, 4
            check_complete(batch, counts.read)
            _tell_of_case(job)
            stages.done("compute")
            on_step("counted")
            begin_next()
            job.check()
            if counts.rejected:
                job.dead_letters.write(ordered.rejected, batch_id=batch.batch_id, parallelism=parallelism)  # 5
            if not job.unread_letters.is_empty:
                job.unread_letters.delete_outdated(batch, ordered.rejected)
            stages.done("dead_letters")
            on_step("dead_letters_written")
            if counts.removed:
                remember_removed(job, ordered, batch.batch_id)  # 6
                stages.done("tombstones")
            on_step("tombstones_written")
            versions = {name: snapshot.metadata() for name, snapshot in snapshots.items()}
            seconds = {"fetch": batch.fetch_seconds, **stages.seconds, **job.after_commit}
            known = Known(batch.arrivals, seconds, failures(), meanwhile)
            metadata = _metadata(batch.counted(counts.read), versions, counts, known)
            commit_rows(job, batch.batch_id, ordered, snapshots, metadata, parallelism)  # 7
            stages.done("commit")
            on_step("committed")
            observed = job.writer.record()  # 8
            stages.done("ledger")
            on_step("recorded")
        return counts, versions, observed

    with prepared.kept if prepared else nullcontext():
        counts, versions, observed = isolating(batch.batch_id, attempt)
    job.writer.serve(batch.records.sparkSession)  # 9
    stages.done("services")
    after_commit = {stage: stages.seconds[stage] for stage in ("ledger", "services")}
    requests = job.told(meanwhile, batch.records.sparkSession, after_commit)
    return BatchReport(
        job=job.name,
        batch_id=batch.batch_id,
        counts=counts,
        references=versions,
        refresh_failures=failures(),
        ages_seconds={name: time.time() - snapshot.as_of.timestamp() for name, snapshot in snapshots.items()},
        millis_behind_latest=max((r.millis_behind_latest or 0 for r in batch.ranges), default=0),
        catalog_failures=job.writer.catalog.failures,
        services=job.writer.service_seconds(),
        seconds=stages.total_seconds + (prepared.seconds if prepared else 0.0),
        fetch_seconds=batch.fetch_seconds,
        stage_seconds=stages.seconds,
        bytes=sum(r.bytes for r in batch.ranges),
        freshness=Freshness.of(batch.arrivals, observed.committed_ms or time.time() * 1000) if batch.arrivals else None,
        files=observed.files,
        s3_requests=requests,
        meanwhile=meanwhile,
    )


def _tell_of_case(job: EnrichJob) -> None:
    for column, attribute in job.case_watch.take().items():
        log.warning(
            "job=%s column '%s' had no value in a whole batch, in which events have an attribute '%s': upper and lower "
            "case count; name the column as its attribute is written",
            *(job.name, column, attribute),
        )


def _metadata(
    batch: Batch, references: Mapping[str, Mapping[str, Any]], counts: BatchCounts, known: Known
) -> dict[str, str]:
    if batch.position is None:
        return {"batch_id": batch.batch_id}
    metadata = checkpoint.to_metadata(batch.position, batch.ranges, references, counts.to_dict())
    return {"batch_id": batch.batch_id, **metadata, **known.to_metadata()}


def run(
    config: EnrichConfig,
    *,
    until_caught_up: bool = False,
    max_batches: int | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> RunSummary:
    """Run the job of `config` until it is asked to stop (Ctrl-C, SIGTERM), or as far as told.

    Delivery: exactly once, as `process_batch`; it goes on where the newest commit says.

    Args:
        config: A checked configuration.
        until_caught_up: End when every shard has been read to its tip.
        max_batches: End after so many batches that had records.
        on_step: Called with each step of a batch that has been done.

    Raises:
        StreamJoinError: The job can't go on; every commit made so far stands.
    """
    schema = resolve_schema(config)
    stream = Stream.from_config(config.source.kinesis, payload_format(config.payload).splitter(schema))
    # Whatever is missing or denied is said before Spark takes its seconds to start.
    described = check_services(config, stream)
    with ExitStack() as opened:
        tell = opened.enter_context(metric_outputs(config))
        prepared, spark = prepare_job(config, schema, described)
        stop = opened.enter_context(stop_on_signals(config.limits.grace_seconds))
        job = opened.enter_context(prepared.locked())
        start = starting_point(config, job, stream, spark)
        stream_job = StreamJob(
            open_reader=lambda: open_reader(job, StreamReader(spark, stream, start())),
            process=lambda turn: process_turn(job, turn, on_step),
            interval_seconds=config.trigger.interval_seconds,
            settle=lambda: rewrite(job, spark, on_step=on_step).is_complete,
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


def open_reader(job: EnrichJob, reader: StreamReader) -> PreparingReader[Batch, Prepared]:
    """Return the reader whose batches are prepared ahead for `process_turn`."""
    return PreparingReader(reader, partial(prepare, job))


def process_turn(job: EnrichJob, turn: Turn[Batch, Prepared], on_step: Callable[[str], None]) -> BatchReport:
    """Take a batch of such a reader to its commit, as `process_batch`."""
    return process_batch(job, turn.batch, prepared=turn.ready, begin_next=turn.begin_next, on_step=on_step)
