"""The full load: rows of whole tables to items, chunk by chunk, from where the last one stopped."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from streamjoin.dms import ItemMapping, SourceTable, Value
from streamjoin.errors import SinkError
from streamjoin.mysql.changes import BinlogPosition, ChunkBounds, LoadedChunk
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.items import items_of_chunk
from streamjoin.replicate.job import ReplicateJob, position_of, version_of
from streamjoin.replicate.letters import write_letters

log = logging.getLogger(__name__)

# The steps between which a load may die; tests kill it at each.
LOAD_STEPS = ("chunk_read", "chunk_written", "chunk_saved", "older_deleted", "load_saved")


def load(
    job: ReplicateJob,
    state: ControlState,
    *,
    go_on: Callable[[int], bool] = lambda rows: True,
    at: Callable[[str], None] = lambda step: None,
) -> ControlState:
    """Load the tables that `state` says are to be loaded; return the state from which to follow the binlog.

    1. chunks: the rows of each table become items, in the order of its primary key. Each item is as new as the binlog's
       end before its row was read, so that a change of the row which comes later in the binlog is newer.
    2. progress: saved after each chunk; a load that died goes on after the last key. What happened meanwhile to rows
       that were loaded before is in the binlog, behind the position that was noted before the load. That position goes
       back where a chunk was read before all in front of it was to be seen.
    3. older items are deleted from the tables' targets: rows that are gone, whoever deleted them and however.
    4. the load is over: from here on the binlog is followed from the position noted.

    Delivery: at least once; a repeat writes rows as they are then.

    Args:
        job: The job's parts.
        state: What the control table has.
        go_on: Called with the rows of each chunk that has been saved; false ends the load there.
        at: Called with the name of each step that has been done.

    Returns: The state saved last; it still says what to load where `go_on` ended it.
    """
    if state.loading is None:
        return state
    # Nothing that was written before is newer; and a table that isn't listed after it is gone by then.
    now = job.server.position()
    there = {str(table): table for table in job.server.tables(job.routes.selects)}
    loading = _whole_targets(job, there, state.loading)
    state = replace(state, loading=loading)
    for name in loading.keys() - there.keys():
        job.loaded[name] = now  # it has no rows, and step 3 deletes what it had
    bounds = ChunkBounds(job.limits.records, job.limits.bytes)
    for table in job.routes.in_load_order(there[name] for name in loading if name in there):
        name, progress = str(table), loading[str(table)]
        if progress.is_done:
            job.loaded[name] = position_of(state)
            continue
        mapping = job.routes.current(table)
        after_key = _after_key(mapping.source, progress)
        first: BinlogPosition | None = position_of(state) if after_key else None
        for chunk in job.server.load(mapping.source, after_key, bounds):
            at("chunk_read")
            first = first or chunk.position
            is_behind = chunk.position.order < now.order
            state = load_chunk(job, state, mapping, chunk, conditional=is_behind, at=at)  # 1, 2
            if not go_on(len(chunk.rows)):
                return state
        job.loaded[name] = first or position_of(state)
    delete_older(job, state.generation, position_of(state), loading)  # 3
    at("older_deleted")
    state = job.save(replace(state, loading=None))  # 4
    at("load_saved")
    return state


def load_chunk(
    job: ReplicateJob,
    state: ControlState,
    mapping: ItemMapping,
    chunk: LoadedChunk,
    *,
    conditional: bool,
    at: Callable[[str], None] = lambda step: None,
) -> ControlState:
    """Write the rows of one chunk, then how far the load is; return the state that says so.

    Args:
        job: The job's parts.
        state: What the control table has.
        mapping: Of the chunk's table.
        chunk: The rows.
        conditional: Whether what was written before may be newer.
        at: Called with the name of each step that has been done.
    """
    started = time.monotonic()
    table = mapping.source
    since = min(position_of(state), chunk.position, key=lambda place: place.order)
    items = items_of_chunk(chunk, mapping, state.generation, since)  # 1
    write_letters(job.letters, items.rejected)
    counts = job.writer.write(items.changes, conditional=conditional)
    at("chunk_written")
    state = job.save(_with_chunk(replace(state, position=since.to_dict()), str(table), chunk))  # 2
    at("chunk_saved")
    log.info(
        "job=%s load=%s rows=%d puts=%d superseded=%d dead_letters=%d position=%s seconds=%.2f",
        *(job.name, table, len(chunk.rows), counts.puts, counts.superseded, len(items.rejected)),
        *(chunk.position, time.monotonic() - started),
    )
    return state


def _after_key(table: SourceTable, progress: LoadProgress) -> tuple[Value, ...] | None:
    """Return after which key a load goes on; from the start where the table has got another primary key since."""
    key = progress.after_key
    return key if key and len(key) == len(table.primary_key) else None


def _with_chunk(state: ControlState, name: str, chunk: LoadedChunk) -> ControlState:
    loading = state.loading or {}
    progress = LoadProgress(chunk.last_key, chunk.is_last, loading[name].rows + len(chunk.rows))
    return replace(state, loading={**loading, name: progress})


def _whole_targets(
    job: ReplicateJob, there: Mapping[str, SourceTable], loading: Mapping[str, LoadProgress]
) -> Mapping[str, LoadProgress]:
    """Return `loading` with the other tables of its targets: step 3 deletes what none of them has loaded."""
    for name in loading:
        if name in there:
            job.routes.current(there[name])
    together = [name for target in _targets(job, loading) for name in job.routes.sharing(target)]
    return {**dict.fromkeys(together, LoadProgress()), **loading}


def _targets(job: ReplicateJob, names: Iterable[str]) -> dict[str, str]:
    """Return the targets of tables, each with one of its tables: one that is known, if any."""
    ordered = sorted(names, key=job.routes.is_known)
    return {target: name for name in ordered if (target := job.routes.target(name)) is not None}


def delete_older(job: ReplicateJob, generation: int, position: BinlogPosition, names: Iterable[str]) -> None:
    """Delete the items of the tables' targets that are older than `position`.

    Raises:
        SinkError: Items may be left that are older.
    """
    for target, name in _targets(job, names).items():
        try:
            deleted = job.writer.delete_older(target, version_of(generation, position))
        except SinkError as error:
            if error.retryable or job.routes.is_known(name):
                raise
            # The table was gone before this process met it: whether it ever had a target, nobody knows.
            log.warning("job=%s table=%s is gone, and its items were not deleted: %s", job.name, name, error)
        else:
            log.info("job=%s target=%s position=%s deleted_older=%d", job.name, target, position, deleted)
