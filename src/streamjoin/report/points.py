"""A history of any length as a few hundred points, in memory of their size."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from streamjoin.history.figures import BatchFigures, ReferenceFigures
from streamjoin.history.stored_figures import together
from streamjoin.overview.state import expected_seconds

MOST_POINTS: Final = 400
# Of so many gaps before it the usual one is taken.
_RECENT_GAPS: Final = 50
# So many batches of a point are held one by one.
_AT_ONCE: Final = 10
_SLOWEST: Final = "slowest"


@dataclass(frozen=True)
class Point:
    """One batch, or several that follow each other.

    Args:
        figures: Theirs: sums, what was worst, and the lag of the slowest shard alone.
        since: When the first of them counted; the last one did at `figures.at`.
        span_seconds: How long they took: each from the one before it, if that was no longer ago than usual.
    """

    figures: BatchFigures
    since: datetime
    span_seconds: float

    @property
    def at(self) -> datetime:
        """When the last of them counted."""
        return self.figures.at

    @property
    def lag_seconds(self) -> float | None:
        """The greatest lag of any shard; None if none was told."""
        lag_ms = self.figures.lag_ms.get(_SLOWEST)
        return None if lag_ms is None else lag_ms / 1000

    def rate(self, number: float) -> float | None:
        """Return so many as so many a second; None if the time isn't known."""
        return number / self.span_seconds if self.span_seconds else None


@dataclass(frozen=True)
class History:
    """What a job has done.

    Args:
        points: The oldest first, at most `MOST_POINTS`.
        silences: From when to when nothing was committed, for longer than is usual, and for longer than one point is.
        width_seconds: How much time a point stands for; 0: each is one batch.
        allowed_seconds: After so long without a commit the time since the last one is a silence too.
    """

    points: Sequence[Point] = ()
    silences: Sequence[tuple[datetime, datetime]] = ()
    width_seconds: float = 0.0
    allowed_seconds: float = 0.0

    def silences_until(self, end: datetime) -> list[tuple[datetime, datetime]]:
        """Return the silences up to a time."""
        if self.points and (end - self.points[-1].at).total_seconds() > max(self.allowed_seconds, self.width_seconds):
            return [*self.silences, (self.points[-1].at, end)]
        return list(self.silences)

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return sum(each.figures.batches for each in self.points)

    def whole(self) -> BatchFigures | None:
        """Return the figures of all together; None if there are none."""
        return together([each.figures for each in self.points]) if self.points else None


@dataclass
class _Bucket:
    since: datetime
    at: datetime
    span_seconds: float = 0.0
    members: list[BatchFigures] = field(default_factory=list)

    def add(self, figures: Iterable[BatchFigures], at: datetime, span_seconds: float) -> None:
        self.at = at
        self.span_seconds += span_seconds
        self.members.extend(figures)
        if len(self.members) > _AT_ONCE:
            self.members = [_merged(self.members)]

    def point(self) -> Point:
        return Point(replace(_merged(self.members), at=self.at), self.since, self.span_seconds)


def gathered(series: Iterable[BatchFigures], most: int = MOST_POINTS) -> History:
    """Return a history as points: each batch, or if there are too many all of an interval of time.

    Args:
        series: The batches, the oldest first.
        most: So many points at most.
    """
    buckets: list[_Bucket] = []
    silences: list[tuple[datetime, datetime]] = []
    gaps = deque[float](maxlen=_RECENT_GAPS)
    width = 0.0
    for figures in series:
        before = buckets[-1].at if buckets else None
        # The clocks of two processes may disagree.
        at = figures.at if before is None else max(before, figures.at)
        took = sum(figures.seconds.values())
        if before is not None:
            gap = (at - before).total_seconds()
            is_silent = gap > expected_seconds(gaps)
            if is_silent and gap >= width:
                silences.append((before, at))
            if not (is_silent and took):
                took = gap
            gaps.append(gap)
        if not buckets or not width or _key(buckets[-1].since, width) != _key(at, width):
            buckets.append(_Bucket(at, at))
        buckets[-1].add([figures], at, took)
        while len(buckets) > most:
            width = 2 * width or _first_width(buckets, most)
            buckets = _joined(buckets, width)
            silences = [each for each in silences if (each[1] - each[0]).total_seconds() >= width]
    return History([each.point() for each in buckets], silences, width, expected_seconds(gaps))


def _first_width(buckets: Sequence[_Bucket], most: int) -> float:
    """Return a width that halves them at least; doubled, it keeps its limits."""
    wanted = (buckets[-1].at - buckets[0].at).total_seconds() / (most / 2)
    width = 1 / 1024
    while width < wanted:
        width *= 2
    return width


def _joined(buckets: Sequence[_Bucket], width: float) -> list[_Bucket]:
    joined: list[_Bucket] = []
    for each in buckets:
        if joined and _key(joined[-1].since, width) == _key(each.since, width):
            joined[-1].add(each.members, each.at, each.span_seconds)
        else:
            joined.append(each)
    return joined


def _key(moment: datetime, width: float) -> int:
    return int(moment.timestamp() // width)


def _merged(several: Sequence[BatchFigures]) -> BatchFigures:
    """Return what `together` does, with what was worst of lag, references and catalog in place of what was last."""
    whole = together(several)
    lags = [lag for each in several for lag in each.lag_ms.values()]
    references: dict[str, ReferenceFigures] = {}
    for each in several:
        for name, found in each.references.items():
            before = references.get(name, found)
            ages = [age for age in (before.age_seconds, found.age_seconds) if age is not None]
            references[name] = ReferenceFigures(
                version=found.version,
                age_seconds=max(ages, default=None),
                read_units=found.read_units,
                failures=max(before.failures, found.failures),
            )
    return replace(
        whole,
        lag_ms={_SLOWEST: max(lags)} if lags else {},
        references=references,
        catalog_failures=max(each.catalog_failures for each in several),
    )
