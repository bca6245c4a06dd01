"""What runs to the right in a plot: times, or numbers."""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from streamjoin.report.scales import Scale, count_text, of_numbers, of_times, tick_text
from streamjoin.report.tables import time_text

# A single batch stands in the middle of such a span.
_LEAST_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Across:
    """What runs to the right.

    Args:
        name: What it is, such as `UTC`.
        about: What is written below the ticks.
        values: Of each point, ascending.
        scale: Where each is.
        tick: Writes what stands at a tick.
        text: Writes a value.
        silences: From which value to which there is none, so that no line is drawn.
    """

    name: str
    about: str
    values: Sequence[float]
    scale: Scale
    tick: Callable[[float], str]
    text: Callable[[float], str]
    silences: Sequence[tuple[float, float]] = ()

    @classmethod
    def times(
        cls,
        moments: Sequence[datetime],
        silences: Sequence[tuple[datetime, datetime]] = (),
        end: datetime | None = None,
    ) -> Self:
        """Return times in UTC.

        Args:
            moments: At least one, the oldest first.
            silences: From when to when there was no point.
            end: How far it goes, if that is later than the last moment.
        """
        low, high = moments[0].timestamp(), max(moments[-1], end or moments[-1]).timestamp()
        room = max(0.0, _LEAST_SECONDS - (high - low)) / 2
        scale = of_times(low - room, high + room)
        days = [f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d}" for each in (low, high)]
        return cls(
            name="UTC",
            about=f"{' to '.join(dict.fromkeys(days))}, UTC",
            values=[each.timestamp() for each in moments],
            scale=scale,
            tick=lambda tick: tick_text(tick, scale.ticks),
            text=lambda value: time_text(datetime.fromtimestamp(value, UTC)),
            silences=[(begin.timestamp(), end.timestamp()) for begin, end in silences],
        )

    @classmethod
    def numbers(cls, name: str, values: Sequence[float], *, is_log: bool = False) -> Self:
        """Return numbers, ascending; with `is_log` tenfold is a step, and every number is above 0."""
        scale = of_numbers(values, is_log=is_log)
        return cls(name=name, about=name, values=values, scale=scale, tick=count_text, text=count_text)

    def share(self, index: int) -> float:
        """Return where a point is, from 0 to 1."""
        return self.scale.share(self.values[index])

    def pieces(self, indices: Sequence[int]) -> list[list[int]]:
        """Return these points in pieces, cut where there was silence."""
        ends = [end for _, end in self.silences]
        pieces = itertools.groupby(indices, lambda index: bisect_right(ends, self.values[index]))
        return [list(piece) for _, piece in pieces]
