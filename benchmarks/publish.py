"""`python -m benchmarks.publish`: what `make bench` and `make bench-scale` wrote becomes what the documents say.

The results go to `benchmarks/results/`, their tables between the markers of `docs/benchmarks.md`; a test compares them.
So do those of `python -m benchmarks.index_study`, which are there already, in `docs/indexes.md`.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.run import ROOT
from benchmarks.summary.__main__ import OUT
from benchmarks.summary.figures import LAYOUTS, TIMES, TYPES, Entry

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
INDEXES = ROOT / "docs" / "indexes.md"


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


def indexes_table(study: Mapping[str, Any], table_type: str, layout: str) -> str:
    """Return what each index costs in tables of a type and a layout, a line each, in Markdown.

    A column has the seconds of a commit at a number of rows, by what the batch holds; the last ones requests to S3.
    """
    tables = [each for each in study["tables"] if (each["table_type"], each["layout"]) == (table_type, layout)]
    if not tables:
        return "Not measured."
    columns = sorted({(each["s3"], each["rows"]) for each in tables})
    held = {
        column: list(dict.fromkeys(hold for each in tables if _column(each) == column for hold in each["median"]))
        for column in columns
    }
    heads = [f"{'requests, ' * s3}{rows:,}, {hold}" for (s3, rows), holds in held.items() for hold in holds]
    lines = [f"| index | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for index in dict.fromkeys(each["index"] for each in tables):
        own = {_column(each): each["median"] for each in tables if each["index"] == index}
        cells = [_cell(own.get(column, {}).get(hold), column[0]) for column in columns for hold in held[column]]
        lines.append(f"| {index} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _column(table: Mapping[str, Any]) -> tuple[bool, int]:
    return table["s3"], table["rows"]


def _cell(value: float | None, is_count: bool) -> str:
    return "" if value is None else f"{value:,.0f}" if is_count else f"{value:.1f}"


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
    study = json.loads((RESULTS / "index_study.json").read_text())
    page = INDEXES.read_text()
    for kind in TYPES:
        for layout in LAYOUTS:
            page = filled(page, f"{kind} {layout}", indexes_table(study, kind, layout))
    INDEXES.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
