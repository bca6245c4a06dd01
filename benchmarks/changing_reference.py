"""A reference that changes: its cost in a batch, its memory, and how soon rows already written are made true.

Today's way, a scan a batch, runs beside ours. Every table is checked row by row, and every read of the reference is
counted; a wrong one makes the run fail. See README.md beside this file.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

import reference_cost
import reference_memory
import reference_rewriting
from arguments import count, positive, some_of
from expectation import table_problems
from micro_batches import SHARDS, TABLE_TYPES
from own_process import in_own_process
from reference_cost import Plan
from reference_report import (
    claims,
    cost_json,
    cost_problems,
    lines,
    memory_json,
    memory_problems,
    ratio,
    ratio_to_both,
    rewriting_json,
    rewriting_problems,
    unseen_changes,
)
from reference_rewriting import RewritingWorkload
from report import commit, machine, publish
from workload import SCAN_SEGMENTS, Row, Workload, fill, table_bytes

from streamjoin.aws.clients import aws_client
from streamjoin.local.stack import LocalStack
from streamjoin.query import read_table

HERE = Path(__file__).resolve().parent
PARTS = ("cost", "memory", "rewriting")
FEW_ITEMS = 4
FEW_TABLE, MANY_TABLE, CHANGING_TABLE, REWRITING_TABLE = (
    f"countries_{which}" for which in ("few", "many", "changing", "rewriting")
)
READ_UNIT_BYTES = 4096
# Two variants do the same with 4 items: what the others cost is in terms of both.
BOTH_OF_FEW = "to both of 4 items"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("--parts", type=some_of(PARTS, "part"), default=list(PARTS), help=f"some of {','.join(PARTS)} (default: all)")
    add("--reference-items", type=positive, default=500_000, help="items of the large table (default: 500000)")
    add("--records", type=positive, default=4_000, help="records of a batch (default: 4000)")
    add("--batches", type=positive, default=24, help="measured batches of each variant (default: 24)")
    add("--warmup", type=count, default=4, help="batches before them that don't count (default: 4)")
    add("--today-batches", type=positive, default=2, help="measured batches of today's way, in the last rounds (2)")
    add("--memory-batches", type=positive, default=8, help="batches before memory is measured again (default: 8)")
    add("--rewrite-rows", type=positive, default=1_000_000, help="rows of the table that is rewritten (1000000)")
    add("--key-rows", type=positive, default=10_000, help="of them, rows of one reference item (default: 10000)")
    add("--changes", type=positive, default=4, help="measured changes, of each table type (default: 4)")
    add(
        "--table-type",
        type=some_of(TABLE_TYPES, "table type"),
        default=list(TABLE_TYPES),
        help="of the rewritten table: one or both",
    )
    add("-o", "--output", type=Path, default=HERE / "results" / "changing_reference.json", help="the JSON file")
    args = parser.parse_args(argv)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, check, print, and write the JSON; return the exit code."""
    args = arguments(argv)
    # Both before anything is measured: a checkout may move on meanwhile.
    before, head = machine(), commit()
    with tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory, LocalStack() as stack, stack.active():
        result = measure(args, directory)
    result["versions"] = {"streamjoin_commit": head, **result["versions"]}
    result = {"machine": before, **result}
    return publish(result, args.output, lines(result))


def measure(args: argparse.Namespace, directory: str) -> dict[str, Any]:
    """Run the parts one after the other, each in a process of its own, and check in this one what they left."""
    result: dict[str, Any] = {
        "versions": {},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters(args),
        "problems": [],
    }
    if {"cost", "memory"} & set(args.parts):
        _fill(MANY_TABLE, args.reference_items)
    costs = None
    if "cost" in args.parts:
        costs = measure_cost(args, directory, result)
    if "memory" in args.parts:
        # After the cost: it changes the table.
        measure_memory(args, directory, result)
    if "rewriting" in args.parts:
        measure_rewriting(args, directory, result)
    result["claims"] = claims(result, costs)
    return result


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Return what a result can be compared with."""
    return {
        "parts": args.parts,
        "reference_items": args.reference_items,
        # The emulator counts a unit a page; the service one for each 4 KB, half of it for a read that may be behind.
        "read_units_of_one_scan_by_size": ceil(table_bytes(args.reference_items) / READ_UNIT_BYTES),
        "records_per_batch": args.records,
        "shards": SHARDS,
        "scan_segments": SCAN_SEGMENTS,
        "table_type": reference_cost.TABLE_TYPE,
        "batches": args.batches,
        "warmup_batches": args.warmup,
        "today_batches": args.today_batches,
        "memory_batches": args.memory_batches,
        "rewrite_rows": args.rewrite_rows,
        "rows_of_the_changed_item": args.key_rows,
        "changes": args.changes,
    }


def plans(args: argparse.Namespace, directory: str) -> list[Plan]:
    """Return the variants; all others are compared with the first.

    Of today's way, the one with few items loads the classes for both, since a batch with many takes minutes.
    """
    items, records, rounds = args.reference_items, args.records, range(args.warmup + args.batches)
    last = rounds[-args.today_batches :]
    warm = [number for number in rounds[: args.warmup] if number not in last]
    many = f"{items:,} items"

    def workload(number: int, table_name: str, size: int, **more: Any) -> Workload:
        # A stream each: the emulator slows with the number of records that a stream holds.
        return Workload(f"orders-{number}", table_name, size, records, **more)

    found = [
        (f"streamjoin, {FEW_ITEMS} items", workload(0, FEW_TABLE, FEW_ITEMS)),
        (f"streamjoin, {FEW_ITEMS} items, again", workload(1, FEW_TABLE, FEW_ITEMS)),
        (f"streamjoin, {many}", workload(2, MANY_TABLE, items)),
        (f"streamjoin, {many}, all used", workload(3, MANY_TABLE, items, all_items=True)),
        (f"streamjoin, {many}, a change a batch", workload(4, CHANGING_TABLE, items, changes=(1,) * len(rounds))),
    ]
    ours = [
        Plan(name, given, f"{directory}/table-{number}", rounds, args.warmup)
        for number, (name, given) in enumerate(found)
    ]
    return [
        *ours,
        Plan(
            f"today, {FEW_ITEMS} items",
            workload(5, FEW_TABLE, FEW_ITEMS),
            f"{directory}/table-5",
            [*warm, *last],
            len(warm),
            is_today=True,
        ),
        Plan(f"today, {many}", workload(6, MANY_TABLE, items), f"{directory}/table-6", last, 0, is_today=True),
    ]


def measure_cost(args: argparse.Namespace, directory: str, result: dict[str, Any]) -> tuple[str, str]:
    """Add the cost of a batch to `result`; return the two variants whose ratio is bounded."""
    _fill(FEW_TABLE, FEW_ITEMS)
    _fill(CHANGING_TABLE, args.reference_items)
    found, result["versions"] = in_own_process(reference_cost.measure, plans(args, directory), f"{directory}/cost")
    rows_checked = {}
    for measured in found:
        plan = measured.plan
        expected = plan.workload.expected(len(measured.batches))
        rows_checked[plan.name], problems = check_table(plan.name, plan.base_path, expected)
        result["problems"] += [*cost_problems(measured), *problems]
    result["variants"] = cost_json(found, rows_checked)
    ours, (today_few, today_many) = found[:-2], found[-2:]
    base, again, many = ours[:3]
    result["ratios"] = {
        again.plan.name: {f"to {base.plan.name}": ratio(again, base)},
        **{
            each.plan.name: {BOTH_OF_FEW: ratio_to_both(each, (base, again)), f"to {base.plan.name}": ratio(each, base)}
            for each in ours[2:]
        },
        today_many.plan.name: {f"to {other.plan.name}": ratio(today_many, other) for other in (many, today_few)},
    }
    return many.plan.name, BOTH_OF_FEW.removeprefix("to ")


def measure_memory(args: argparse.Namespace, directory: str, result: dict[str, Any]) -> None:
    """Add the memory of a job with the large reference to `result`."""
    items = args.reference_items
    given = reference_memory.workload("orders-memory", MANY_TABLE, items, args.records, args.memory_batches)
    base_path = f"{directory}/table-memory"
    stages, result["versions"] = in_own_process(reference_memory.measure, given, base_path, f"{directory}/memory")
    batches = len(given.changes)
    rows, problems = check_table("memory", base_path, given.expected(batches))
    unseen = [f"memory: {problem}" for problem in unseen_changes(given, batches)]
    result["memory"] = {"stages": memory_json(stages), "rows_checked": rows}
    result["problems"] += [*memory_problems(stages, items), *unseen, *problems]


def measure_rewriting(args: argparse.Namespace, directory: str, result: dict[str, Any]) -> None:
    """Add to `result` how soon changes are in rows already written, by table type."""
    tables: dict[str, tuple[RewritingWorkload, str]] = {}
    for table_type in args.table_type:
        names = f"orders-{table_type}", f"{REWRITING_TABLE}_{table_type}"
        given = RewritingWorkload(*names, args.rewrite_rows, args.key_rows, args.records)
        _fill(given.table_name, given.items)
        tables[table_type] = given, f"{directory}/table-{table_type}"
    changes = 1 + args.changes
    all_found, result["versions"] = in_own_process(
        reference_rewriting.measure, tables, changes, f"{directory}/rewriting"
    )
    result["rewriting"] = {}
    for table_type, found in all_found.items():
        given, base_path = tables[table_type]
        rows, problems = check_table(table_type, base_path, given.expected(changes, found.batches))
        result["rewriting"][table_type] = rewriting_json(found, rows)
        result["problems"] += [*(f"{table_type}: {problem}" for problem in rewriting_problems(found)), *problems]


def check_table(name: str, base_path: str, expected: Mapping[str, Row]) -> tuple[int, list[str]]:
    """Compare a table with what it must hold, row by row; return how many rows it has, and what is wrong."""
    table = read_table(base_path, columns=["uuid", "combinedname"])
    return table.num_rows, [f"{name}: {problem}" for problem in table_problems(table, expected)]


def _fill(table_name: str, items: int) -> None:
    started = time.perf_counter()
    fill(aws_client("dynamodb"), table_name, items)
    print(f"'{table_name}': {items:,} items put in {time.perf_counter() - started:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
