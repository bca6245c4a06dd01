"""Plots as SVG in a page, as wide as there is room, with letters of one size; the numbers of each stand below it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.etree.ElementTree import Element

from streamjoin.rendering import counted
from streamjoin.report.across import Across
from streamjoin.report.drawing import COLOURS, INNER, TOP, Drawing, Lines
from streamjoin.report.markup import node
from streamjoin.report.scales import Scale, Unit, from_zero, of_lengths
from streamjoin.report.tables import folded

_HEIGHT: Final = TOP + INNER + 22
_ROW, _BAR = 38, 14
# What a bar leaves for its number, in percent.
_LONGEST: Final = 80.0
_REST: Final = "all others"


class Form(Enum):
    """How values are drawn; areas and bars stand above each other."""

    LINES = "lines"
    STEPS = "steps"
    AREAS = "areas"
    BARS = "bars"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Values of points.

    Args:
        title: What they are of.
        about: What else is to be known of them.
        unit: What they are in.
        lines: The values by name. In areas and bars None is 0.
        nothing: What is said in place of a plot if there is no value, or of bars none but 0.
        form: How they are drawn.
        is_log: Whether lengths of time may be on a scale of powers of ten.
    """

    title: str
    about: str
    unit: Unit
    lines: Lines
    nothing: str
    form: Form = Form.LINES
    is_log: bool = False


def drawn(plot: Plot, across: Across | None) -> Element:
    """Return the figure of a plot; a sentence where there is nothing to be drawn.

    Args:
        plot: What is drawn.
        across: Where its points are; None if there are none.
    """
    is_sum = plot.form in (Form.AREAS, Form.BARS)
    lines: Lines = {name: values for name, values in plot.lines.items() if any(v is not None for v in values)}
    if is_sum:
        lines = _fewer({name: values for name, values in lines.items() if any(values)})
    count = 0 if across is None else len(across.values)
    indices = [i for i in range(count) if any(values[i] is not None for values in lines.values())]
    if across is None or not indices:
        return _figure(0, _caption(plot.title, plot.about), node("p", plot.nothing, class_="nothing"))
    tops = [sum(values[i] or 0.0 for values in lines.values()) for i in indices]
    each = [value for values in lines.values() for value in values if value is not None]
    heights = of_lengths(each) if plot.is_log else from_zero(tops if is_sum else each, plot.unit)
    drawing = Drawing(across, heights)
    match plot.form:
        case Form.AREAS:
            drawing.areas(lines, indices)
        case Form.BARS:
            drawing.bars(lines, indices)
        case _:
            drawing.lines(lines, is_steps=plot.form is Form.STEPS)
    svg = _image(
        plot.title,
        _told(plot, lines, across, indices),
        _HEIGHT,
        *(node("line", x1="0", x2="100%", y1=y, y2=y, class_="grid") for y in _levels(heights)),
        *_silences(across),
        *drawing.elements(),
        *_ticks(across),
        _tips(plot, lines, across, indices),
    )
    texts = (
        node("text", plot.unit.text(tick), x="100%", y=y + 4)
        for tick, y in zip(heights.ticks, _levels(heights), strict=True)
    )
    labels = node("svg", *texts, class_="levels", aria_hidden="true", width="100%", height=_HEIGHT)
    about = f"{plot.about} The scale is logarithmic." if heights.is_log else plot.about
    rows = [
        [across.text(across.values[i]), *("" if v is None else plot.unit.text(v) for v in at)]
        for i, at in ((i, [values[i] for values in lines.values()]) for i in indices)
    ]
    return _figure(
        len(indices),
        _caption(plot.title, about),
        node("div", labels, svg, class_="canvas"),
        node("p", across.about, class_="axis"),
        _legend({name: number % COLOURS for number, name in enumerate(lines)}),
        folded(f"Numbers: {counted(len(rows), 'point')}", [across.name, *lines], rows),
    )


def bars(
    title: str, about: str, unit: Unit, rows: Mapping[str, Mapping[str, float]], *, known: Sequence[str] = ()
) -> Element:
    """Return a figure with a horizontal bar for each row, made of its parts, and with what they come to.

    Args:
        title: What they are of.
        about: What else is to be known of them.
        unit: Of the values.
        rows: By name the values by part.
        known: Parts that have the same colour in each figure.
    """
    longest = max((sum(parts.values()) for parts in rows.values()), default=0.0) or 1.0
    present = dict.fromkeys(part for each in rows.values() for part in each)
    colours = {part: number % COLOURS for number, part in enumerate(dict.fromkeys([*known, *present]))}
    shapes = []
    for number, (name, values) in enumerate(rows.items()):
        y, left = number * _ROW, 0.0
        shapes.append(node("text", name, x="0", y=y + 13))
        for part, value in values.items():
            width = value / longest * _LONGEST
            tip = node("title", f"{name}, {part}: {unit.text(value)}")
            place = {"x": f"{left:.2f}%", "width": f"{width:.2f}%"}
            shapes.append(node("rect", tip, y=y + 18, height=_BAR, class_=f"c{colours[part]}", **place))
            left += width
        total = unit.text(sum(values.values()))
        shapes.append(node("text", total, x=f"{left:.2f}%", dx=6, y=y + 29, class_="value"))
    told = "; ".join(f"{name}: {unit.text(sum(values.values()))}" for name, values in rows.items())
    cells = [[name, *(unit.text(values.get(part, 0.0)) for part in present)] for name, values in rows.items()]
    return _figure(
        len(rows),
        _caption(title, about),
        _image(title, told, len(rows) * _ROW, *shapes),
        _legend({part: colours[part] for part in present}),
        folded(f"Numbers: {counted(len(rows), 'bar')}", ["", *present], cells),
    )


def _figure(points: int, *content: Element) -> Element:
    return node("figure", *content, data_points=points)


def _caption(title: str, about: str) -> Element:
    return node("figcaption", node("h3", title), node("p", about))


def _image(title: str, told: str, height: float, *content: Element) -> Element:
    # Of an image the children are no content for those who can't see it: so that title and text say it all.
    named = (node("title", title), node("desc", told))
    return node("svg", *named, *content, class_="plot", role="img", width="100%", height=height)


def _fewer(lines: Lines) -> Lines:
    """Return no more than there are colours: the greatest, and all others as one."""
    if len(lines) <= COLOURS:
        return lines
    totals = {name: sum(value or 0.0 for value in values) for name, values in lines.items()}
    kept = set(sorted(totals, key=totals.__getitem__)[1 - COLOURS :])
    others = [values for name, values in lines.items() if name not in kept]
    rest = [sum(value or 0.0 for value in at) for at in zip(*others, strict=True)]
    return {**{name: values for name, values in lines.items() if name in kept}, _REST: rest}


def _levels(heights: Scale) -> list[float]:
    return [round((1 - heights.share(tick)) * INNER + TOP, 1) for tick in heights.ticks]


def _ticks(across: Across) -> list[Element]:
    ticks = across.scale.ticks
    texts = []
    for number, tick in enumerate(ticks):
        share = across.scale.share(tick)
        anchor = "start" if share < 0.06 else "end" if share > 0.94 else "middle"
        # A phone has no room for each of them.
        kind = "tick wide" if number % 2 and len(ticks) > 3 else "tick"
        place = {"x": f"{share:.2%}", "text_anchor": anchor, "class_": kind}
        texts.append(node("text", across.tick(tick), y=_HEIGHT - 6, **place))
    return texts


def _silences(across: Across) -> list[Element]:
    found = []
    for begin, end in across.silences:
        left, right = across.scale.share(begin), across.scale.share(end)
        tip = node("title", f"no commit from {across.text(begin)} to {across.text(end)} {across.name}")
        place = {"x": f"{left:.2%}", "width": f"{right - left:.2%}"}
        found.append(node("rect", tip, y=TOP, height=INNER, class_="silence", **place))
    return found


def _tips(plot: Plot, lines: Lines, across: Across, indices: Sequence[int]) -> Element:
    """Return what is said of each point where a pointer is near it."""
    shares = [across.share(i) for i in indices]
    limits = [0.0, *((left + right) / 2 for left, right in itertools.pairwise(shares)), 1.0]
    tips = []
    for i, left, right in zip(indices, limits[:-1], limits[1:], strict=True):
        values = ((name, values[i]) for name, values in lines.items())
        said = [f"{name}: {plot.unit.text(value)}" for name, value in values if value is not None]
        text = "\n".join([f"{across.text(across.values[i])} {across.name}", *said])
        place = {"x": f"{left:.2%}", "width": f"{right - left:.2%}"}
        tips.append(node("rect", node("title", text), height="100%", **place))
    return node("svg", *tips, y=TOP, width="100%", height=INNER, class_="tips")


def _told(plot: Plot, lines: Lines, across: Across, indices: Sequence[int]) -> str:
    """Return a plot in words."""
    said = []
    for name, values in lines.items():
        present = [value for value in values if value is not None]
        low, high, last = (plot.unit.text(value) for value in (min(present), max(present), present[-1]))
        said.append(f"{name} from {low} to {high}, at last {last}")
    first, last = (across.text(across.values[i]) for i in (indices[0], indices[-1]))
    return f"{plot.about} {counted(len(indices), 'point')} from {first} to {last} {across.name}: {'; '.join(said)}."


def _legend(colours: Mapping[str, int]) -> Element:
    keys = (node("li", node("i", class_=f"k{colour}"), name) for name, colour in colours.items())
    return node("ul", *keys, class_="legend")
