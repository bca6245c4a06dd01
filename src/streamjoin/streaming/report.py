"""What was done, in numbers with names: one line of the log, no payload."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamjoin.metrics.metric import Measure


def line_of(values: Mapping[str, object]) -> str:
    """Return the values as `key=value` pairs, as all lines of the log have them."""
    return " ".join(f"{key}={value}" for key, value in values.items())


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
