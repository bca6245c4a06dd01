"""A result as text: tables of what was measured, what is claimed of it, and what was wrong."""

from collections.abc import Mapping
from typing import Any

Columns = dict[str, tuple[str, str]]
"""By a column's heading: its key in the JSON, and how it is written; `MB` is of bytes."""

SECONDS: Columns = {
    "median": ("median_seconds", ".2f"),
    "p90": ("p90_seconds", ".2f"),
    "min": ("min_seconds", ".2f"),
    "rows checked": ("rows_checked", ","),
}
RATIO: Columns = {
    **{name: (name, ".3f") for name in ("p25", "median", "p75")},
    "of medians": ("of_medians", ".3f"),
    "of means": ("of_means", ".3f"),
}
MEMORY: Columns = {
    "driver": ("driver_rss_bytes", "MB"),
    "JVM": ("jvm_rss_bytes", "MB"),
    "workers": ("workers_rss_bytes", "MB"),
}


def table(title: str, rows: Mapping[str, Mapping[str, Any]], columns: Columns) -> list[str]:
    """Return a table with a line for each of the rows; it has a title, no matter how few there are."""
    cells = [[title, *columns]]
    cells += [[name, *(_text(row[key], form) for key, form in columns.values())] for name, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "",
        *("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells),
    ]


def _text(value: Any, form: str) -> str:
    return f"{value / 1e6:,.0f} MB" if form == "MB" else format(value, form)


def by_step(variants: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return where the time of each variant's batches went."""
    return [
        "",
        "median seconds by step",
        *(
            f"{name}: " + ", ".join(f"{step} {seconds:.2f}" for step, seconds in found["steps_median_seconds"].items())
            for name, found in variants.items()
        ),
    ]


def ratios(title: str, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a table of ratios."""
    return table(title, {name: each | each["by_round"] for name, each in found.items()}, RATIO)


def at_most(what: str, bound: float, found: float) -> dict[str, Any]:
    """Return a claim as JSON."""
    return {"claim": what, "at_most": bound, "found": found, "holds": found <= bound}


def at_least(what: str, bound: float, found: float) -> dict[str, Any]:
    """Return a claim as JSON."""
    return {"claim": what, "at_least": bound, "found": found, "holds": found >= bound}


def verdict(result: Mapping[str, Any]) -> list[str]:
    """Return the claims, and what was wrong; a missed claim is no problem, since a busy machine can do that."""
    claims = [
        f"{'holds ' if claim['holds'] else 'MISSED'} {claim['claim']}: {claim['found']:,}, claimed {_bound(claim)}"
        for claim in result.get("claims", ())
    ]
    problems = [f"WRONG: {problem}" for problem in result["problems"]]
    return ["", *claims, "", *(problems or ["all that was measured is as expected"])]


def _bound(claim: Mapping[str, Any]) -> str:
    return f"at most {claim['at_most']:,}" if "at_most" in claim else f"at least {claim['at_least']:,}"
