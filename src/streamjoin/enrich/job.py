"""The parts of an enrichment job, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from pyspark.sql import types as T

from streamjoin.enrich.config.rewriting import RewritingPlan
from streamjoin.history.checkpoint import TableCommits
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.hudi.repair import repair
from streamjoin.hudi.write import HudiTable
from streamjoin.letters.job import PositionedJob
from streamjoin.records.decoder import PayloadFormat
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.streaming.writer import TableWriter

AnyReference: TypeAlias = Reference | LookupReference


@dataclass(frozen=True)
class Ordering:
    """Which of two events of one record key is the newer: a column and its format; none: when they arrived."""

    column: str | None = None
    format: str | None = None


@dataclass(frozen=True)
class Output:
    """The columns of the table: derived ones are added, then some are dropped or only some selected."""

    derive: Mapping[str, str]
    drop: Sequence[str] = ()
    select: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class EnrichJob(PositionedJob):
    """The parts of one job beside those of any; `enrich/assembly.py` makes them from its configuration.

    Args:
        schema: The events' columns.
        references: What events are joined with, in order.
        output: The columns of the table.
        ordering: Which of two events of one record key is the newer.
        partition_by: The table's partitions.
        table: Where rows go.
        version_columns: Reference -> the column that has the version that a row was joined with.
        rewriting: How rows already written are made true; None where no reference asks for it.
        payload: What a record's data is.
    """

    schema: T.StructType
    references: tuple[AnyReference, ...]
    output: Output
    ordering: Ordering
    partition_by: tuple[PartitionColumn, ...]
    table: HudiTable
    version_columns: Mapping[str, str] = field(default_factory=dict)
    rewriting: RewritingPlan | None = None
    payload: PayloadFormat = field(default_factory=PayloadFormat)

    @property
    def positions(self) -> TableCommits:
        """Those of the table's commits."""
        return TableCommits(self.table.base_path)

    @cached_property
    def writer(self) -> TableWriter:
        """What commits to the table."""
        return TableWriter(self.table, self.lock)

    def open(self) -> None:
        """Make both tables ready for this process: mend what a dead one left, and bring the ledger up to date.

        Raises:
            SinkError: A table can't be read or mended, or the lock is lost.
        """
        self.writer.open()
        repair(self.dead_letters.base_path)


def followed(job: EnrichJob) -> list[Reference]:
    """Return the references that are kept current, which those that are looked up are not."""
    return [reference for reference in job.references if isinstance(reference, Reference)]
