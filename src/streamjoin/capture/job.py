"""The parts of a capture job, and how a configuration becomes them."""

from dataclasses import dataclass
from typing import Literal

from pyspark.sql import SparkSession

from streamjoin.aws.storage import is_s3
from streamjoin.capture.config.capture import CaptureConfig, journal_path, letters_name
from streamjoin.capture.tables import CapturedTables
from streamjoin.errors import ConfigError
from streamjoin.history.journal import Journal
from streamjoin.hudi.repair import repair
from streamjoin.letters.job import PositionedJob
from streamjoin.letters.table import DeadLetters
from streamjoin.lock import Place
from streamjoin.spark.session import job_session


@dataclass(frozen=True, kw_only=True)
class CaptureJob(PositionedJob):
    """The parts of one job beside those of any; `assemble` makes them from its configuration.

    Args:
        tables: Where changes go.
        unlisted_tables: What becomes of changes of other tables.
        journal: Where the position is, and what each batch was: one job writes many tables, so that none of their
            commits can hold it.
    """

    tables: CapturedTables
    unlisted_tables: Literal["dead_letter", "ignore"]
    journal: Journal

    @property
    def positions(self) -> Journal:
        """Those of the journal."""
        return self.journal

    @property
    def place(self) -> Place:
        """The journal."""
        return Place.of_journal(self.journal.base_path)

    def open(self) -> None:
        """Make the job ready to start, or to start again: tables are opened when they are met.

        Raises:
            SinkError: Another capture job owns a table, the dead letters can't be mended, or the lock is lost.
        """
        self.check()
        repair(self.dead_letters.base_path)
        self.tables.forget()
        self.tables.check_owner()

    def finish(self) -> None:
        """Wait, within bounds, for what is done beside the commits: services of the tables, and the catalog."""
        self.tables.finish()
        self.dead_letters.catalog.finish()


def assemble(config: CaptureConfig, *, remembers_all: bool = False) -> CaptureJob:
    """Return the job of `config`; nothing is read or written yet.

    Args:
        config: A checked configuration.
        remembers_all: Whether every removal counts that is still known: for changes that were set aside long ago.

    Raises:
        ConfigError: Two tables would have one name.
    """
    owner = (config.name, journal_path(config))
    dead_letters = DeadLetters.of(config.dead_letters, letters_name(config.name), owner)
    return CaptureJob(
        name=config.name,
        tables=CapturedTables(config, dead_letters, remembers_all=remembers_all),
        unlisted_tables=config.unlisted_tables,
        dead_letters=dead_letters,
        journal=Journal(journal_path(config)),
    )


def prepare(config: CaptureConfig, *, remembers_all: bool = False) -> tuple[CaptureJob, SparkSession]:
    """Return the job of `config` and the session that it runs in, as `assemble`; nothing is written yet.

    Raises:
        ConfigError: A table that is there was made with other settings, or belongs to another capture job.
        SinkError: What is there can't be read.
    """
    job = assemble(config, remembers_all=remembers_all)
    if found := [*job.tables.conflicts(), *job.dead_letters.conflicts()]:
        raise ConfigError(found, where=config.name)
    paths = [config.dead_letters.base_path, *(table.sink.hudi.base_path for table in config.tables)]
    return job, job_session(config.name, s3=any(map(is_s3, paths)))
