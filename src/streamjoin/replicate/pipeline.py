"""MySQL to DynamoDB: a full load of the tables, then every change of their rows.

::

    position noted -> full load (chunks by primary key) -> binlog from the position noted
       rows -> items by the table mappings -> DynamoDB (the newest change of each item) -> position to the control table
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from streamjoin.mysql.changes import BinlogPosition, Truncated
from streamjoin.replicate.assembly import assemble, released
from streamjoin.replicate.changes import ChangeBatch, TableChange
from streamjoin.replicate.config import ReplicateConfig
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.items import items_of_changes
from streamjoin.replicate.job import ReplicateJob
from streamjoin.replicate.letters import write_letters
from streamjoin.replicate.load import delete_older, load
from streamjoin.replicate.report import ReplicationReport
from streamjoin.replicate.runner import ReplicationSummary, Until, follow
from streamjoin.streaming.attempts import with_attempts
from streamjoin.streaming.signals import StopRequest, stop_on_signals

log = logging.getLogger(__name__)

# The steps between which a batch may die; tests kill it at each.
STEPS = ("taken", "letters_written", "items_written", "tables_changed", "saved")

# How long another process waits before it takes over from one that doesn't say that it lives.
LEASE_SECONDS = 30.0
# A generation is the hour in which its load began, or one more than the last.
_GENERATION_MS = 3_600_000


def process_batch(
    job: ReplicateJob,
    state: ControlState,
    batch: ChangeBatch,
    *,
    at: Callable[[str], None] = lambda step: None,
) -> ReplicationReport:
    """Take one batch from changes to a position in the control table.

    1. items: every changed row becomes a put or a delete of an item (of two where its key changed), or is rejected.
    2. dead letters are written: named after the change, so that repeating it changes nothing.
    3. items: the newest change of each is written; in a replay only where nothing is as new.
    4. tables: what happened to whole tables after them. TRUNCATE deletes what is older; ALTER asks for a load.
    5. position: from here the next batch, or the next start, goes on.

    Delivery: at least once, and a repeat changes nothing: an item carries the place of its change in the binlog. Before
    step 5 ends the next start begins where this batch began.

    Args:
        job: The job's parts.
        state: What the control table has.
        batch: What to process.
        at: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: Any part of the batch may have been written; it is to be repeated.
    """
    started = time.monotonic()
    at("taken")
    items = items_of_changes(batch.rows, job.routes, state.generation)  # 1
    write_letters(job.letters, items.rejected)  # 2
    at("letters_written")
    counts = job.writer.write(items.changes, conditional=batch.is_replay)  # 3
    at("items_written")
    to_load = [name for change in batch.table_changes for name in _after(job, state, change)]  # 4
    at("tables_changed")
    loading = {name: LoadProgress() for name in to_load} or None
    state = job.save(replace(state, position=batch.position.to_dict(), loading=loading))  # 5
    at("saved")
    newest_ms = batch.changed_at_ms
    return ReplicationReport(
        job=job.name,
        changes=batch.changes,
        counts=counts,
        dead_letters=len(items.rejected),
        lag_seconds=0.0 if newest_ms is None else max(0.0, job.now_ms() - newest_ms) / 1000,
        is_replay=batch.is_replay,
        state=state,
        seconds=time.monotonic() - started,
    )


def _after(job: ReplicateJob, state: ControlState, change: TableChange) -> list[str]:
    """Do what a table's change asks for; return the tables that are to be loaded.

    Nothing in an item tells which of several source tables it came from. So where they share a target, all of them are
    loaded after a TRUNCATE of one, and what is older then, is nobody's.
    """
    name = f"{change.schema}.{change.name}"
    target = job.routes.target(name)
    together = {name, *(job.routes.sharing(target) if target else ())}
    is_alone = isinstance(change, Truncated) and len(together) == 1
    # A change that is read again, or that happened before the load, asks for no other one.
    if not is_alone and not all(_is_loaded_since(job, each, change.position) for each in together):
        log.info("job=%s table=%s position=%s load=%s", job.name, name, change.position, ",".join(sorted(together)))
        return sorted(together)
    delete_older(job, state.generation, change.position, [name])
    return []


def _is_loaded_since(job: ReplicateJob, name: str, position: BinlogPosition) -> bool:
    loaded = job.loaded.get(name)
    return loaded is not None and loaded.order >= position.order


def begin(job: ReplicateJob, *, anew: bool = False) -> ControlState:
    """Return where the job goes on: what the control table has, or the position noted now, with all tables to load.

    Args:
        job: The job's parts.
        anew: Whether to load all tables whatever the control table has.

    Raises:
        SinkError: Another process runs the job.
    """
    found = job.control.acquire(LEASE_SECONDS)
    server = job.server.identity()
    if found is not None and found.server == server and not anew:
        job.routes.add(job.server.tables(job.routes.selects))
        return found
    if found is not None and found.server != server:
        log.warning("job=%s server=%s is another one than before (%s): full load", job.name, server, found.server)
    job.loaded.clear()
    # In this order: what a table gets that isn't listed yet is in the binlog behind the position.
    position = job.server.position()
    tables = job.server.tables(job.routes.selects)
    job.routes.add(tables)
    names = [str(table) for table in tables]
    if found is not None:
        # A table that was dropped since has no rows to load, but items to delete.
        names += [name for name in job.routes.named if name not in names]
    return job.save(
        ControlState(
            position=position.to_dict(),
            generation=_next_generation(job, found),
            server=server,
            loading={name: LoadProgress() for name in names},
        )
    )


def _next_generation(job: ReplicateJob, found: ControlState | None) -> int:
    """Return a generation above all before: also where the control table was deleted, which alone knew the last one."""
    last = found.generation if found else 0
    return max(last + 1, int(job.now_ms() // _GENERATION_MS))


def run(
    config: ReplicateConfig,
    *,
    until_caught_up: bool = False,
    max_batches: int | None = None,
    reload: bool = False,
    at: Callable[[str], None] = lambda step: None,
) -> ReplicationSummary:
    """Run the job of `config` until it is asked to stop (Ctrl-C, SIGTERM), or as far as told.

    Delivery: every change at least once; items end equal to the rows, whatever is repeated.

    Args:
        config: A checked configuration.
        until_caught_up: End when all has been written that was in the binlog when following it began.
        max_batches: End after so many batches of changes, or chunks of a full load.
        reload: Load all tables first, and follow the binlog from the position noted before that.
        at: Called with each step that has been done.

    Raises:
        StreamJoinError: The job can't go on; the next start goes on from the position saved last.
    """
    until = Until(caught_up=until_caught_up, batches=max_batches)
    with stop_on_signals(config.limits.grace_seconds) as stop:
        job = assemble(config)
        with released(job):
            return replicate(job, stop, until, anew=reload, at=at)


def replicate(
    job: ReplicateJob,
    stop: StopRequest,
    until: Until,
    *,
    anew: bool = False,
    at: Callable[[str], None] = lambda step: None,
) -> ReplicationSummary:
    """Run a job that has been assembled; arguments and errors as those of `run`."""
    summary = ReplicationSummary()
    is_anew = anew

    def is_over() -> bool:
        return stop.made or (until.batches is not None and summary.batches >= until.batches)

    def go_on(rows: int) -> bool:
        summary.add(rows)
        return not is_over()

    def attempt() -> None:
        nonlocal is_anew
        state = begin(job, anew=is_anew)  # position noted
        is_anew = False
        while not is_over():
            state = load(job, state, go_on=go_on, at=at)  # full load
            if is_over():
                return
            state = follow(  # binlog from the position noted
                job,
                state,
                lambda state, batch: process_batch(job, state, batch, at=at),
                until_caught_up=until.caught_up,
                is_over=is_over,
                stop=stop,
                summary=summary,
            )
            if state.loading is None:
                return

    with_attempts(attempt, stop, lambda: summary.batches)
    return summary
