"""Backfills of many items, from a table and from an export of it: rows a second, read units, memory.

Each part runs in a process of its own. Its table is counted and added up afterwards; a wrong one makes the run fail.
The export is also read at a tenth of its size: memory must not follow the number of items.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import page
from benchmarks.arguments import Arguments
from benchmarks.backfill import job
from benchmarks.backfill.items import (
    KEYS,
    load_table,
    read_units_per_million,
    receipt_id,
    total_of_all,
    write_export,
)
from benchmarks.expectation import named
from benchmarks.own_process import in_own_spark
from benchmarks.run import Result, run, stamp
from streamjoin.aws.clients import aws_client
from streamjoin.backfill.report import USD_PER_MILLION_READ_UNITS
from streamjoin.local.tables import create_table
from streamjoin.query import read_table

PARTS = ("scan", "export")
TABLE = "bench-receipts"
# Memory that a tenth of the items doesn't take: caches that fill, and the sizes of batches.
MOST_GROWTH = 0.5


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "backfill.json")
    parser.some_of("--parts", PARTS, "part")
    parser.number("--items", 1_000_000, "items of the export", "items")
    parser.number("--scan-items", 200_000, "items of the scanned table", "scan_items")
    parser.number("--files", 16, "data files of the export", "files")
    return parser.parsed(argv)


def measure(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Run the parts one after the other, each in a process of its own, and check in this one what they left."""
    dynamodb = aws_client("dynamodb")
    create_table(dynamodb, TABLE, KEYS)
    if "export" in args.parts:
        arn = dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]

        def exported(name: str, items: int) -> dict[str, Any]:
            def make() -> dict[str, Any]:
                export = write_export(Path(directory) / f"export-{name}", arn, items, args.files)
                return {"dynamodb_export": {"path": str(export)}}

            return measured_part(f"export, {name}", make, items, f"{directory}/{name}", result)

        tenth, whole = exported("tenth", max(1, args.items // 10)), exported("whole", args.items)
        result["export"] = {**whole, "tenth": tenth, **stamp(result)}
        result["problems"] += growth_problems(tenth["peaks"], whole["peaks"])
    if "scan" in args.parts:

        def make() -> dict[str, Any]:
            load_table(dynamodb, TABLE, args.scan_items)
            return {"dynamodb_table": {"table_name": TABLE}}

        scan = measured_part("scan", make, args.scan_items, f"{directory}/scan", result)
        # The emulator says the same for any page; DynamoDB counts the size of the items.
        units = read_units_per_million()
        by_size = {
            "read_units_per_million_items": round(units),
            "usd_per_million_items": round(units / 1_000_000 * USD_PER_MILLION_READ_UNITS, 4),
        }
        result["scan"] = {**scan, "by_size": by_size, **stamp(result)}


def measured_part(
    name: str, make_source: Callable[[], Mapping[str, Any]], items: int, base_path: str, result: Result
) -> dict[str, Any]:
    """Make the items, measure a backfill of them and check its table; problems go to `result`."""
    started = time.monotonic()
    source = make_source()
    made_seconds = time.monotonic() - started
    print(f"{name}: {items:,} items made in {made_seconds:.1f} s", file=sys.stderr)
    found = in_own_spark(result, f"{base_path}/spark", job.measure, job.config_of(source, TABLE, base_path))
    table = read_table(f"{base_path}/receipts", columns=["receiptid", "total"])
    result["problems"] += named(name, table_problems(table, items))
    return {"items": items, "made_seconds": round(made_seconds, 1), **found, "rows_checked": table.num_rows}


def table_problems(table: pa.Table, items: int) -> list[str]:
    """Return what is wrong with a table's rows: each item once, and all totals."""
    problems = []
    distinct = pc.count_distinct(table["receiptid"]).as_py()
    if (table.num_rows, distinct) != (items, items):
        problems.append(f"expected {items:,} rows, each another, found {table.num_rows:,} with {distinct:,} ids")
    bounds: Any = pc.min_max(table["receiptid"]).as_py()
    if bounds != {"min": receipt_id(0), "max": receipt_id(items - 1)}:
        problems.append(f"expected ids from {receipt_id(0)} to {receipt_id(items - 1)}, found {bounds}")
    total = pc.sum(table["total"]).as_py()
    if total != total_of_all(items):
        problems.append(f"expected totals that add up to {total_of_all(items):,}, found {total:,}")
    return problems


def growth_problems(tenth: Mapping[str, int], whole: Mapping[str, int]) -> list[str]:
    """Return where ten times the items took much more memory; the JVM's is bounded by its heap."""
    grown = {name: whole[name] / tenth[name] - 1 for name in ("driver_bytes", "workers_bytes") if tenth[name]}
    return [
        f"export: ten times the items took {growth:.0%} more memory ({name}), expected {MOST_GROWTH:.0%} at most"
        for name, growth in grown.items()
        if growth > MOST_GROWTH
    ]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text."""
    found = {part: result[part] | result[part]["peaks"] for part in PARTS if part in result}
    peaks: page.Columns = {f"peak of the {name}": (f"{name}_bytes", "MB") for name in ("driver", "workers", "jvm")}
    columns: page.Columns = {
        "items": ("items", ","),
        "seconds": ("seconds", ",.1f"),
        "rows a second": ("rows_per_second", ","),
    }
    by_size = [
        f"{part['by_size']['read_units_per_million_items']:,} read units a million items by their size, "
        f"${part['by_size']['usd_per_million_items']:.4f} at ${USD_PER_MILLION_READ_UNITS} a million units"
        for part in found.values()
        if "by_size" in part
    ]
    return [*page.table("", found, columns | peaks), *by_size]


if __name__ == "__main__":
    sys.exit(run(arguments(), measure, lines, parts=PARTS))
