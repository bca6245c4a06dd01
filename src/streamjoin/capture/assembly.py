"""From the configuration of `job: capture` to the parts of a running job."""

from pyspark.sql import SparkSession

from streamjoin.aws.storage import is_s3
from streamjoin.capture.config.capture import CaptureConfig, journal_path
from streamjoin.capture.job import CaptureJob
from streamjoin.capture.tables import CapturedTables
from streamjoin.history.journal import Journal
from streamjoin.letters.table import DeadLetters
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


def _table_name(job_name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in job_name).lower()
