"""One page of what a run has found: the goals and whether they are met, and where the time went. It fetches nothing."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.summary.figures import Entry
from benchmarks.summary.plots import bars, curves

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
_STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5d6b7a; --line: #d9dfe5; --paper: #fff; --good: #17733a;
  --bad: #b3261e; --c0: #2b6cb0; --c1: #e08a1e; --c2: #2f9e77; --c3: #b4477f; --c4: #7a63c7; --c5: #8f7a2b;
  --c6: #3aa0b8; --c7: #8a94a0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa7b4; --line: #35404b; --paper: #12171d;
  --good: #6fd08c; --bad: #ff8a80; --c0: #6cabee; --c1: #f2b25c; --c2: #5fcfa4; --c3: #e88bb8; --c4: #ab99f0;
  --c5: #cdb860; --c6: #75cfe4; --c7: #7d8894; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p { margin: .3rem 0; } .soft, figcaption { color: var(--soft); font-size: .87rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .5rem .35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; font-size: .82rem; } td.number { white-space: nowrap; }
.met { color: var(--good); } .missed { color: var(--bad); }
td small { display: block; color: var(--bad); overflow-wrap: anywhere; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 1.2rem 2rem; }
figure { margin: 0; } svg { display: block; width: 100%; max-width: 520px; height: auto; overflow: visible; }
svg text { font-size: 11px; fill: var(--ink); } svg text.value { fill: var(--soft); font-size: 10px; }
.grid { stroke: var(--line); } polyline { fill: none; stroke-width: 1.6; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; font-size: .8rem; color: var(--soft); }
.legend i { display: inline-block; width: .7rem; height: .7rem; margin-right: .3rem; }
.scroll { overflow-x: auto; }
@media (max-width: 560px) { .goals thead { display: none; }
  .goals tr { display: grid; grid-template-columns: 1fr 1fr 1fr;
    border-bottom: 1px solid var(--line); padding: .35rem 0; }
  .goals td { border: 0; padding: .1rem 0; }
  .goals td:first-child { grid-column: 1 / -1; } }
""" + "".join(
    f".c{n} {{ fill: var(--c{n}); background: var(--c{n}); }} .l{n} {{ stroke: var(--c{n}); }}\n" for n in range(8)
)


def page(result: Mapping[str, Any], scale: Mapping[str, Any] | None = None) -> str:
    """Return the page.

    Args:
        result: What `make bench` has found; its `summary` may be missing if only `make bench-scale` has run.
        scale: What `make bench-scale` has found, if it has run.
    """
    parts = result.get("parts", {})
    sections = [
        _head(result),
        *([_goals(result["summary"])] if "summary" in result else []),
        *(_section(name, parts.get(part, {})) for part, name in _TITLES.items()),
        _freshness(parts.get("freshness", {})),
        _requests(parts.get("requests", {})),
        _memory(parts.get("memory", {})),
        *([_scale(scale)] if scale else []),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>streamjoin: benchmarks</title>'
        f"<style>{_STYLE}</style><body>{''.join(sections)}</body></html>\n"
    )


def _head(result: Mapping[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    said = [
        f"{result['measured_at']}, commit {versions['streamjoin_commit'][:12]}",
        f"{machine['cpus']} cores, {machine['memory_bytes'] / 1e9:.0f} GB, load {machine['load_average_before'][0]}",
        *(f"{name} {versions[name]}" for name in ("hudi", "pyspark", "java") if name in versions),
        *(["QUICK: smaller sizes than the goals are of"] if result.get("is_quick") else []),
    ]
    wrong = "".join(f"<p class='missed'>WRONG: {escape(problem)}</p>" for problem in result["problems"])
    return f"<h1>streamjoin: benchmarks</h1><p class='soft'>{escape(' · '.join(said))}</p>{wrong}"


def _goals(summary: Sequence[Entry]) -> str:
    rows = []
    for entry in summary:
        met = {True: ("met", "met"), False: ("missed", "missed"), None: ("", "")}[entry["met"]]
        value = "none" if entry["value"] is None else f"{entry['value']:,.4g} {entry['unit']}"
        reason = f"<small>{escape(entry['reason'])}</small>" if "reason" in entry else ""
        rows.append(
            f"<tr><td>{escape(entry['figure'])}{reason}</td><td class='number'>{escape(value)}</td>"
            f"<td class='number'>{escape(entry['goal'] or 'for information')}</td>"
            f"<td class='{met[0]}'>{met[1]}</td></tr>"
        )
    head = "<thead><tr><th>figure</th><th>value</th><th>goal</th><th></th></tr></thead>"
    return f"<h2>Goals</h2><table class='goals'>{head}<tbody>{''.join(rows)}</tbody></table>"


def _section(title: str, details: Mapping[str, Any]) -> str:
    plots = []
    if variants := details.get("variants"):
        plots.append(
            bars("median of each step", "s", {name: _by_step(found) for name, found in variants.items()}, known=_KNOWN)
        )
        seconds = {
            name: list(enumerate(found["seconds"], start=1))
            for name, found in variants.items()
            if len(found["seconds"]) >= 10
        }
        if seconds:
            plots.append(curves("batch by batch", "batch", "s", seconds))
    if services := {name: each for name, each in details.get("services", {}).items() if each}:
        plots.append(bars("table services, mean of a batch", "s", services))
    if growing := details.get("growing"):
        plots += _growing(growing)
    files = _files(details["files"]) if "files" in details else ""
    return f"<h2>{escape(title)}</h2><div class='plots'>{''.join(plots)}</div>{files}" if plots else ""


def _by_step(found: Mapping[str, Any]) -> dict[str, float]:
    return {_STEPS.get(step, step): seconds for step, seconds in found["steps_median_seconds"].items()}


def _growing(growing: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
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
        curves("as commits grow", "commits", "s a batch, mean", lines("mean_seconds")),
        curves("as commits grow", "commits", "files", files),
        curves("as commits grow", "commits", "MB of all files", sizes),
        curves("as commits grow", "commits", "MB of memory", memory),
    ]


def _files(files: Mapping[str, Mapping[str, int]]) -> str:
    kinds = list(next(iter(files.values())))
    head = "".join(f"<th>{escape(kind)}</th>" for kind in kinds)
    rows = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{found[kind]:,}</td>' for kind in kinds)}</tr>"
        for name, found in files.items()
    )
    return (
        f"<p class='soft'>Files of each table, by what they are for, and what they weigh</p><div class='scroll'><table>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _freshness(details: Mapping[str, Any]) -> str:
    if "seconds" not in details:
        return ""
    names = {"polled": "polling", "pushed": "enhanced fan-out"}
    lines = {names[way]: list(enumerate(seconds)) for way, seconds in details["seconds"].items()}
    plot = curves("put to visible to a query", "percentile of the records", "s", lines)
    return f"<h2>Freshness at 1,000 records a second</h2><div class='plots'>{plot}</div>"


def _requests(details: Mapping[str, Any]) -> str:
    if not details.get("requests"):
        return ""
    return f"<h2>S3</h2><div class='plots'>{bars('a batch, by kind', 'requests', details['requests'])}</div>"


def _memory(details: Mapping[str, Any]) -> str:
    if not details.get("memory"):
        return ""
    lines = {
        name: [(100 * at / max(1, len(samples) - 1), value / 1e6) for at, value in enumerate(samples)]
        for name, samples in details["memory"].items()
    }
    plot = curves("while a backlog is drained", "% of the time", "MB of all processes", lines)
    return f"<h2>Memory</h2><div class='plots'>{plot}</div>"


def _scale(scale: Mapping[str, Any]) -> str:
    plots = [
        curves(curve["title"], curve["x"], curve["y"], curve["lines"], log_x=curve.get("log_x", False))
        for curve in scale["curves"]
    ]
    more = "".join(_growing(scale["growing"])) if scale.get("growing") else ""
    files = _files(scale["files"]) if scale.get("files") else ""
    wrong = "".join(f"<p class='missed'>WRONG: {escape(problem)}</p>" for problem in scale["problems"])
    return (
        f"<h2>How it scales</h2><p class='soft'>make bench-scale, {escape(scale['measured_at'])}</p>{wrong}"
        f"<div class='plots'>{''.join(plots)}{more}</div>{files}"
    )
