"""Dead letters of an enrichment fed in again."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from streamjoin.enrich.assembly import prepare, resolve_schema
from streamjoin.enrich.batch import commit_rows, order_batch
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.job import EnrichJob, followed
from streamjoin.enrich.order import ORDERING_COLUMN, SEQUENCE_COLUMN, sequence_order
from streamjoin.enrich.rows import remember_removed, table_rows, version_literals
from streamjoin.hudi.stored import stored_rows
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.chunks import Chunk
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.redrive import Processed, Redrive, RedriveReport, rejected_again
from streamjoin.letters.table import letter_id
from streamjoin.records.events import REASON_COLUMN, RECORD_COLUMN
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.spark.frames import tasks_for
from streamjoin.streaming.batch import Batch
from streamjoin.streaming.isolation import SetAside

_STORED_ORDERING: Final = "_stored_ordering"
_STORED_SEQUENCE: Final = "_stored_sequence"


def run_redrive(config: EnrichConfig, letters: LetterFilter | None = None) -> RedriveReport:
    """Feed the dead letters of the job of `config` in again, as `redrive`; the job must not run meanwhile.

    Args:
        config: A checked configuration.
        letters: Which; default: all.

    Raises:
        StreamJoinError: It can't go on, or the job runs; what was re-driven so far stands.
    """
    prepared, spark = prepare(config, resolve_schema(config), remembers_all=True)
    with prepared.locked("redrive") as job:
        report = redrive(job, spark, BatchLimits.of(config.limits), letters)
        job.finish()
        return report


def redrive(
    job: EnrichJob,
    spark: SparkSession,
    limits: BatchLimits,
    letters: LetterFilter | None = None,
    *,
    on_step: Callable[[str], None] = lambda step: None,
) -> RedriveReport:
    """Feed dead letters in again, as `Redrive`: the newest event of each record key, unless the table has a newer row.

    Args:
        job: The job's parts.
        spark: The session.
        limits: What a chunk may hold at most.
        letters: Which; default: all.
        on_step: Called with the name of each step that has been done.

    Raises:
        StreamJoinError: The chunk in hand did not happen, or (`SinkError`) may have: the next redrive finds out.
    """
    job.open()
    newest = job.positions.newest()
    if newest is not None:
        for reference in job.references:
            reference.restore(newest.references.get(reference.name))
    return Redrive(job, spark, limits, partial(_process, job), on_step).run(letters)


def _process(job: EnrichJob, chunk: Chunk, batch_id: str, aside: SetAside, kept: ExitStack) -> Processed:
    """Decode, join and order a chunk, as a batch."""
    spark = chunk.records.sparkSession
    parallelism = tasks_for(spark, len(chunk.reasons))
    spark.conf.set("spark.sql.shuffle.partitions", parallelism)
    snapshots = job.current()
    ordered, _ = order_batch(job, Batch(batch_id, chunk.records), snapshots, aside, kept)
    verdicts = ordered.frame.select(letter_id(RECORD_COLUMN), F.col(REASON_COLUMN).isNull()).collect()
    stay = rejected_again(chunk.reasons.keys(), (event for event, is_kept in verdicts if not is_kept))
    back = chunk.reasons.keys() - stay
    rows = _without_older(job, table_rows(job, ordered).withColumns(version_literals(job, snapshots)))
    # A letter of a whole record may have good events beside the bad one for which it stays.
    is_partly_kept = not stay.isdisjoint(
        rejected_again(chunk.reasons.keys(), (e for e, is_kept in verdicts if is_kept))
    )
    has_rows = bool(back) or (is_partly_kept and not rows.isEmpty())
    if not has_rows:
        # No commit names them: the next one tells what reading them consumed.
        for reference in followed(job):
            snapshot = snapshots[reference.name]
            if isinstance(snapshot, Snapshot):
                reference.unreported(snapshot)

    def commit(metadata: Mapping[str, str]) -> None:
        remember_removed(job, ordered, batch_id)
        commit_rows(job, batch_id, ordered, snapshots, metadata, parallelism, partial(_without_older, job))

    versions = {name: snapshot.metadata() for name, snapshot in snapshots.items()} if has_rows else {}
    return Processed(back, commit, job.writer.record, versions, has_rows=has_rows)


def _without_older(job: EnrichJob, rows: DataFrame) -> DataFrame:
    """Return the rows without those whose record key has a newer row in the table.

    Newer is the greater ordering value, and on a tie the later in its shard. A batch need not look: it comes after what
    is in the table. A row of a version that wrote no sequence numbers stays on a tie: which is the later isn't known.
    """
    stored = stored_rows(rows.sparkSession, job.table.base_path)
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
