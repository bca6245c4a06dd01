"""Scales with ticks where people expect them: of numbers, lengths of time, bytes and times of day."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_LENGTHS: Final = (
    *(10.0, 15.0, 30.0),
    *(step * _MINUTE for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
    *(_DAY * step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
_TIMES: Final = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(step * _MINUTE for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
    *(step * _DAY for step in (1, 2, 7, 14)),
)
# In months.
_STRIDES: Final = (1, 2, 3, 6, 12, 24, 60, 120)
_LOG_LENGTHS: Final = (0.001, 0.01, 0.1, 1.0, 10.0, _MINUTE, 10 * _MINUTE, _HOUR, 10 * _HOUR, 4 * _DAY, 40 * _DAY)
# A value so many times the usual one leaves nothing to be seen of that.
_WIDE: Final = 40.0


@dataclass(frozen=True)
class Unit:
    """What numbers are of.

    Args:
        name: As captions have it.
        text: Writes one for people.
        steps: Distances of ticks beside one, two and five of each power of ten.
        is_whole: Whether there is nothing between two numbers.
        most: Which no value exceeds, if there is such a one.
    """

    name: str
    text: Callable[[float], str]
    steps: Sequence[float] = ()
    is_whole: bool = False
    most: float | None = None


@dataclass(frozen=True)
class Scale:
    """From values to shares of a plot's height or width.

    Args:
        low: The value at 0.
        high: The value at 1.
        ticks: Values that are written beside it.
        is_log: Whether tenfold is a step.
    """

    low: float
    high: float
    ticks: Sequence[float]
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        low, high, at = self.low, self.high, max(value, self.low)
        if self.is_log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return (at - low) / (high - low) if high > low else 0.5


def _digits(number: float) -> str:
    """Return three digits of a number, or all before its point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def count_text(number: float) -> str:
    """Return a number in six characters at most."""
    if number < 1e4:
        return _digits(number)
    size, letter = next(each for each in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")) if number >= each[0])
    return f"{_digits(number / size)}{letter}"


def length_text(seconds: float) -> str:
    """Return a length of time in one unit."""
    for size, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1.0, "s")):
        if seconds >= size:
            return f"{_digits(seconds / size)} {name}"
    return f"{_digits(seconds * 1000)} ms" if seconds else "0"


def bytes_text(number: float) -> str:
    """Return bytes in the unit of thousands that leaves three digits."""
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{_digits(number / size)} {name}"
    return f"{number:.0f} B"


COUNT: Final = Unit("", count_text, is_whole=True)
RATE: Final = Unit("a second", count_text)
SECONDS: Final = Unit("seconds", length_text, _LENGTHS)
BYTES: Final = Unit("bytes", bytes_text)
PERCENT: Final = Unit("%", lambda number: f"{number:.3g} %", most=100.0)
NUMBER: Final = Unit("", _digits)


def from_zero(values: Sequence[float], unit: Unit, *, most_ticks: int = 4) -> Scale:
    """Return a scale that begins at 0 and ends at a tick."""
    high = max(values, default=0.0)
    if unit.most is not None:
        high = unit.most
    step = _step(high / most_ticks, unit)
    # One part in a million is what divisions leave.
    count = max(1, math.ceil(high / step - 1e-6))
    return Scale(0.0, count * step, [step * number for number in range(count + 1)])


def of_lengths(values: Sequence[float]) -> Scale:
    """Return a scale of lengths of time, by powers of ten if the greatest would hide the usual ones."""
    present = sorted(value for value in values if value > 0)
    if not present or present[-1] <= _WIDE * present[len(present) // 2]:
        return from_zero(values, SECONDS)
    # A tenth is the room for one that is far below the usual.
    least = max(present[0], present[len(present) // 2] / 100)
    low = max((tick for tick in _LOG_LENGTHS if tick <= least), default=_LOG_LENGTHS[0])
    high = min((tick for tick in _LOG_LENGTHS if tick >= present[-1]), default=present[-1])
    return Scale(low, high, [tick for tick in _LOG_LENGTHS if low <= tick <= high], is_log=True)


def of_numbers(values: Sequence[float], *, is_log: bool = False) -> Scale:
    """Return a scale from the least value to the greatest; with `is_log` every one is above 0."""
    low, high = min(values), max(values)
    if is_log:
        powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
        return Scale(low, high, [tick for tick in powers if low <= tick <= high] or [low, high], is_log=True)
    step = _step((high - low) / 4, NUMBER)
    return Scale(low, high, [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)])


def _step(least: float, unit: Unit) -> float:
    """Return the smallest distance of ticks that is no smaller than `least`."""
    if least <= 0 or (unit.is_whole and least <= 1):
        return 1.0
    if unit.steps and least > unit.steps[0] / 2:
        return next((step for step in unit.steps if step >= least), least)
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def of_times(low: float, high: float, *, most_ticks: int = 6) -> Scale:
    """Return a scale of times, in seconds since 1970, with ticks at round times in UTC."""
    step = next((step for step in _TIMES if step >= (high - low) / most_ticks), None)
    if step is None:
        return Scale(low, high, list(_months(low, high, most_ticks)))
    first = math.ceil(low / step) * step
    return Scale(low, high, [tick for tick in (first + step * n for n in range(most_ticks + 1)) if tick <= high])


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """Return what is written at a tick of times: what tells it from the others."""
    moment, step = datetime.fromtimestamp(tick, UTC), ticks[1] - ticks[0] if len(ticks) > 1 else _MINUTE
    if step > 20 * _DAY:
        return f"{moment:%b %Y}"
    if tick % _DAY == 0:
        return f"{moment.day} {moment:%b}"
    return f"{moment:%H:%M}" if tick % _MINUTE == 0 and step >= _MINUTE else f"{moment:%H:%M:%S}"


def _months(low: float, high: float, most: int) -> Iterator[float]:
    first, last = (datetime.fromtimestamp(each, UTC) for each in (low, high))
    begin, end = (each.year * 12 + each.month - 1 for each in (first, last))
    stride = next((each for each in _STRIDES if (end - begin) / each <= most), _STRIDES[-1])
    for number in range(begin, end + 1):
        tick = datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()
        if number % stride == 0 and low <= tick <= high:
            yield tick
