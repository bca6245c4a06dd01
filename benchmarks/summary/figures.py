"""What is measured, by part, each with its goal: the entries of `summary.json`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from benchmarks.summary.sizes import Sizes

TIMES = "x"
TYPES = {"MERGE_ON_READ": "merge-on-read", "COPY_ON_WRITE": "copy-on-write"}
LAYOUTS = {"flat": "not partitioned", "fixed": "by day, rows stay", "may_move": "by day, rows may move"}


class Entry(TypedDict, total=False):
    """An entry of `summary.json`; `reason` is there if there is no value, or if the part was wrong."""

    figure: str
    value: float | None
    unit: str
    goal: str | None
    met: bool | None
    reason: str


@dataclass(frozen=True)
class Goal:
    """A bound.

    Args:
        bound: Of the value.
        is_least: Whether the value is to be at least so much; else at most.
    """

    bound: float
    is_least: bool = False

    def is_met(self, value: float) -> bool:
        """Tell whether a value is within the bound."""
        return value >= self.bound if self.is_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.bound:g}"


def at_least(bound: float) -> Goal:
    return Goal(bound, is_least=True)


@dataclass(frozen=True)
class Figure:
    """One figure.

    Args:
        key: Under which its part gives the value.
        text: What it is, sizes included.
        goal: None: for information.
        unit: Of the value.
    """

    key: str
    text: str
    goal: Goal | None = None
    unit: str = TIMES


@dataclass
class Found:
    """What a part has measured.

    Args:
        values: By a figure's key.
        problems: What the oracle says is wrong.
        details: For the page: seconds by variant and step, samples.
        error: Why the part ended early.
    """

    values: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


def figures(sizes: Sizes) -> dict[str, list[Figure]]:
    """Return the figures of each part, in the order of the goals."""
    per_batch = f"script / streamjoin, {sizes.backlog_records:,} records a batch"
    over_rows = f"{sizes.many_rows:,} rows / {sizes.few_rows:,}"
    goals_by_day = {"COPY_ON_WRITE": 3, "MERGE_ON_READ": 4}
    most_growth = {"COPY_ON_WRITE": 1.5, "MERGE_ON_READ": 1.2}
    seconds = {"unit": "s"}
    ways = {"polled": "polling", "pushed": "enhanced fan-out"}
    return {
        "steady": [
            *(
                Figure(f"tuned {kind}", f"steady batch, {name}: script / streamjoin", at_least(goal))
                for (kind, name), goal in zip(TYPES.items(), (5, 3.5), strict=True)
            ),
            *(
                Figure(f"script {kind}", f"steady batch, {name}: script with 200 shuffle partitions / streamjoin")
                for kind, name in TYPES.items()
            ),
        ],
        "behind": [
            Figure(f"floor {kind}", f"batch of a job that is behind, {name}: streamjoin / floor", Goal(1.1))
            for kind, name in TYPES.items()
        ],
        "by_day": [
            Figure(
                f"day {kind}",
                f"batch, by day, rows may move, {sizes.day_rows:,} rows, {TYPES[kind]}: script / streamjoin",
                at_least(goals_by_day[kind]),
            )
            for kind in goals_by_day
        ],
        "rows": [
            Figure(
                f"{kind} {layout}",
                f"seconds a batch, {LAYOUTS[layout]}, {TYPES[kind]}: {over_rows}",
                Goal(most_growth[kind]),
            )
            for kind, layout in GROWN
        ],
        "references": [
            Figure(f"items {items}", f"batch with {items:,} reference items: script / streamjoin", at_least(goal))
            for items, goal in ((sizes.items, 10), (sizes.many_items, 60))
        ],
        "backlog": [
            Figure(f"backlog {kind}", f"backlog, {name}: {per_batch}", at_least(3)) for kind, name in TYPES.items()
        ],
        "freshness": [
            *(
                Figure(
                    f"{way} {share}",
                    f"put to visible to a query, 1,000 records/s, merge-on-read, {name}: {share}",
                    Goal(bound),
                    **seconds,
                )
                for way, name in ways.items()
                for share, bound in (("p50", 1.2), ("p99", 3))
            ),
            Figure("first", "first commit of rows after start, new table", Goal(12), **seconds),
            Figure("first again", "first commit of rows after start, table that is there", Goal(12), **seconds),
        ],
        "commits": [
            Figure(
                f"commits {kind}",
                f"batch after {sizes.commits:,} commits / after {sizes.fresh_commits}, services included, {name}",
                Goal(1.3),
            )
            for kind, name in TYPES.items()
        ],
        "memory": [
            Figure(
                "memory",
                f"peak memory of all processes, backlog of {10 * sizes.memory_records:,} records / "
                f"{sizes.memory_records:,}, batches of {sizes.memory_limit:,}",
                Goal(1.1),
            ),
            Figure("megabytes", f"the same, of {10 * sizes.memory_records:,} records", unit="MB"),
        ],
        "requests": [
            *(
                Figure(
                    f"ratio {kind} {layout}",
                    f"S3 requests a batch, {LAYOUTS[layout]}, {TYPES[kind]}: {over_rows}",
                    Goal(1.2),
                )
                for kind, layout in REQUESTED
            ),
            *(
                Figure(
                    f"number {kind} {layout}",
                    f"S3 requests a batch, {LAYOUTS[layout]}, {TYPES[kind]}",
                    unit="requests",
                )
                for kind, layout in REQUESTED
            ),
        ],
        "catalog": [
            Figure(kind, f"steady batch on S3, {name}: with the catalog, nothing changed / without", Goal(1.03))
            for kind, name in TYPES.items()
        ],
        "help": [Figure("help", "`streamjoin --help`", Goal(0.3), **seconds)],
    }


GROWN = (
    *(("MERGE_ON_READ", layout) for layout in LAYOUTS),
    *(("COPY_ON_WRITE", layout) for layout in ("flat", "may_move")),
)
"""The types and layouts that are measured small and large; whether copy-on-write rows may move is no matter."""

REQUESTED = (("COPY_ON_WRITE", "flat"), ("MERGE_ON_READ", "may_move"))
"""The types and layouts whose requests are counted.

By day copy-on-write asks for the same files; a merge-on-read table without partitions has as many as buckets.
"""


def entries(wanted: Iterable[Figure], found: Found) -> list[Entry]:
    """Return the entries of a part: each figure has one, whatever became of the part.

    A part that was wrong meets no goal: it may have been fast because it did nothing.
    """
    return [_entry(figure, found) for figure in wanted]


def _entry(figure: Figure, found: Found) -> Entry:
    value = found.values.get(figure.key)
    entry = Entry(figure=figure.text, value=None, unit=figure.unit, goal=None, met=None)
    if figure.goal is not None:
        entry["goal"] = str(figure.goal)
        entry["met"] = value is not None and figure.goal.is_met(value) and not found.problems
    if value is None:
        entry |= {"met": False, "reason": found.error or "the part has not measured it"}
    else:
        # Three digits say what a noisy machine can.
        entry["value"] = float(f"{value:.4g}")
        if found.problems:
            entry["reason"] = f"WRONG: {found.problems[0]}"
    return entry


def all_entries(wanted: Mapping[str, Sequence[Figure]], found: Mapping[str, Found]) -> list[Entry]:
    """Return the entries of all parts, in the order of the goals."""
    missing = Found(error="the part has not run")
    return [entry for part, own in wanted.items() for entry in entries(own, found.get(part, missing))]


def is_whole(found: Mapping[str, Found], listed: Iterable[Entry]) -> bool:
    """Tell whether every figure has a value, and nothing was wrong; goals that are missed are no failure."""
    return all(entry["value"] is not None for entry in listed) and not any(part.problems for part in found.values())
