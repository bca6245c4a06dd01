"""Events joined with the references of a job: shared by batches and rewrites."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.enrich.job import AnyReference, EnrichJob
from streamjoin.enrich.join import enrich
from streamjoin.records.events import Events
from streamjoin.reference.probe import KeyedRows


class Version(Protocol):
    """One version of a reference, as a join takes it."""

    @property
    def version(self) -> int:
        """Grows with every change."""

    def side(self, events: DataFrame) -> DataFrame | KeyedRows:
        """Return what `enrich` joins `events` with."""


def join(
    events: Events,
    references: Sequence[AnyReference],
    snapshots: Mapping[str, Version],
    *,
    how: Literal["left"] | None = None,
) -> Events:
    """Join `events` with one version of each reference, in the order of the configuration.

    Args:
        events: What is joined.
        references: The references.
        snapshots: A version of each, by name.
        how: Instead of what is configured.
    """
    for reference in references:
        events = enrich(
            events,
            snapshots[reference.name].side(events.frame),
            on=reference.on,
            columns=list(reference.columns),
            how=how or reference.how,
            name=reference.name,
        )
    return events


def version_literals(job: EnrichJob, snapshots: Mapping[str, Version]) -> dict[str, Column]:
    """Return the columns of `output.reference_version`, of the references that are in `snapshots`."""
    return {
        column: F.lit(snapshots[name].version).cast("bigint")
        for name, column in job.version_columns.items()
        if name in snapshots
    }
