"""MySQL to DynamoDB: a full load of the tables, then every change of their rows.

::

    position noted -> full load (chunks by primary key) -> binlog from the position noted
       rows -> items by the table mappings -> DynamoDB (the newest change of each item) -> position to the control table
"""

import logging
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from streamjoin.dms.source_table import table_name
from streamjoin.history.figures import BatchFigures, Freshness
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.metrics.metric import Measure
from streamjoin.metrics.outputs import metric_outputs
from streamjoin.mysql.changes import BinlogPosition, Truncated
from streamjoin.replicate.changes import ChangeBatch, TableChange, follow
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.figures import BINLOG
from streamjoin.replicate.items import items_of_changes
from streamjoin.replicate.job import ReplicateJob, assembled, released
from streamjoin.replicate.letters import write_letters
from streamjoin.replicate.load import LoadBatch, as_named_now, delete_older, load, process_rows
from streamjoin.shards.arrivals import Arrivals
from streamjoin.streaming.pace import Pace
from streamjoin.streaming.report import Report
from streamjoin.streaming.runner import RunSummary, StreamJob, Until, run_stream
from streamjoin.streaming.signals import StopRequest, stop_on_signals
from streamjoin.streaming.stages import Stages

log = logging.getLogger(__name__)

# The steps between which a batch may die; tests kill it at each.
STEPS = ("taken", "letters_written", "items_written", "tables_changed", "saved")

_IDLE_SAVE_SECONDS = 30.0
# A generation is the hour in which its load began, or one more than the last.
_GENERATION_MS = 3_600_000


def process_batch(job: ReplicateJob, batch: ChangeBatch, on_step: Callable[[str], None]) -> Report:
    """Take one batch from changes to a position in the control table.

    1. items: every changed row becomes a put or a delete of an item (of two if its key changed), or is rejected.
    2. dead letters are written: named after the change, so that repeating it changes nothing.
    3. items: the newest change of each is written; in a replay only if nothing is as new.
    4. tables: what happened to whole tables after them. TRUNCATE deletes what is older; ALTER asks for a load.
    5. position: from here the next batch, or the next start, goes on.

    Delivery: at least once, and a repeat changes nothing: an item carries the place of its change in the binlog. Before
    step 5 ends the next start begins where this batch began.

    Args:
        job: The job's parts.
        batch: What to process.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: Any part of the batch may have been written; it is to be repeated.
    """
    stages = Stages()
    on_step("taken")
    items = items_of_changes(batch.rows, job.routes, job.state.generation, job.targets.mark)  # 1
    stages.done("compute")
    write_letters(job.letters, items.rejected)  # 2
    stages.done("dead_letters")
    on_step("letters_written")
    counts = job.writer.write(items.changes, conditional=batch.is_replay)  # 3
    on_step("items_written")
    to_load = [name for change in batch.table_changes for name in _after(job, change)]  # 4
    stages.done("commit")
    on_step("tables_changed")
    loading = {name: LoadProgress() for name in to_load} or None
    job.save(replace(job.state, position=batch.position, loading=loading))  # 5
    stages.done("ledger")
    on_step("saved")
    newest_ms, now_ms = batch.changed_at_ms, job.now_ms()
    lag_seconds = 0.0 if newest_ms is None else max(0.0, now_ms - newest_ms) / 1000
    seconds = stages.total_seconds
    arrivals = Arrivals.of_milliseconds([row.changed_at_ms for row in batch.rows])
    figures = BatchFigures(
        batch_id=str(batch.position).replace(" ", ""),
        at=datetime.fromtimestamp(now_ms / 1000, UTC),
        read=batch.count,
        kept=counts.puts + counts.deletes,
        removed=counts.deletes,
        superseded=counts.superseded,
        rejected_by_reason=Counter(row.reason for row in items.rejected),
        ignored=items.left_out,
        bytes=batch.bytes,
        lag_ms={BINLOG: round(lag_seconds * 1000)},
        freshness=Freshness.of(arrivals, now_ms) if arrivals else None,
        seconds=stages.seconds,
    )
    values = {
        "job": job.name,
        "changes": batch.count,
        "puts": counts.puts,
        "deletes": counts.deletes,
        "superseded": counts.superseded,
        "dead_letters": len(items.rejected),
        "left_out": items.left_out,
        "lag_seconds": f"{lag_seconds:.2f}",
        "position": figures.batch_id,
        "replay": str(batch.is_replay).lower(),
        "seconds": f"{seconds:.3f}",
    }
    return Report(values, seconds, job.told(figures))


def _after(job: ReplicateJob, change: TableChange) -> list[str]:
    """Do what a table's change asks for; return the tables that are to be loaded.

    Nothing in an item tells which of several source tables it came from. So if they share a target, all of them are
    loaded after a TRUNCATE of one, and what is older then, belongs to none.
    """
    name = table_name(change.schema, change.name)
    target = job.routes.target(name)
    together = {name, *((*job.routes.sharing(target), *job.routes.waiting(target)) if target else ())}
    is_alone = isinstance(change, Truncated) and len(together) == 1
    # A change that is read again, or that happened before the load, asks for no other one.
    loaded = [job.loaded.get(each) for each in together]
    is_loaded_since = all(place is not None and place.order >= change.position.order for place in loaded)
    if not is_alone and not is_loaded_since:
        log.info("job=%s table=%s position=%s load=%s", job.name, name, change.position, ",".join(sorted(together)))
        return sorted(together)
    delete_older(job, change.position, [name])
    return []


def begin(job: ReplicateJob, *, reload: bool = False) -> None:
    """Set the job's state to what the control table has, or to the position noted now, with all tables to load.

    Args:
        job: The job's parts.
        reload: Whether to load all tables whatever the control table has.

    Raises:
        SinkError: Another process runs the job.
    """
    found = job.control.acquire()
    # Targets are made, and one that is there may be read whole to find whose it is.
    with job.control.renewing():
        _begin(job, found, reload=reload)


def _begin(job: ReplicateJob, found: ControlState | None, *, reload: bool) -> None:
    job.targets.is_new = found is None
    job.targets.marked |= found.marked if found else frozenset()
    job.routes.yielding |= found.yielding if found else frozenset()
    server = job.server.identity()
    if found is not None and found.server == server and not reload:
        tables = job.server.tables(job.routes.selects)
        job.routes.add(tables, none_will_do=True)
        found = replace(found, loading=as_named_now(found.loading, tables))
        job.state = found
        # What was written before another job was known to own the table doesn't say of which job it is.
        names = [name for target in job.targets.marked - found.marked for name in job.routes.sharing(target)]
        if names:
            job.save(replace(found, loading={**dict.fromkeys(names, LoadProgress()), **(found.loading or {})}))
        return
    if found is not None and found.server != server:
        log.warning("job=%s server=%s is another one than before (%s): full load", job.name, server, found.server)
    job.loaded.clear()
    # In this order: what a table gets that isn't listed yet is in the binlog behind the position.
    position = job.server.position()
    tables = job.server.tables(job.routes.selects)
    job.routes.add(tables)
    names = [name for table in tables if not job.routes.is_left_out(name := str(table))]
    if found is not None:
        # A table that was dropped since has no rows to load, but items to delete.
        names += [name for name in job.routes.named if name not in names]
    # Above all before, also if the control table was deleted, which alone knew the last one.
    generation = max((found.generation if found else 0) + 1, int(job.now_ms() // _GENERATION_MS))
    job.save(ControlState(position, generation, server, {name: LoadProgress() for name in names}))


class Batches:
    """The `BatchReader` of a replication: chunks of the tables to load, then changes until another load is needed.

    Args:
        job: The job's parts, begun.
        idle_save_seconds: As `follow` takes it.
        on_step: Called with the name of each step that has been done.
    """

    def __init__(self, job: ReplicateJob, idle_save_seconds: float, on_step: Callable[[str], None]) -> None:
        def batches() -> Generator[LoadBatch | ChangeBatch, None, None]:
            followed_to: BinlogPosition | None = None
            while True:
                yield from load(job, on_step, followed_to)  # full load
                for batch in follow(job, idle_save_seconds):  # binlog from the position noted
                    if batch.table_changes:
                        # Within a transaction a table's change lies behind the place to go on from.
                        places = (batch.position, batch.table_changes[-1].position)
                        followed_to = max(places, key=lambda place: place.order)
                    yield batch

        self._batches = batches()
        self.caught_up = False

    def next(self, limits: BatchLimits) -> LoadBatch | ChangeBatch:
        """Return the next batch; its bounds are the job's."""
        del limits
        batch = next(self._batches)
        self.caught_up = batch.is_caught_up
        return batch

    def fetch_ahead(self, limits: BatchLimits) -> None:
        """Do nothing: a thread reads the binlog ahead anyway."""

    def close(self) -> None:
        """End the connections that rows and changes come from."""
        self._batches.close()


def run(
    config: ReplicateConfig,
    *,
    until_caught_up: bool = False,
    max_batches: int | None = None,
    reload: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> RunSummary:
    """Run the job of `config` until it is asked to stop (Ctrl-C, SIGTERM), or as far as told.

    Delivery: every change at least once; items end equal to the rows, whatever is repeated.

    Args:
        config: A checked configuration.
        until_caught_up: End when all has been written that was in the binlog when following it began.
        max_batches: End after so many batches of changes, or chunks of a full load.
        reload: Load all tables first, and follow the binlog from the position noted before that.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: The job can't go on; the next start goes on from the position saved last.
    """
    until = Until(caught_up=until_caught_up, batches=max_batches)
    with metric_outputs(config) as tell, stop_on_signals(config.limits.grace_seconds) as stop:
        job = assembled(config, stop)
        with released(job):
            return replicate(job, stop, until, reload=reload, on_step=on_step, tell=tell)


def replicate(
    job: ReplicateJob,
    stop: StopRequest,
    until: Until,
    *,
    reload: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
    tell: Callable[[Sequence[Measure]], None] = lambda measures: None,
) -> RunSummary:
    """Run a job that has been assembled; `tell` takes the numbers of each batch, all else is as in `run`."""

    def open_reader() -> Batches:
        nonlocal reload
        begin(job, reload=reload)  # position noted
        reload = False
        return Batches(job, 0.0 if until.caught_up else _IDLE_SAVE_SECONDS, on_step)

    def process(batch: LoadBatch | ChangeBatch) -> Report:
        if isinstance(batch, LoadBatch):
            return process_rows(job, batch, on_step)
        return process_batch(job, batch, on_step)

    def settle() -> bool:
        # Says that this process lives, also if nothing changes.
        job.control.check()
        if job.figures is not None:
            job.figures.keep()
        return job.state.loading is None

    def on_retry() -> None:
        job.meanwhile.update(("retries",))

    stream_job = StreamJob(open_reader, process, job.interval_seconds, settle, tell, on_retry)
    return run_stream(stream_job, Pace(job.limits, None), stop, until)
