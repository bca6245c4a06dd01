"""Long runs: what a batch takes after 1,000 commits, and whether memory stays flat; a backlog in bounded memory.

Every table is checked row by row afterwards; a wrong one makes the run fail. See benchmarks/README.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import page
from benchmarks.arguments import TABLE_TYPES, Arguments
from benchmarks.expectation import named
from benchmarks.long_run import backlog, growth
from benchmarks.long_run.checks import table_problems
from benchmarks.long_run.flat_memory import memory_claims
from benchmarks.long_run.updates import Updates
from benchmarks.own_process import in_own_spark
from benchmarks.run import Result, run, stamp
from benchmarks.workload import Workload, fill

PARTS = ("growth", "backlog")
REFERENCE_ITEMS = 4
MOST_BATCH_RATIO = 1.3


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "long_run.json")
    parser.some_of("--parts", PARTS, "part")
    parser.some_of("--table-type", TABLE_TYPES, "table type")
    parser.number("--commits", 1_000, "of the old table", "commits")
    parser.number("--fresh-commits", 20, "of the fresh tables", "fresh_commits")
    parser.number("--rounds", 20, "then so many batches of each, in turn", "rounds")
    parser.number("--records", 1_000, "records of a batch", "records_per_batch")
    parser.number("--keys", 10_000, "rows that a table has and keeps", "keys")
    parser.number("--sample-every", 50, "commits from one look at files and memory to the next", "sample_every")
    parser.number("--backlog", 150_000, "records of the backlog")
    parser.number("--backlog-limit", 5_000, "records of a batch of it at most")
    option = "KEY=VALUE, instead of the default"
    parser.add_argument("--hudi-option", type=hudi_option, action="append", default=[], help=option)
    args = parser.parsed(argv, reference_items=REFERENCE_ITEMS)
    if args.keys % args.records or args.keys > args.records * args.fresh_commits:
        parser.error(
            f"--keys: expected a multiple of --records ({args.records}), at most what {args.fresh_commits} "
            f"--fresh-commits write, found {args.keys}"
        )
    if args.commits < args.fresh_commits:
        parser.error(f"--commits: expected {args.fresh_commits} (--fresh-commits) at least, found {args.commits}")
    return args


def hudi_option(text: str) -> tuple[str, str]:
    """Return the key and the value of an option of Hudi."""
    key, equals, value = text.partition("=")
    if not equals or not key.startswith("hoodie."):
        message = f"expected hoodie.…=VALUE, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return key, value


def measure(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Run the parts one after the other, each in a process of its own, and check in this one what they left."""
    fill(REFERENCE_ITEMS)
    if "growth" in args.parts:
        result["growth"] = {}
        for table_type in args.table_type:
            measure_growth(args, table_type, directory, result)
    if "backlog" in args.parts:
        measure_backlog(args, directory, result)


def measure_growth(args: argparse.Namespace, table_type: str, directory: str, result: Result) -> None:
    """Add to `result` what a batch takes after many commits and after few, and what memory came to."""
    # A stream's name stands in every position; nothing is put into it.
    updates = Updates(f"orders-{table_type}", args.keys, args.records)
    given = args, updates, table_type, f"{directory}/{table_type}"
    tables, samples = in_own_spark(result, f"{directory}/spark-{table_type}", growth.measure, *given)
    rows = {}
    for name, table in tables.items():
        rows[name], problems = table_problems(table, updates)
        result["problems"] += named(f"{table_type}, {name}", problems)
    result["growth"][table_type] = {**growth.to_json(args, tables, samples, rows), **stamp(result)}


def measure_backlog(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Add to `result` what memory came to while a backlog was drained."""
    given, base_path = Workload("orders-backlog", REFERENCE_ITEMS, args.backlog), f"{directory}/backlog"
    given.create_stream()
    given.send(0)
    batches = in_own_spark(result, f"{directory}/spark-backlog", backlog.measure, given, args.backlog_limit, base_path)
    rows, problems = given.check(base_path, 1)
    result["problems"] += named("backlog", [*backlog.problems(args.backlog, args.backlog_limit, batches), *problems])
    result["backlog"] = {
        "records": args.backlog,
        "limit_records": args.backlog_limit,
        "batches": batches,
        "rows_checked": rows,
        **stamp(result),
    }


def claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bounds beside what was found, as far as these parts were measured."""
    found = []
    for table_type, part in result.get("growth", {}).items():
        (what, ratios), *_ = part["ratios"].items()
        for how, value in (
            ("median of the rounds", ratios["by_round"]["median"]),
            ("all of the time", ratios["of_means"]),
        ):
            found.append(page.at_most(f"{table_type}: {what}, {how}", MOST_BATCH_RATIO, value))
        found += memory_claims(table_type, part["growing"]["samples"])
    if "backlog" in result:
        # Too short for the JVM to have taken all that its settings allow: its heap after collections tells.
        found += memory_claims("backlog", result["backlog"]["batches"], without=("JVM",))
    return found


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text."""
    text = []
    memory = page.MEMORY | {"heap": ("jvm_heap_bytes", "MB")}
    for table_type, part in result.get("growth", {}).items():
        commits = {"commits": ("commits_before_the_rounds", ","), "max": ("max_seconds", ".2f")}
        text += page.table(f"{table_type}, seconds a batch", part["tables"], commits | page.SECONDS)
        files = {kind: (kind, ",") for kind in growth.KINDS_OF_FILES}
        text += page.table("files", {name: each["files"] for name, each in part["tables"].items()}, files)
        text += page.ratios("a batch of", part["ratios"])
        samples = part["growing"]["samples"]
        some = {f"after {each['commits']:,} commits": each for each in samples[:: max(1, len(samples) // 5)]}
        text += page.table(f"{table_type}, memory", some, memory)
    if "backlog" in result:
        batches = {f"batch {number}": each for number, each in enumerate(result["backlog"]["batches"], start=1)}
        columns = {"records": ("records", ","), "seconds": ("seconds", ".2f")}
        text += page.table(f"backlog of {result['backlog']['records']:,} records", batches, columns | memory)
    return text


if __name__ == "__main__":
    sys.exit(run(arguments(), measure, lines, claims, PARTS))
