"""Plots as SVG in the page: text as wide as a phone, colours of the page's style, nothing fetched."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 360
COLOURS = 8
_ROW, _BAR = 34, 12
_HEIGHT, _LEFT, _BOTTOM, _TOP = 220, 44, 34, 10
# Less of the longest bar is no more than a line.
_LEAST_SHARE = 0.01
_OTHER = "other"

Points = Sequence[tuple[float, float]]


def bars(title: str, unit: str, rows: Mapping[str, Mapping[str, float]], *, known: Sequence[str] = ()) -> str:
    """Return a horizontal bar for each row, made of its parts, with what they come to.

    Args:
        title: Of the plot.
        unit: Of the values.
        rows: By name the values by part.
        known: Parts that have the same colour in every plot.
    """
    longest = max((sum(parts.values()) for parts in rows.values()), default=0.0) or 1.0
    shown = {name: _without_slivers(parts, longest) for name, parts in rows.items()}
    parts = list(dict.fromkeys([*known, *(part for each in shown.values() for part in each if part != _OTHER)]))
    parts += [_OTHER] if any(_OTHER in each for each in shown.values()) else []
    lines = []
    for number, (name, values) in enumerate(shown.items()):
        top = number * _ROW
        total = sum(values.values())
        lines.append(f'<text x="0" y="{top + 12}">{escape(name)}</text>')
        left = 0.0
        for part, value in values.items():
            width = value / longest * (WIDTH - 60)
            colour = parts.index(part) % COLOURS
            tip = f"<title>{escape(part)}: {value:.3g} {escape(unit)}</title>"
            lines.append(
                f'<rect class="c{colour}" x="{left:.1f}" y="{top + 17}" width="{width:.1f}" height="{_BAR}">'
                f"{tip}</rect>"
            )
            left += width
        lines.append(f'<text class="value" x="{left + 5:.1f}" y="{top + 27}">{total:.3g}</text>')
    used = [part if any(part in each for each in shown.values()) else "" for part in parts]
    return _figure(f"{title}, {unit}", len(shown) * _ROW + 4, lines, used)


def curves(title: str, x_name: str, y_name: str, lines: Mapping[str, Points], *, log_x: bool = False) -> str:
    """Return a line for each series.

    Args:
        title: Of the plot.
        x_name: What runs to the right, with its unit.
        y_name: What runs upwards, from zero.
        lines: Their points by name, x ascending.
        log_x: Whether tenfold is a step to the right; then every x is above 0.
    """
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    if not xs:
        return ""
    most = max(ys) * 1.05 or 1.0

    def scaled(x: float) -> float:
        return math.log10(x) if log_x else x

    low, high = scaled(min(xs)), scaled(max(xs))

    def at(x: float, y: float) -> tuple[float, float]:
        share = (scaled(x) - low) / (high - low) if high > low else 0.5
        return _LEFT + share * (WIDTH - _LEFT - 12), _HEIGHT - _BOTTOM - y / most * (_HEIGHT - _BOTTOM - _TOP)

    drawn = []
    for step in range(5):
        value = most * step / 4
        _, y = at(min(xs), value)
        drawn.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(f'<text class="value" text-anchor="end" x="{_LEFT - 5}" y="{y + 4:.1f}">{value:.3g}</text>')
    for x in _ticks(sorted(set(xs))):
        place, _ = at(x, 0)
        anchor = "end" if x == max(xs) else "start" if x == min(xs) else "middle"
        drawn.append(
            f'<text class="value" text-anchor="{anchor}" x="{place:.1f}" y="{_HEIGHT - 18}">{_short(x)}</text>'
        )
    drawn.append(f'<text text-anchor="end" x="{WIDTH}" y="{_HEIGHT - 4}">{escape(x_name)}</text>')
    for number, points in enumerate(lines.values()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))
        drawn.append(f'<polyline class="l{number % COLOURS}" points="{path}"/>')
        if len(points) <= 12:
            drawn += [
                f'<circle class="c{number % COLOURS}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
                for x, y in (at(*point) for point in points)
            ]
    return _figure(f"{title}: {y_name}", _HEIGHT, drawn, list(lines))


def _without_slivers(parts: Mapping[str, float], longest: float) -> dict[str, float]:
    shown = {part: value for part, value in parts.items() if value >= _LEAST_SHARE * longest}
    other = sum(parts.values()) - sum(shown.values())
    return shown | ({_OTHER: other} if other > _LEAST_SHARE / 2 * longest else {})


def _ticks(xs: Sequence[float]) -> list[float]:
    return list(xs) if len(xs) <= 4 else [xs[0], xs[len(xs) // 2], xs[-1]]


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _figure(title: str, height: int, lines: Sequence[str], legend: Sequence[str]) -> str:
    keys = "".join(
        f'<span><i class="c{number % COLOURS}"></i>{escape(name)}</span>' for number, name in enumerate(legend) if name
    )
    svg = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(lines)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}<p class='legend'>{keys}</p></figure>"
