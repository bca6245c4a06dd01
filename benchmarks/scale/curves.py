"""The curves: what is grown, and seconds a batch at each of its points."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from pyspark.sql import SparkSession

from benchmarks.our_way import OurWay, job_config
from benchmarks.own_process import in_own_process, in_own_spark
from benchmarks.run import Result, stamp
from benchmarks.summary import by_rows, commits, memory, references
from benchmarks.summary.figures import LAYOUTS, TYPES, Found
from benchmarks.summary.running import fill_items
from benchmarks.summary.sizes import FULL as SIZES
from benchmarks.summary.steady import ITEMS, RECORDS, take_turns
from benchmarks.summary.tables import fill_table
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Steady, Variant, Way
from benchmarks.workload import Workload, fill

SCRIPT = "script"
SECONDS = "s a batch"
# The first batch into a table finds nothing of an earlier one, and classes load.
WARMUP = 2
# The layouts between which the others lie.
CURVED = ("flat", "may_move")

Curve: TypeAlias = dict[str, Any]
Measured: TypeAlias = tuple[list[Curve], Found]


@dataclass(frozen=True)
class Scale:
    """The points of each curve.

    Args:
        rows: Of a table.
        items: Of a reference.
        script_items: Of them, those that the script scans too.
        shards: Of a stream.
        commits: Of a table, at the end.
        backlogs: Records of the small one; the large one has ten times as many.
        backlog_limit: Records of a batch of them at most.
        rounds: Batches of each point that count.
    """

    rows: Sequence[int] = (10_000, 100_000, 1_000_000, 3_000_000)
    items: Sequence[int] = (4, 5_000, 50_000, 500_000)
    script_items: Sequence[int] = (4, 5_000, 50_000)
    shards: Sequence[int] = (1, 2, 4, 8, 16, 32)
    commits: int = 1_000
    backlogs: int = 200_000
    backlog_limit: int = 100_000
    rounds: int = 4


FULL = Scale()


def _curve(title: str, x: str, lines: Mapping[str, Sequence[tuple[int, float]]], y: str = SECONDS) -> Curve:
    return {"title": title, "x": x, "y": y, "log_x": True, "lines": lines}


def rows_curve(result: Result, scale: Scale, directory: str, _: str) -> Measured:
    """Return seconds a batch by rows of the table, of each type and layout."""
    return in_own_spark(result, directory, measure_rows, scale, directory)


def measure_rows(spark: SparkSession, scale: Scale, directory: str) -> Measured:
    """Fill the tables, and let them take batches in turns."""
    tables = [by_rows.wide(kind, layout, rows) for kind in TYPES for layout in CURVED for rows in scale.rows]
    for each in tables:
        fill_table(spark, directory, each.kind, each.layout, each.orders.rows)
    seconds, found = by_rows.measured(spark, tables, (WARMUP, scale.rounds), directory)
    lines = {
        f"{name}, {LAYOUTS[layout]}": [(rows, seconds[by_rows.wide(kind, layout, rows).name]) for rows in scale.rows]
        for kind, name in TYPES.items()
        for layout in CURVED
    }
    return [_curve("by rows of the table", "rows", lines)], Found(problems=found.problems)


def items_curve(result: Result, scale: Scale, directory: str, endpoint: str) -> Measured:
    """Return seconds a batch by items of the reference, merge-on-read."""
    in_own_process(fill_items, endpoint, tuple(scale.items))
    return in_own_spark(result, directory, measure_items, scale, directory, endpoint)


def measure_items(spark: SparkSession, scale: Scale, directory: str, endpoint: str) -> Measured:
    """Let jobs with each reference take batches in turns."""
    jobs = references.plan(scale.items, scale.script_items, scale.rounds)
    seconds, found = references.measured(spark, jobs, directory, endpoint)
    lines = {
        "streamjoin": [(items, seconds[items, False]) for items in scale.items],
        SCRIPT: [(items, seconds[items, True]) for items in scale.script_items],
    }
    return [_curve("by items of the reference", "items", lines)], Found(problems=found.problems)


def shards_curve(result: Result, scale: Scale, directory: str, _: str) -> Measured:
    """Return seconds a batch by shards of the stream, merge-on-read."""
    return in_own_spark(result, directory, measure_shards, scale, directory)


def measure_shards(spark: SparkSession, scale: Scale, directory: str) -> Measured:
    """Let jobs and scripts with each number of shards take batches in turns."""
    fill(ITEMS)
    ways: dict[str, Steady] = {}
    for shards in scale.shards:
        for name in (SCRIPT, "streamjoin"):
            given = Workload(f"shards-{name}-{shards}", ITEMS, RECORDS, shards=shards)
            given.create_stream()
            base_path = f"{directory}/{given.stream_name}"
            way: Way
            if name == SCRIPT:
                way = TodaysWay(today_session(spark), given.stream_name, base_path)
            else:
                way = OurWay(spark, job_config(given.stream_name, base_path, "MERGE_ON_READ"))
            check = partial(given.check, base_path, WARMUP + scale.rounds)
            ways[f"{name} {shards}"] = Steady(way, given.send, check)
    variants = [Variant(name, range(WARMUP + scale.rounds), WARMUP) for name in ways]
    problems = take_turns(variants, ways, RECORDS)
    seconds = {variant.name: statistics.median(variant.seconds) for variant in variants}
    lines = {
        name: [(shards, seconds[f"{name} {shards}"]) for shards in scale.shards] for name in ("streamjoin", SCRIPT)
    }
    return [_curve("by shards of the stream", "shards", lines)], Found(problems=problems)


def commits_curve(result: Result, scale: Scale, directory: str, _: str) -> Measured:
    """Return seconds a batch, files and their sizes by commits of the table; both types grow at the same time."""
    growing = in_own_spark(result, directory, commits.grow_old, scale.commits, directory)
    problems = [problem for kind in TYPES for problem in commits.old_problems(directory, kind, scale.commits)]
    files = {f"{TYPES[kind]}, {scale.commits:,} commits": samples[-1]["files"] for kind, samples in growing.items()}
    return [], Found(problems=problems, details={"growing": growing, "files": files})


def memory_curve(_: Result, scale: Scale, directory: str, __: str) -> Measured:
    """Return the most memory that a job's processes have together, by records of the backlog that it drains."""
    Path(directory).mkdir(parents=True)
    given = replace(SIZES, memory_records=scale.backlogs, memory_limit=scale.backlog_limit)
    found = in_own_process(memory.measure, given, directory)
    peaks = [max(samples) / 1e6 for samples in found.details["memory"].values()]
    points = list(zip((scale.backlogs, memory.TIMES_LARGER * scale.backlogs), peaks, strict=True))
    lines = {"all processes, merge-on-read": points}
    return [_curve("memory by records of the backlog", "records", lines, "MB")], Found(problems=found.problems)


PARTS: dict[str, Callable[[Result, Scale, str, str], Measured]] = {
    "rows": rows_curve,
    "items": items_curve,
    "shards": shards_curve,
    "commits": commits_curve,
    "memory": memory_curve,
}


def beside_earlier(result: Result, earlier: Result, chosen: Sequence[str]) -> Result:
    """Return `result` with all of an earlier one but for the parts that were measured now."""
    titles = {curve["title"] for curve in result["curves"]}
    kept = [stamp(earlier) | curve for curve in earlier["curves"] if curve["title"] not in titles]
    problems = [each for each in earlier["problems"] if each.partition(":")[0] not in chosen]
    return earlier | result | {"curves": [*kept, *result["curves"]], "problems": [*problems, *result["problems"]]}
