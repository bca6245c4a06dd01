"""The full load: rows of whole tables to items, chunk by chunk, from where the last one stopped."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from streamjoin.dms import ItemMapping, SourceTable, Value
from streamjoin.errors import SinkError
from streamjoin.history.figures import BatchFigures
from streamjoin.mysql.changes import BinlogPosition, ChunkBounds, LoadedChunk
from streamjoin.replicate.changes import bytes_of
from streamjoin.replicate.control_state import LoadProgress
from streamjoin.replicate.items import items_of_chunk
from streamjoin.replicate.job import ReplicateJob, version_of
from streamjoin.replicate.letters import write_letters
from streamjoin.streaming.report import Report
from streamjoin.streaming.stages import Stages

log = logging.getLogger(__name__)

# The steps between which a load may die; tests kill it at each.
LOAD_STEPS = ("chunk_read", "chunk_written", "chunk_saved", "older_deleted", "load_saved")


@dataclass(frozen=True)
class LoadBatch:
    """Rows of a full load that are written together.

    Args:
        mapping: Of their table.
        chunk: The rows.
        conditional: Whether what was written before may be newer.
    """

    mapping: ItemMapping
    chunk: LoadedChunk
    conditional: bool
    is_caught_up = False

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.chunk.rows)

    def is_due(self, idle_seconds: float) -> bool:
        """Tell that a chunk without rows is progress too."""
        del idle_seconds
        return True


def load(
    job: ReplicateJob, on_step: Callable[[str], None], followed_to: BinlogPosition | None = None
) -> Iterator[LoadBatch]:
    """Yield what `_load` does, with the lease renewed meanwhile: one chunk may take longer than it lasts."""
    if job.state.loading is not None:
        with job.control.renewing():
            yield from _load(job, job.state.loading, on_step, followed_to)


def _load(
    job: ReplicateJob,
    loading: Mapping[str, LoadProgress],
    on_step: Callable[[str], None],
    followed_to: BinlogPosition | None,
) -> Iterator[LoadBatch]:
    """Load the tables that the job's state says are to be loaded; each batch is to be processed before the next.

    1. chunks: the rows of each table become items, in the order of its primary key. Each item is as new as a
       place of the binlog that its row is surely not behind, so that each change which the row doesn't have is newer.
    2. progress: saved after each chunk; a load that died goes on after the last key. What happened meanwhile to rows
       that were loaded before is in the binlog, behind the position that was noted before the load. That position goes
       back if a chunk was read before all in front of it was to be seen.
    3. older items are deleted from the tables' targets: rows that are gone, whatever deleted them.
    4. the load is over: from here on the binlog is followed from the position noted.

    Delivery: at least once; a repeat writes rows as they are then.

    Args:
        job: The job's parts.
        loading: The job's state, of the load.
        on_step: Called with the name of each step that has been done.
        followed_to: How far this process had read the binlog when a change asked for the load; None if none did.
    """
    # Nothing that was written before is newer; and a table that isn't listed after it is gone by then.
    now = job.server.position()
    there = {str(table): table for table in job.server.tables(job.routes.selects)}
    loading = _whole_targets(job, there, loading)
    if loading != job.state.loading:
        job.save(replace(job.state, loading=loading))
    for name in loading.keys() - there.keys():
        job.loaded[name] = now  # it has no rows, and step 3 deletes what it had
    bounds = ChunkBounds(job.limits.records, job.limits.bytes)
    for table in job.routes.in_load_order(there[name] for name in loading if name in there):
        name, progress = str(table), loading[str(table)]
        if progress.is_done:
            job.loaded[name] = job.state.position
            continue
        mapping = job.routes.current(table)
        if mapping is None:
            job.loaded[name] = now  # what its items were, stays
            continue
        after_key = _after_key(mapping.source, progress)
        first: BinlogPosition | None = job.state.position if after_key else None
        for chunk in job.server.load(mapping.source, after_key, bounds, followed_to):
            on_step("chunk_read")
            first = first or chunk.position
            yield LoadBatch(mapping, chunk, conditional=chunk.position.order < now.order)  # 1, 2
        job.loaded[name] = first or job.state.position
    delete_older(job, job.state.position, [n for n in loading if n not in there or not job.routes.is_left_out(n)])  # 3
    on_step("older_deleted")
    job.save(replace(job.state, loading=None))  # 4
    on_step("load_saved")


def as_named_now(
    loading: Mapping[str, LoadProgress] | None, tables: Iterable[SourceTable]
) -> Mapping[str, LoadProgress] | None:
    """Return a load's progress with the names of today: once a schema with a dot had no backticks."""
    if loading is None:
        return None
    named = dict(loading)
    for table in tables:
        before = f"{table.schema}.{table.name}"
        if before in named:
            # The name may be that of a table with a dot as well: this one is loaded from the start.
            named.setdefault(str(table), LoadProgress())
    return named


def process_rows(job: ReplicateJob, batch: LoadBatch, on_step: Callable[[str], None]) -> Report:
    """Write the rows of one chunk, then how far the load is.

    Args:
        job: The job's parts.
        batch: The rows.
        on_step: Called with the name of each step that has been done.
    """
    stages = Stages()
    chunk, name = batch.chunk, str(batch.mapping.source)
    since = min(job.state.position, chunk.position, key=lambda place: place.order)
    items = items_of_chunk(chunk, batch.mapping, job.state.generation, since, job.targets.mark)  # 1
    stages.done("compute")
    write_letters(job.letters, items.rejected)
    stages.done("dead_letters")
    counts = job.writer.write(items.changes, conditional=batch.conditional)
    stages.done("commit")
    on_step("chunk_written")
    loading = job.state.loading or {}
    progress = LoadProgress(chunk.last_key, chunk.is_last, loading[name].rows + batch.count)
    job.save(replace(job.state, position=since, loading={**loading, name: progress}))  # 2
    stages.done("ledger")
    on_step("chunk_saved")
    seconds = stages.total_seconds
    figures = BatchFigures(
        batch_id=f"load-{name}",
        at=datetime.fromtimestamp(job.now_ms() / 1000, UTC),
        read=batch.count,
        kept=counts.puts,
        superseded=counts.superseded,
        rejected_by_reason=Counter(row.reason for row in items.rejected),
        bytes=bytes_of(chunk.rows),
        seconds=stages.seconds,
    )
    values = {
        "job": job.name,
        "load": name,
        "rows": batch.count,
        "puts": counts.puts,
        "superseded": counts.superseded,
        "dead_letters": len(items.rejected),
        "position": chunk.position,
        "seconds": f"{seconds:.2f}",
    }
    return Report(values, seconds, job.told(figures))


def _after_key(table: SourceTable, progress: LoadProgress) -> tuple[Value, ...] | None:
    """Return after which key a load goes on; from the start if the table has got another primary key since."""
    key = progress.after_key
    return key if key and len(key) == len(table.primary_key) else None


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


def delete_older(job: ReplicateJob, position: BinlogPosition, names: Iterable[str]) -> None:
    """Delete the items of the tables' targets that are older than `position`.

    Raises:
        SinkError: Items may be left that are older.
    """
    for target, name in _targets(job, names).items():
        try:
            version = version_of(job.state.generation, position)
            deleted = job.writer.delete_older(target, version, job.targets.mark(target))
        except SinkError as error:
            if error.retryable or job.routes.is_known(name):
                raise
            # The table was gone before this process met it: it may never have had a target.
            log.warning("job=%s table=%s is gone, and its items were not deleted: %s", job.name, name, error)
        else:
            log.info("job=%s target=%s position=%s deleted_older=%d", job.name, target, position, deleted)
