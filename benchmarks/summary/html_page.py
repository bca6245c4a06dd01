"""One page of what a run has found: the goals and whether they are met, and where the time went. It fetches nothing."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from benchmarks.summary.figures import Entry
from streamjoin.report.across import Across
from streamjoin.report.markup import STYLE, document, node
from streamjoin.report.plots import Plot, bars, drawn
from streamjoin.report.scales import NUMBER, Unit
from streamjoin.report.tables import table

_TITLES = {
    "steady": "A steady batch of 4,000 records",
    "behind": "A batch of a job that is behind, beside its floor",
    "by_day": "A batch into a table by day whose rows may move",
    "rows": "A batch, by the rows of the table",
    "references": "A batch, by the items of the reference",
    "backlog": "A large batch of a backlog",
    "commits": "A batch, by the commits of the table",
}
_STEPS = {
    "counted": "decode to count",
    "committed": "commit",
    "count": "read and count",
    "read, join, commit": "read again, join, commit",
}
# Those of every job have their colour in every plot.
_KNOWN = ("fetch", "decode to count", "commit", "read and count", "reference", "read again, join, commit")
_STYLE = f"""{STYLE}
.goals {{ width: 100%; }} .goals th, .goals td {{ text-align: left; white-space: normal; vertical-align: top; }}
.goals td.number {{ white-space: nowrap; }}
.goals small {{ display: block; color: var(--bad); overflow-wrap: anywhere; }}
@media (max-width: 560px) {{ .goals thead {{ display: none; }}
  .goals tr {{ display: grid; grid-template-columns: 1fr 1fr 1fr; padding: .35rem 0;
    border-bottom: 1px solid var(--line); }}
  .goals td {{ border: 0; padding: .1rem 0; }} .goals td:first-child {{ grid-column: 1 / -1; }} }}
"""
Points = Sequence[tuple[float, float]]


def page(result: Mapping[str, Any], scale: Mapping[str, Any] | None = None) -> str:
    """Return the page.

    Args:
        result: What `make bench` has found; its `summary` may be missing if only `make bench-scale` has run.
        scale: What `make bench-scale` has found, if it has run.
    """
    parts = result.get("parts", {})
    sections = [
        _head(result),
        *(_goals(result["summary"]) if "summary" in result else []),
        *(each for part, name in _TITLES.items() for each in _section(name, parts.get(part, {}))),
        *_freshness(parts.get("freshness", {})),
        *_requests(parts.get("requests", {})),
        *_memory(parts.get("memory", {})),
        *(_scale(scale) if scale else []),
    ]
    return document("streamjoin: benchmarks", *sections, style=_STYLE).decode()


def _head(result: Mapping[str, Any]) -> Element:
    machine, versions = result["machine"], result["versions"]
    said = [
        f"{result['measured_at']}, commit {versions['streamjoin_commit'][:12]}",
        f"{machine['cpus']} cores, {machine['memory_bytes'] / 1e9:.0f} GB, load {machine['load_average_before'][0]}",
        *(f"{name} {versions[name]}" for name in ("hudi", "pyspark", "java") if name in versions),
        *(["QUICK: smaller sizes than the goals are of"] if result.get("is_quick") else []),
    ]
    return node(
        "header",
        node("h1", "streamjoin: benchmarks"),
        node("p", " · ".join(said), class_="soft"),
        *_wrong(result["problems"]),
    )


def _wrong(problems: Sequence[str]) -> list[Element]:
    return [node("p", f"WRONG: {problem}", class_="bad") for problem in problems]


def _goals(summary: Sequence[Entry]) -> list[Element]:
    rows = []
    for entry in summary:
        colour, met = {True: ("good", "met"), False: ("bad", "missed"), None: ("", "")}[entry["met"]]
        value = "none" if entry["value"] is None else f"{entry['value']:,.4g} {entry['unit']}"
        reason = node("small", entry["reason"]) if "reason" in entry else None
        rows.append(
            node(
                "tr",
                node("td", entry["figure"], reason),
                node("td", value, class_="number"),
                node("td", entry["goal"] or "for information", class_="number"),
                node("td", met, class_=colour),
            )
        )
    head = node("thead", node("tr", *(node("th", name, scope="col") for name in ("figure", "value", "goal", "met"))))
    return [node("h2", "Goals"), node("table", head, node("tbody", *rows), class_="goals")]


def _section(title: str, details: Mapping[str, Any]) -> list[Element]:
    plots = []
    if variants := details.get("variants"):
        by_step = {name: _by_step(found) for name, found in variants.items()}
        plots.append(_bars("median of each step", "s", by_step, known=_KNOWN))
        seconds = {
            name: list(enumerate(found["seconds"], start=1))
            for name, found in variants.items()
            if len(found["seconds"]) >= 10
        }
        if seconds:
            plots.append(_curves("batch by batch", "batch", "s", seconds))
    if services := {name: each for name, each in details.get("services", {}).items() if each}:
        plots.append(_bars("table services, mean of a batch", "s", services))
    if growing := details.get("growing"):
        plots += _growing(growing)
    return _titled(title, plots, _files(details["files"]) if "files" in details else []) if plots else []


def _titled(title: str, plots: Sequence[Element], below: Sequence[Element] = ()) -> list[Element]:
    return [node("h2", title), node("div", *plots, class_="plots"), *below]


def _bars(title: str, unit: str, rows: Mapping[str, Mapping[str, float]], known: Sequence[str] = ()) -> Element:
    return bars(title, unit, Unit(unit, lambda value: f"{value:.3g} {unit}"), rows, known=known)


def _curves(title: str, x_name: str, y_name: str, lines: Mapping[str, Points], *, log_x: bool = False) -> Element:
    at = {name: dict(points) for name, points in lines.items()}
    xs = sorted({x for points in at.values() for x in points})
    across = Across.numbers(x_name, xs, is_log=log_x) if xs else None
    values = {name: [points.get(x) for x in xs] for name, points in at.items()}
    return drawn(Plot(title=title, about=y_name, unit=NUMBER, lines=values, nothing="not measured"), across)


def _by_step(found: Mapping[str, Any]) -> dict[str, float]:
    return {_STEPS.get(step, step): seconds for step, seconds in found["steps_median_seconds"].items()}


def _growing(growing: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Element]:
    def lines(value: str) -> dict[str, list[tuple[float, float]]]:
        return {kind: [(each["commits"], each[value]) for each in samples] for kind, samples in growing.items()}

    files = {
        f"{kind}, {name}": [(each["commits"], each["files"][name]) for each in samples]
        for kind, samples in growing.items()
        for name in ("timeline", "base", "log")
        if any(each["files"][name] for each in samples)
    }
    memory = {"all processes": [(s["commits"], s["bytes"] / 1e6) for s in next(iter(growing.values()))]}
    sizes = {kind: [(s["commits"], s["files"]["bytes"] / 1e6) for s in samples] for kind, samples in growing.items()}
    return [
        _curves("as commits grow", "commits", "s a batch, mean", lines("mean_seconds")),
        _curves("as commits grow", "commits", "files", files),
        _curves("as commits grow", "commits", "MB of all files", sizes),
        _curves("as commits grow", "commits", "MB of memory", memory),
    ]


def _files(files: Mapping[str, Mapping[str, int]]) -> list[Element]:
    kinds = list(next(iter(files.values())))
    about = "Files of each table, by what they are for, and what they weigh"
    rows = [[name, *(f"{found[kind]:,}" for kind in kinds)] for name, found in files.items()]
    return [node("p", about, class_="soft"), table(about, ["table", *kinds], rows)]


def _freshness(details: Mapping[str, Any]) -> list[Element]:
    if "seconds" not in details:
        return []
    names = {"polled": "polling", "pushed": "enhanced fan-out"}
    lines = {names[way]: list(enumerate(seconds)) for way, seconds in details["seconds"].items()}
    plot = _curves("put to visible to a query", "percentile of the records", "s", lines)
    return _titled("Freshness at 1,000 records a second", [plot])


def _requests(details: Mapping[str, Any]) -> list[Element]:
    if not details.get("requests"):
        return []
    return _titled("S3", [_bars("a batch, by kind", "requests", details["requests"])])


def _memory(details: Mapping[str, Any]) -> list[Element]:
    if not details.get("memory"):
        return []
    lines = {
        name: [(100 * at / max(1, len(samples) - 1), value / 1e6) for at, value in enumerate(samples)]
        for name, samples in details["memory"].items()
    }
    return _titled("Memory", [_curves("while a backlog is drained", "% of the time", "MB of all processes", lines)])


def _scale(scale: Mapping[str, Any]) -> list[Element]:
    plots = [
        _curves(curve["title"], curve["x"], curve["y"], curve["lines"], log_x=curve.get("log_x", False))
        for curve in scale["curves"]
    ]
    more = _growing(scale["growing"]) if scale.get("growing") else []
    files = _files(scale["files"]) if scale.get("files") else []
    about = [node("p", f"make bench-scale, {scale['measured_at']}", class_="soft"), *_wrong(scale["problems"])]
    title, drawings, *below = _titled("How it scales", [*plots, *more], files)
    return [title, *about, drawings, *below]
