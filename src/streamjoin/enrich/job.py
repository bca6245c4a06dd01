"""The parts of an enrichment job, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import pyarrow as pa

from streamjoin.config.sink_stages import OrderingSettings
from streamjoin.enrich.config.enrich import OutputSettings
from streamjoin.enrich.config.rewriting import RewritingPlan
from streamjoin.enrich.deletes import Deletion
from streamjoin.history.checkpoint import TableCommits
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.hudi.repair import repair
from streamjoin.hudi.write import HudiTable
from streamjoin.letters.job import PositionedJob
from streamjoin.records.case_watch import CaseWatch
from streamjoin.records.decoder import PayloadFormat
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.reference.lookup.reference import LookupReference
from streamjoin.reference.lookup.snapshot import LookupSnapshot
from streamjoin.streaming.writer import TableWriter

AnyReference: TypeAlias = Reference | LookupReference
AnySnapshot: TypeAlias = Snapshot | LookupSnapshot


@dataclass(frozen=True, kw_only=True)
class EnrichJob(PositionedJob):
    """The parts of one job beside those of any; `enrich/assembly.py` makes them from its configuration.

    Args:
        schema: The events' columns.
        references: What events are joined with, in order.
        output: The columns of the table.
        ordering: Which of two events of one record key is the newer; None: that which arrived later.
        partition_by: The table's partitions.
        table: Where rows go.
        version_columns: Reference -> the column that has the version that a row was joined with.
        deletion: How events delete rows; None if none does.
        rewriting: How rows already written are made true; None if no reference asks for it.
        payload: What a record's data is.
        unwritable: Rows that a rewrite in hand leaves as they are, by their keys.
    """

    schema: pa.Schema
    references: tuple[AnyReference, ...]
    output: OutputSettings
    ordering: OrderingSettings | None
    partition_by: tuple[PartitionColumn, ...]
    table: HudiTable
    version_columns: Mapping[str, str] = field(default_factory=dict)
    deletion: Deletion | None = None
    rewriting: RewritingPlan | None = None
    payload: PayloadFormat = field(default_factory=PayloadFormat)
    unwritable: set[str] = field(default_factory=set, compare=False)

    @property
    def positions(self) -> TableCommits:
        """Those of the table's commits."""
        return TableCommits(self.table.base_path)

    def current(self) -> dict[str, AnySnapshot]:
        """Return a version of each reference, by name; errors are those of `Reference.current`."""
        return {reference.name: reference.current() for reference in self.references}

    @cached_property
    def writer(self) -> TableWriter:
        """What commits to the table."""
        return TableWriter(self.table, self.lock, self.name)

    @cached_property
    def case_watch(self) -> CaseWatch:
        """What notices columns whose attribute is written in another case."""
        return CaseWatch()

    def open(self) -> None:
        """Make both tables ready for this process: mend what a dead one left, and bring the ledger up to date.

        Raises:
            SinkError: A table can't be read or mended, or the lock is lost.
        """
        self.check()
        self.writer.open()
        if self.deletion is not None:
            self.deletion.tombstones.open()
        repair(self.dead_letters.base_path)

    def finish(self) -> None:
        """Wait, within bounds, for what is done beside the commits: services of the table, and the catalog."""
        self.writer.finish()
        self.dead_letters.catalog.finish()


def followed(job: EnrichJob) -> list[Reference]:
    """Return the references that are kept current, which those that are looked up are not."""
    return [reference for reference in job.references if isinstance(reference, Reference)]
