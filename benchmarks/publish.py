"""`python -m benchmarks.publish`: what `make bench` and `make bench-scale` wrote becomes what the documents say.

The results go to `benchmarks/results/`, their tables between the markers of `docs/benchmarks.md`; a test compares them.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.run import ROOT
from benchmarks.summary.__main__ import OUT
from benchmarks.summary.figures import TIMES, TYPES, Entry

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"


def goals_table(bench: Mapping[str, Any]) -> str:
    """Return the figures of a run of `make bench`, a line each, in Markdown."""
    return "\n".join(["| figure | value | goal | |", "|---|---|---|---|", *map(_goal, bench["summary"])])


def _goal(entry: Entry) -> str:
    figure, unit = entry["figure"].replace("`", ""), "" if entry["unit"] == TIMES else f" {entry['unit']}"
    reached = {True: "reached", False: "not reached", None: ""}[entry["met"]]
    return f"| {figure} | {_number(entry['value'])}{unit} | {entry['goal'] or ''} | {reached} |"


def curves_table(scale: Mapping[str, Any]) -> str:
    """Return the curves of a run of `make bench-scale`, seconds a batch at each point, in Markdown."""
    lines = ["| what grows | what is measured | at each point |", "|---|---|---|"]
    for curve in scale["curves"]:
        for name, points in curve["lines"].items():
            lines.append(
                f"| {curve['x']} | {name}, {curve['y']} | {', '.join(f'{x:,}: {_number(y)}' for x, y in points)} |"
            )
    for kind, samples in scale["growing"].items():
        shown = [samples[0], *samples[len(samples) // 4 - 1 :: len(samples) // 4]]
        points = ", ".join(f"{each['commits']:,}: {each['mean_seconds']:.2f}" for each in shown)
        lines.append(f"| commits | {TYPES[kind]}, s a batch, means of {samples[0]['commits']} | {points} |")
    for name, files in scale["files"].items():
        counts = ", ".join(f"{count:,} {what}" for what, count in files.items() if what != "bytes")
        lines.append(f"| files of a table | {name} | {counts}; {files['bytes'] / 1e6:.1f} MB |")
    return "\n".join(lines)


def filled(page: str, marker: str, table: str) -> str:
    """Return a page with a table between the marker's two lines."""
    begin, end = f"<!-- {marker} -->\n", f"<!-- end of {marker} -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        message = f"'{PAGE.name}': no line '{begin.strip()}' with a line '{end.strip()}' after it"
        raise ValueError(message)
    return f"{before}{begin}{table}\n{end}{after}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def main() -> int:
    """Publish what there is; return the exit code."""
    page = PAGE.read_text()
    for name, marker, table in (("bench", "goals", goals_table), ("scale", "curves", curves_table)):
        if (OUT / f"{name}.json").exists():
            shutil.copy(OUT / f"{name}.json", RESULTS)
            page = filled(page, marker, table(json.loads((OUT / f"{name}.json").read_text())))
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
