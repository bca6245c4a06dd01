"""Dead letters fed in again, once schema, reference or code have been mended."""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.aws.storage import as_hadoop_path
from streamjoin.enrich.assembly import batch_limits, locked, prepare, resolve_schema
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.job import EnrichJob, followed
from streamjoin.enrich.joining import join, version_literals
from streamjoin.enrich.order import ORDERING_COLUMN, SEQUENCE_COLUMN, sequence_order
from streamjoin.enrich.pipeline import order, table_rows
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.ledger import Ledger
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.chunks import Chunk, LetterChunks, with_new_shards
from streamjoin.letters.intents import Intents
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.table import letter_id
from streamjoin.records.decode import decode
from streamjoin.records.events import REASON_COLUMN, RECORD_COLUMN
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.spark.frames import persisted, tasks_for

log = logging.getLogger(__name__)

# The steps of a chunk between which it may die; tests kill it at each.
STEPS = ("letters_read", "intended", "redriven", "letters_deleted")

_STORED_ORDERING, _STORED_SEQUENCE = "_stored_ordering", "_stored_sequence"


@dataclass(frozen=True)
class RedriveReport:
    """What became of the dead letters that were meant.

    Args:
        redriven: Those that are a row now, or lost to a newer one, by the reason that they had.
        stayed: Those that are rejected still, by the reason that they have.
        waiting: Those of a batch that was not committed: the job reads their records again.
    """

    redriven: Mapping[str, int]
    stayed: Mapping[str, int]
    waiting: int = 0

    @property
    def tried(self) -> int:
        """How many were fed in."""
        return sum(self.redriven.values()) + sum(self.stayed.values())


def run_redrive(config: EnrichConfig, letters: LetterFilter | None = None) -> RedriveReport:
    """Feed the dead letters of the job of `config` in again; the job must not run meanwhile.

    Delivery: as `redrive`.

    Args:
        config: A checked configuration.
        letters: Which; default: all.

    Raises:
        StreamJoinError: It can't go on, or the job runs; what was re-driven so far stands.
    """
    prepared, spark = prepare(config, resolve_schema(config))
    with locked(prepared, f"{prepared.name} (redrive)") as job:
        return redrive(job, spark, batch_limits(config), letters)


def redrive(
    job: EnrichJob,
    spark: SparkSession,
    limits: BatchLimits,
    letters: LetterFilter | None = None,
    *,
    at: Callable[[str], None] = lambda step: None,
) -> RedriveReport:
    """Feed dead letters in again, a chunk of the size of a batch after the other.

    First, what a redrive that died has left is brought to its end. Then, of each chunk:

    1. decode, join, order: as for a batch, with schema and references as they are now.
    2. intent: which letters the commit will bring back, those that are no longer rejected.
    3. upsert: the newest event of each record key, unless the table has a newer row. The commit carries the position
       on, and advances nothing.
    4. delete: the letters that are rows now, or lost to a newer one. The others stay as they are.

    Delivery: before step 3 ends nothing has happened; after it the letters are rows, and the next redrive does step 4.
    Repeating it changes nothing. Letters of a batch that was not committed are left to the job, which reads their
    records again. Nothing else may write the table meanwhile.

    Args:
        job: The job's parts.
        spark: The session.
        limits: What a chunk may hold at most.
        letters: Which; default: all.
        at: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: The chunk in hand did not happen, or (`SinkError`) may have: the next redrive finds out.
    """
    job.open()
    found = checkpoint.read(job.table.base_path)
    if found is None:
        return RedriveReport({}, {})
    for reference in job.references:
        reference.restore(found.references.get(reference.name))
    driver = _Redriver(job, spark, at)
    driver.finish_interrupted()
    position = with_new_shards(spark, job.dead_letters, Ledger(job.table.base_path).entries, found.position)
    chunks = LetterChunks(spark, job.dead_letters, position, letters or LetterFilter(), limits)
    redriven, stayed = Counter[str](), Counter[str]()
    for chunk in chunks:
        at("letters_read")
        back = driver.redrive(chunk)
        redriven.update(chunk.reasons[letter] for letter in back)
        stayed.update(reason for letter, reason in chunk.reasons.items() if letter not in back)
    return RedriveReport(dict(redriven), dict(stayed), len(chunks.unread()))


class _Redriver:
    """Re-drives chunks of one job.

    Args:
        job: The job's parts.
        spark: The session.
        at: Called with the name of each step that has been done.
    """

    def __init__(self, job: EnrichJob, spark: SparkSession, at: Callable[[str], None]) -> None:
        self._job, self._spark, self._at = job, spark, at
        self._intents = Intents(job.table.base_path)

    def finish_interrupted(self) -> None:
        """Delete the letters of commits whose redrive died before it could; forget what was never committed."""
        pending = self._intents.pending()
        if not pending:
            return
        # Of the whole history: the job may have run for long since.
        committed = {entry.batch_id for entry in Ledger(self._job.table.base_path).entries()}
        for batch_id in pending:
            if batch_id in committed:
                log.warning(
                    "job=%s redrive=%s was interrupted after its commit; finishing it", self._job.name, batch_id
                )
                self._delete(batch_id, self._intents.letters(batch_id))
            self._intents.remove(batch_id)

    def redrive(self, chunk: Chunk) -> Collection[str]:
        """Feed one chunk in; return the ids of the letters that are no longer."""
        started = time.monotonic()
        job, parallelism = self._job, tasks_for(self._spark, len(chunk.reasons))
        self._spark.conf.set("spark.sql.shuffle.partitions", parallelism)
        snapshots = {reference.name: reference.current() for reference in job.references}
        events = decode(chunk.records, job.schema, job.payload)  # 1
        with ExitStack() as kept:
            kept.enter_context(persisted(events.frame, needed=any(r.looks_up for r in job.references)))
            ordered = order(job, join(events, job.references, snapshots))
            kept.enter_context(persisted(ordered.frame))
            accepted = ordered.frame.where(F.col(REASON_COLUMN).isNull()).select(letter_id(RECORD_COLUMN))
            back = {str(row[0]) for row in accepted.collect()}
            if back:
                rows = table_rows(job, ordered).withColumns(version_literals(job, snapshots))
                versions = {name: snapshot.metadata() for name, snapshot in snapshots.items()}
                reasons = Counter(chunk.reasons[letter] for letter in back)
                self._commit(_without_older(job, rows), sorted(back), versions, reasons, parallelism)
        if not back:
            # No commit names them: the next one tells what reading them consumed.
            for reference in followed(job):
                snapshot = snapshots[reference.name]
                if isinstance(snapshot, Snapshot):
                    reference.unreported(snapshot)
        log.info(
            "job=%s redrive letters=%d redriven=%d seconds=%.2f",
            *(job.name, len(chunk.reasons), len(back), time.monotonic() - started),
        )
        return back

    def _commit(
        self,
        rows: DataFrame,
        letters: list[str],
        versions: Mapping[str, Mapping[str, Any]],
        reasons: Mapping[str, int],
        parallelism: int,
    ) -> None:
        found = checkpoint.read(self._job.table.base_path)
        assert found is not None  # noqa: S101  (checked by the caller)
        # The commit before is part of the name: a letter that was re-driven once may come to be one again.
        name = hashlib.sha256(json.dumps([found.instant, *letters]).encode()).hexdigest()[:16]
        batch_id = f"redrive-{name}"
        counts = {**BatchCounts().to_dict(), "redriven": len(letters), "redriven_by_reason": dict(reasons)}
        metadata = checkpoint.to_metadata(found.position, (), {**found.references, **versions}, counts)
        self._intents.write(batch_id, letters)  # 2
        self._at("intended")
        self._job.writer.commit(rows, {"batch_id": batch_id, **metadata}, parallelism=parallelism)  # 3
        self._at("redriven")
        self._job.writer.record()
        self._delete(batch_id, letters)  # 4
        self._at("letters_deleted")
        self._intents.remove(batch_id)

    def _delete(self, batch_id: str, letters: list[str]) -> None:
        if self._job.lock is not None:
            self._job.lock.check()
        tasks = tasks_for(self._spark, len(letters))
        self._job.dead_letters.delete(self._spark, letters, batch_id=batch_id, parallelism=tasks)


def _without_older(job: EnrichJob, rows: DataFrame) -> DataFrame:
    """Return the rows without those whose record key has a newer row in the table.

    Newer is the greater ordering value, and on a tie the later in its shard. A batch need not look: it comes after what
    is in the table. A row of a version that wrote no sequence numbers stays on a tie: which is the later isn't known.
    """
    stored = rows.sparkSession.read.format("hudi").load(as_hadoop_path(job.table.base_path))
    keys = [f"`{name}`" for name in job.table.record_key]
    sequence = F.col(SEQUENCE_COLUMN) if SEQUENCE_COLUMN in stored.columns else F.lit(None).cast("string")
    stored = stored.select(*keys, F.col(ORDERING_COLUMN).alias(_STORED_ORDERING), sequence.alias(_STORED_SEQUENCE))
    both = stored.join(F.broadcast(rows.select(*keys, ORDERING_COLUMN, SEQUENCE_COLUMN)), list(job.table.record_key))
    is_later = F.coalesce(
        sequence_order(F.col(SEQUENCE_COLUMN)) > sequence_order(F.col(_STORED_SEQUENCE)), F.lit(False)
    )
    is_newer = (F.col(ORDERING_COLUMN) > F.col(_STORED_ORDERING)) | (
        (F.col(ORDERING_COLUMN) == F.col(_STORED_ORDERING)) & is_later
    )
    return rows.join(both.where(~is_newer).select(*keys), list(job.table.record_key), "left_anti")
