"""Values as shapes: lines, steps, areas and bars above each other.

Shapes are drawn in a box that the browser stretches to the room there is; what must keep its form, such as dots, is
placed beside it by percentages.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from streamjoin.report.across import Across
from streamjoin.report.markup import node
from streamjoin.report.scales import Scale

Lines = Mapping[str, Sequence[float | None]]
"""By name a value for each point; None where there is none."""

COLOURS: Final = 8
# In pixels: letters are not scaled with the width.
TOP: Final = 10
INNER: Final = 152
_WIDTH: Final = 1000.0
# More would hide the line.
_MOST_DOTS: Final = 60
_THINNEST, _THICKEST = 0.003 * _WIDTH, 0.03 * _WIDTH


@dataclass(frozen=True)
class Drawing:
    """The shapes of a plot.

    Args:
        across: What runs to the right.
        heights: What runs upwards.
    """

    across: Across
    heights: Scale
    _shapes: list[Element] = field(default_factory=list, init=False)
    _dots: list[Element] = field(default_factory=list, init=False)

    def elements(self) -> list[Element]:
        """Return what was drawn."""
        box = node("svg", *self._shapes, y=TOP, width="100%", height=INNER, preserveAspectRatio="none")
        box.set("viewBox", f"0 0 {_WIDTH:g} {INNER}")
        return [box, *self._dots]

    def lines(self, lines: Lines, *, is_steps: bool = False) -> None:
        """Draw a line for each name; `is_steps`: a value holds until the next one."""
        for number, values in enumerate(lines.values()):
            present = {i: value for i, value in enumerate(values) if value is not None}
            for piece in self.across.pieces(list(present)):
                places = [(self._x(i), self._y(present[i])) for i in piece]
                shape = _stairs(places) if is_steps else places
                if len(piece) > 1:
                    self._shapes.append(node("polyline", points=_text(shape), class_=f"l{number % COLOURS}"))
                # A line of one point has no length.
                for i in piece if len(present) <= _MOST_DOTS or len(piece) == 1 else ():
                    x, y = f"{self.across.share(i):.2%}", f"{self._y(present[i]) + TOP:.1f}"
                    self._dots.append(node("circle", cx=x, cy=y, r="2.5", class_=f"c{number % COLOURS}"))

    def areas(self, lines: Lines, indices: Sequence[int]) -> None:
        """Draw areas above each other, of these points; None is 0."""
        foot = dict.fromkeys(indices, 0.0)
        for number, values in enumerate(lines.values()):
            top = {i: foot[i] + (values[i] or 0.0) for i in indices}
            for piece in self.across.pieces(indices):
                above, below = ([(self._x(i), self._y(at[i])) for i in piece] for at in (top, foot))
                if len(piece) == 1:
                    above, below = _widened(above[0]), _widened(below[0])
                self._shapes.append(
                    node("polygon", points=_text([*above, *reversed(below)]), class_=f"c{number % COLOURS}")
                )
            foot = top

    def bars(self, lines: Lines, indices: Sequence[int]) -> None:
        """Draw bars above each other, at these points."""
        present = [i for i in indices if any(values[i] for values in lines.values())]
        gaps = [self._x(later) - self._x(earlier) for earlier, later in itertools.pairwise(present)]
        width = min(max(_THINNEST, 0.8 * min(gaps, default=_THICKEST)), _THICKEST)
        foot = dict.fromkeys(present, 0.0)
        for number, values in enumerate(lines.values()):
            for i in present:
                if value := values[i]:
                    left = min(max(0.0, self._x(i) - width / 2), _WIDTH - width)
                    below, above = self._y(foot[i]), self._y(foot[i] + value)
                    corners = [(left, above), (left + width, above), (left + width, below), (left, below)]
                    self._shapes.append(node("polygon", points=_text(corners), class_=f"c{number % COLOURS}"))
                    foot[i] += value

    def _x(self, index: int) -> float:
        return self.across.share(index) * _WIDTH

    def _y(self, value: float) -> float:
        return (1 - self.heights.share(value)) * INNER


def _stairs(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    corners = ((right[0], left[1]) for left, right in itertools.pairwise(places))
    return [places[0], *(each for pair in zip(corners, places[1:], strict=True) for each in pair)]


def _widened(place: tuple[float, float]) -> list[tuple[float, float]]:
    return [(place[0] - _THINNEST, place[1]), (place[0] + _THINNEST, place[1])]


def _text(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
