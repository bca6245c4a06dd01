"""A reference that changes: its cost in a batch, its memory, and how soon rows already written are made true.

Today's way, a scan a batch, runs beside ours. Every table is checked row by row, and every read of the reference is
counted; a wrong one makes the run fail. See benchmarks/README.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from benchmarks import page
from benchmarks.arguments import TABLE_TYPES, Arguments
from benchmarks.changing_reference import cost, memory, rewriting
from benchmarks.changing_reference.cost import BOTH_OF_FEW, CHANGING_TABLE, FEW_ITEMS, FEW_TABLE, MANY_TABLE, plans
from benchmarks.changing_reference.rewriting import RewritingWorkload
from benchmarks.expectation import check_table, named
from benchmarks.own_process import in_own_spark
from benchmarks.run import Result, run
from benchmarks.variants import ratio
from benchmarks.workload import SCAN_SEGMENTS, SHARDS, fill, table_bytes

PARTS = ("cost", "memory", "rewriting")
READ_UNIT_BYTES = 4096
MOST_COST_RATIO = 1.05


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "changing_reference.json")
    parser.some_of("--parts", PARTS, "part")
    parser.number("--reference-items", 500_000, "items of the large table", "reference_items")
    parser.number("--records", 4_000, "records of a batch", "records_per_batch")
    parser.number("--batches", 24, "measured batches of each variant", "batches")
    parser.number("--warmup", 4, "batches before them that don't count", "warmup_batches", least=0)
    parser.number("--today-batches", 2, "measured batches of today's way, in the last rounds", "today_batches")
    parser.number("--memory-batches", 8, "batches before memory is measured again", "memory_batches")
    parser.number("--rewrite-rows", 1_000_000, "rows of the table that is rewritten", "rewrite_rows")
    parser.number("--key-rows", 10_000, "of them, rows of one reference item", "rows_of_the_changed_item")
    parser.number("--changes", 4, "measured changes, of each table type", "changes")
    parser.some_of("--table-type", TABLE_TYPES, "table type")
    args = parser.parsed(argv, shards=SHARDS, scan_segments=SCAN_SEGMENTS, table_type=cost.TABLE_TYPE)
    if args.today_batches > args.batches:
        parser.error(f"--today-batches: expected {args.batches} (--batches) at most, found {args.today_batches}")
    # An item for each change, one for that which doesn't count, and one that never changes.
    items = args.changes + 2
    if args.rewrite_rows % args.key_rows or args.rewrite_rows // args.key_rows < items:
        parser.error(
            f"--rewrite-rows: expected a multiple of --key-rows ({args.key_rows}), at least {items} times as many for "
            f"{args.changes} --changes, found {args.rewrite_rows}"
        )
    return args


def measure(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Run the parts one after the other, each in a process of its own, and check in this one what they left."""
    # The emulator counts a unit a page; the service one for each 4 KB, half of it for a read that may be behind.
    units = ceil(table_bytes(args.reference_items) / READ_UNIT_BYTES)
    result["parameters"] |= {"parts": args.parts, "read_units_of_one_scan_by_size": units}
    if {"cost", "memory"} & set(args.parts):
        fill(args.reference_items, MANY_TABLE)
    # The memory after the cost: it changes the table.
    for part, measure_part in {"cost": measure_cost, "memory": measure_memory, "rewriting": measure_rewriting}.items():
        if part in args.parts:
            measure_part(args, directory, result)


def measure_cost(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Add the cost of a batch to `result`."""
    fill(FEW_ITEMS, FEW_TABLE)
    fill(args.reference_items, CHANGING_TABLE)
    found = in_own_spark(result, f"{directory}/cost", cost.measure, plans(args, directory))
    result["variants"] = {}
    for plan in found:
        rows, problems = plan.workload.check(plan.base_path, len(plan.batches))
        result["variants"][plan.name] = plan.to_json(rows)
        result["problems"] += named(plan.name, [*cost.problems(plan), *problems])
    (base, again, many, *others), (today_few, today_many) = found[:-2], found[-2:]
    first = f"to {base.name}"
    result["ratios"] = {
        again.name: {first: ratio(again, base)},
        **{each.name: {BOTH_OF_FEW: ratio(each, base, again), first: ratio(each, base)} for each in (many, *others)},
        today_many.name: {f"to {other.name}": ratio(today_many, other) for other in (many, today_few)},
    }


def measure_memory(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Add the memory of a job with the large reference to `result`."""
    given = memory.workload(args.reference_items, args.records, args.memory_batches)
    base_path, batches = f"{directory}/table-memory", len(given.changes)
    stages = in_own_spark(result, f"{directory}/memory", memory.measure, given, base_path)
    rows, problems = given.check(base_path, batches)
    result["memory"] = {"stages": stages, "rows_checked": rows}
    problems = [*memory.problems(stages, given.items), *given.unseen_changes(batches), *problems]
    result["problems"] += named("memory", problems)


def measure_rewriting(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Add to `result` how soon changes are in rows already written, by table type."""
    tables = {}
    for table_type in args.table_type:
        given = RewritingWorkload(
            f"orders-{table_type}", f"countries_{table_type}", args.rewrite_rows, args.key_rows, args.records
        )
        fill(given.items, given.table_name)
        tables[table_type] = given, f"{directory}/table-{table_type}"
    changes = 1 + args.changes
    all_found = in_own_spark(result, f"{directory}/rewriting", rewriting.measure, tables, changes)
    result["rewriting"] = {}
    for table_type, found in all_found.items():
        given, base_path = tables[table_type]
        rows, problems = check_table(base_path, given.expected(changes, found["batches"]))
        warmup, *counted = found["changes"]
        result["rewriting"][table_type] = {
            "bulk_seconds": found["bulk_seconds"],
            "warmup_change": warmup,
            "changes": counted,
            "rows_checked": rows,
        }
        result["problems"] += named(table_type, [*rewriting.problems(found["changes"]), *problems])


def claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bounds beside what was found, as far as these parts were measured."""
    found = []
    for name, ratios in result.get("ratios", {}).items():
        # The first variant with many items.
        if BOTH_OF_FEW in ratios:
            what = f"a batch of '{name}', in terms of {BOTH_OF_FEW.removeprefix('to ')}, median of the rounds"
            found.append(page.at_most(what, MOST_COST_RATIO, ratios[BOTH_OF_FEW]["by_round"]["median"]))
            break
    if "memory" in result:
        peak = result["memory"]["stages"][-1]["driver_peak_rss_bytes"]
        found.append(page.at_most("bytes in the driver, at the peak", memory.MOST_DRIVER_BYTES, peak))
    for table_type, part in result.get("rewriting", {}).items():
        batches = max(change["batches"] for change in part["changes"])
        what = f"batches until a change is in all rows, {table_type}"
        found.append(page.at_most(what, rewriting.MOST_BATCHES_TO_TRUE, batches))
    return found


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text."""
    text = []
    if variants := result.get("variants"):
        most_read = {name: each | {"items": max(each["items_read_by_batch"])} for name, each in variants.items()}
        text += page.table("seconds a batch", most_read, page.SECONDS | {"items read": ("items", ",")})
        text += page.table(
            "load of the reference",
            {name: each["load"] for name, each in variants.items() if each["load"]},
            {"seconds": ("seconds", ".2f"), "items read": ("items_read", ",")},
        )
        named_ratios = {f"{name}, {to}": each for name, all_ in result["ratios"].items() for to, each in all_.items()}
        text += page.ratios("a batch of", named_ratios)
    if "memory" in result:
        stages = {stage["after"]: stage for stage in result["memory"]["stages"]}
        text += page.table(
            "memory after", stages, page.MEMORY | {"peak of the driver": ("driver_peak_rss_bytes", "MB")}
        )
    for table_type, part in result.get("rewriting", {}).items():
        changes = {f"change {n}, {each['kind']}": each for n, each in enumerate(part["changes"], start=2)}
        text += page.table(f"{table_type}, {part['rows_checked']:,} rows", changes, rewriting.COLUMNS)
    return text


if __name__ == "__main__":
    sys.exit(run(arguments(), measure, lines, claims))
