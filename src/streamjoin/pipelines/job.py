"""The parts of an enrichment job, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from streamjoin.reference.snapshot import Reference
from streamjoin.sinks.dead_letters import DeadLetters
from streamjoin.sinks.hudi import HudiTable
from streamjoin.transforms.partition import PartitionColumn


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


@dataclass(frozen=True)
class EnrichJob:
    """The parts of one job; `pipelines/assembly.py` makes them from its configuration."""

    name: str
    schema: T.StructType
    references: tuple[Reference, ...]
    output: Output
    ordering: Ordering
    partition_by: tuple[PartitionColumn, ...]
    table: HudiTable
    dead_letters: DeadLetters
