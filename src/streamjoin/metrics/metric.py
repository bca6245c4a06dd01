"""A metric, and a number that was measured of it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

ALL_JOBS: Final = ("enrich", "capture", "backfill", "replicate")
STREAM_JOBS: Final = ("enrich", "capture")


class Kind(StrEnum):
    """What becomes of a metric's numbers, batch after batch."""

    COUNTER = "counter"
    """They are added up."""
    GAUGE = "gauge"
    """The newest counts."""


class Unit(StrEnum):
    """In what a metric is measured, in CloudWatch's words.

    Source: MetricDatum of the CloudWatch API reference.
    """

    COUNT = "Count"
    SECONDS = "Seconds"
    BYTES = "Bytes"
    NONE = "None"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        name: Its name, with the unit of seconds and bytes behind it.
        kind: What becomes of its numbers.
        unit: In what it is measured.
        meaning: What it is, in a few words.
        labels: Names of what tells its numbers apart.
        jobs: The kinds of jobs that have it.
        line: What it is called in the line that a batch of a stream has in the log, labels behind it; None: it isn't
            there.
    """

    name: str
    kind: Kind
    unit: Unit
    meaning: str
    labels: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ALL_JOBS
    line: str | None = None


@dataclass(frozen=True)
class Measure:
    """One number.

    Args:
        metric: What it is a number of.
        value: The number; of a counter what the batch adds.
        labels: The values of the metric's labels, in their order; an empty one is none.
        line: What the line of the log has of it: a key and a text; None: nothing.
    """

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()
    line: tuple[str, str] | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The metric's name, with the labels' values behind it."""
        return ".".join((self.metric.name, *filter(None, self.labels)))


def finite(measures: Iterable[Measure]) -> Iterator[Measure]:
    """Yield those that are numbers: no service takes infinities, nor what is no number."""
    return (each for each in measures if math.isfinite(each.value))


def by_key(measures: Iterable[Measure]) -> dict[str, float]:
    """Return the numbers by their keys, for JSON."""
    return {each.key: each.value for each in finite(measures)}
