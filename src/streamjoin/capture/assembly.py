"""From the configuration of `job: capture` to the parts of a running job."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pyspark.sql import SparkSession

from streamjoin.aws.storage import is_s3
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.job import CaptureJob
from streamjoin.capture.tables import CapturedTables
from streamjoin.history.journal import Journal
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.table import DeadLetters
from streamjoin.lock import TableLock
from streamjoin.spark.session import job_session


def assemble(config: CaptureConfig) -> CaptureJob:
    """Return the job of `config`; nothing is read or written yet.

    Raises:
        ConfigError: Two tables would have one name.
    """
    return CaptureJob(
        name=config.name,
        tables=CapturedTables(config),
        unlisted_tables=config.unlisted_tables,
        dead_letters=DeadLetters(config.dead_letters.base_path, f"{_table_name(config.name)}_dead_letters"),
        journal=Journal(journal_path(config)),
    )


def prepare(config: CaptureConfig) -> tuple[CaptureJob, SparkSession]:
    """Return the job of `config` and the session that it runs in; nothing is read or written yet."""
    job = assemble(config)
    paths = [config.dead_letters.base_path, *(table.sink.hudi.base_path for table in config.tables)]
    return job, job_session(config.name, s3=any(map(is_s3, paths)))


def batch_limits(config: CaptureConfig) -> BatchLimits:
    """Return what a batch may hold at most."""
    return BatchLimits(config.limits.max_records_per_batch, config.limits.max_bytes_per_batch)


@contextmanager
def locked(job: CaptureJob, config: CaptureConfig) -> Iterator[CaptureJob]:
    """Return the job with the locks of its journal and its dead letters, until the block ends.

    Those of its tables it takes for each commit alone, so that a backfill can write them by turns with it.

    Raises:
        SinkError: Another process runs the job, or writes its dead letters.
    """
    letters = config.dead_letters.base_path
    with TableLock(journal_path(config), job=job.name) as lock, TableLock(letters, job=job.name):
        yield replace(job, lock=lock)


def _table_name(job_name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in job_name).lower()
