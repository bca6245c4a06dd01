"""Where an enrichment begins: at the table's newest position, with the references that its commit names."""

import time
from collections.abc import Callable, Mapping

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.job import EnrichJob, followed
from streamjoin.enrich.rows import Version, join_events, order, table_rows, version_literals
from streamjoin.errors import SchemaError
from streamjoin.history import checkpoint
from streamjoin.history.counts import BatchCounts
from streamjoin.history.entry import Entry
from streamjoin.hudi import write as hudi
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import Stream
from streamjoin.records.decode import decode
from streamjoin.shards.position import Position
from streamjoin.spark.schema import RECORD_STRUCT


def starting_point(config: EnrichConfig, job: EnrichJob, stream: Stream, spark: SparkSession) -> Callable[[], Position]:
    """Return the function that says where the job starts: from the table's newest position, else the configured one.

    At the very first start the position is committed before anything is read, in a commit without rows: LATEST means
    the moment of the first start, also for a job that is stopped before its first record.
    """

    def start() -> Position:
        job.open()
        found = job.positions.newest()
        if found is None:
            position = kinesis.start(stream, config.source.kinesis, int(time.time() * 1000))
            commit_start(job, position, spark)
            return position
        stream.check(found.position)
        job.unread_letters.find(spark, found.position)
        resume(job, found, spark)
        return found.position

    return start


def resume(job: EnrichJob, found: Entry, spark: SparkSession) -> None:
    """Make an open job ready to go on from the table's newest commit: its references, and the table's columns."""
    for reference in job.references:
        reference.restore(found.references.get(reference.name))
    for reference in followed(job):
        # What is wrong with a table is said at the start, not when the first event comes.
        reference.unreported(reference.current())
    snapshots = job.current()
    job.writer.fit(spark, _no_rows(job, snapshots, spark).schema)


def _no_rows(job: EnrichJob, snapshots: Mapping[str, Version], spark: SparkSession) -> DataFrame:
    """Return the table's columns, without a row.

    Raises:
        SchemaError: They don't fit together.
    """
    nothing = decode(spark.createDataFrame([], RECORD_STRUCT), job.schema, job.payload)
    try:
        rows = table_rows(job, order(job, join_events(job, nothing, snapshots)))
        return rows.withColumns(version_literals(job, snapshots))
    except PySparkException as error:
        message = f"job '{job.name}': its columns don't fit together: {hudi.root_cause(error)}"
        raise SchemaError(message) from error


def commit_start(job: EnrichJob, position: Position, spark: SparkSession) -> None:
    """Create the table with its columns and its first position."""
    snapshots = job.current()
    # Or a cluster runs its default of 200 tasks for no row.
    spark.conf.set("spark.sql.shuffle.partitions", 1)
    rows = _no_rows(job, snapshots, spark)
    versions = {name: snapshot.metadata() for name, snapshot in snapshots.items()}
    metadata = checkpoint.to_metadata(position, (), versions, BatchCounts().to_dict())
    job.writer.commit(rows, {"batch_id": "start", **metadata})
    job.writer.record()
