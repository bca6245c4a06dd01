"""What was done, in numbers with names: one line of the log, no payload."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamjoin.metrics.metric import Measure, by_key
from streamjoin.process import FIELDS


def line_of(values: Mapping[str, object]) -> str:
    """Return the values as `key=value` pairs, as all lines of the log have them."""
    return " ".join(f"{key}={value}" for key, value in values.items())


class AnyReport(Protocol):
    """What the loop has to know of what a batch did."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    def line(self) -> str:
        """Return it as `key=value` pairs."""

    def measures(self) -> Iterable[Measure]:
        """Return its numbers."""


def said(report: AnyReport, log: logging.Logger, tell: Callable[[Sequence[Measure]], None]) -> list[Measure]:
    """Say what a batch did: in a line of the log, and to what takes its numbers; return these."""
    measures = list(report.measures())
    log.info(report.line(), extra={FIELDS: by_key(measures)})
    tell(measures)
    return measures


@dataclass(frozen=True)
class Report:
    """What a batch did, if nothing but the log asks for it.

    Args:
        values: Numbers by their names, in the order of the line.
        seconds: How long it took.
        told: What it tells machines.
    """

    values: Mapping[str, object]
    seconds: float
    told: tuple[Measure, ...] = ()

    def line(self) -> str:
        """Return it as `key=value` pairs."""
        return line_of(self.values)

    def measures(self) -> tuple[Measure, ...]:
        """Return its numbers."""
        return self.told
