"""Backfills of many items, from a table and from an export of it: rows a second, read units, memory.

Each part runs in a process of its own. Its table is counted and added up afterwards; a wrong one makes the run fail.
The export is also read at a tenth of its size: memory must not follow the number of items.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from arguments import positive, some_of
from backfill_items import KEYS, load_table, read_units_per_million, receipt_id, total_of_all, write_export
from backfill_job import Measured, config_of, measure
from own_process import in_own_process
from report import commit, machine, publish

from streamjoin.aws.clients import aws_client
from streamjoin.backfill.report import USD_PER_MILLION_READ_UNITS
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_table
from streamjoin.query import read_table

HERE = Path(__file__).resolve().parent
PARTS = ("scan", "export")
TABLE = "bench-receipts"
# Memory that a tenth of the items doesn't take: caches that fill, and the sizes of batches.
MOST_GROWTH = 0.5


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("--parts", type=some_of(PARTS, "part"), default=list(PARTS), help=f"some of {','.join(PARTS)} (default: all)")
    add("--items", type=positive, default=1_000_000, help="items of the export (default: 1000000)")
    add("--scan-items", type=positive, default=200_000, help="items of the scanned table (default: 200000)")
    add("--files", type=positive, default=16, help="data files of the export (default: 16)")
    add("-o", "--output", type=Path, default=HERE / "results" / "backfill.json", help="the JSON file")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, check, print, and write the JSON; return the exit code."""
    args = arguments(argv)
    before, head = machine(), commit()
    with tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory, LocalStack() as stack, stack.active():
        result = measured_parts(args, directory)
    result["versions"] = {"streamjoin_commit": head, **result["versions"]}
    for part in PARTS:
        if part in result:
            result[part] |= {"measured_at": result["measured_at"], "streamjoin_commit": head}
    result = beside_earlier_parts({"machine": before, **result}, args.output)
    return publish(result, args.output, lines(result))


def beside_earlier_parts(result: dict[str, Any], output: Path) -> dict[str, Any]:
    """Return `result` with the part of the file that wasn't measured now, if it had the same parameters."""
    earlier = json.loads(output.read_text()) if output.exists() else {}
    if earlier.get("parameters") != result["parameters"] or earlier.get("problems"):
        return result
    return {**{part: earlier[part] for part in PARTS if part in earlier}, **result}


def measured_parts(args: argparse.Namespace, directory: str) -> dict[str, Any]:
    """Run the parts one after the other, each in a process of its own, and check in this one what they left."""
    dynamodb = aws_client("dynamodb")
    create_table(dynamodb, TABLE, KEYS)
    arn = dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
    result: dict[str, Any] = {
        "versions": {},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {"items": args.items, "scan_items": args.scan_items, "files": args.files},
        "problems": [],
    }
    if "export" in args.parts:
        small = max(1, args.items // 10)
        parts = {}
        for name, items in (("tenth", small), ("whole", args.items)):
            started = time.monotonic()
            export = write_export(Path(directory) / f"export-{name}", arn, items, args.files)
            made_seconds = time.monotonic() - started
            source = {"dynamodb_export": {"path": str(export)}}
            parts[name] = part_of(f"export, {name}", source, items, f"{directory}/{name}", made_seconds, result)
        result["export"] = {**parts["whole"], "tenth": parts["tenth"]}
        result["problems"] += growth_problems(parts["tenth"]["peaks"], parts["whole"]["peaks"])
    if "scan" in args.parts:
        started = time.monotonic()
        load_table(dynamodb, TABLE, args.scan_items)
        made_seconds = time.monotonic() - started
        source = {"dynamodb_table": {"table_name": TABLE}}
        result["scan"] = part_of("scan", source, args.scan_items, f"{directory}/scan", made_seconds, result)
        # The emulator says the same for any page; DynamoDB counts the size of the items.
        units = read_units_per_million()
        result["scan"]["by_size"] = {
            "read_units_per_million_items": round(units),
            "usd_per_million_items": round(units / 1_000_000 * USD_PER_MILLION_READ_UNITS, 4),
        }
    return result


def part_of(
    name: str, source: Mapping[str, Any], items: int, base_path: str, made_seconds: float, result: dict[str, Any]
) -> dict[str, Any]:
    """Measure one backfill and check its table; problems go to `result`."""
    print(f"{name}: {items:,} items made in {made_seconds:.1f} s", file=sys.stderr)
    found: Measured
    found, result["versions"] = in_own_process(measure, config_of(source, TABLE, base_path), f"{base_path}/spark")
    table = read_table(f"{base_path}/receipts", columns=["receiptid", "total"])
    result["problems"] += [f"{name}: {problem}" for problem in table_problems(table, items)]
    return {
        "items": items,
        "made_seconds": round(made_seconds, 1),
        **found.report,
        "steps": dict(found.steps),
        "peaks": dict(found.peaks),
        "rows_checked": table.num_rows,
    }


def table_problems(table: pa.Table, items: int) -> list[str]:
    """Return what is wrong with a table's rows: each item once, and all totals."""
    problems = []
    distinct = pc.count_distinct(table["receiptid"]).as_py()
    if (table.num_rows, distinct) != (items, items):
        problems.append(f"expected {items:,} rows, each another, found {table.num_rows:,} with {distinct:,} ids")
    bounds = pc.min_max(table["receiptid"]).as_py()
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
    text = []
    for part in PARTS:
        if part not in result:
            continue
        found = result[part]
        peaks = ", ".join(
            f"{name} {found['peaks'][key] / 1e6:,.0f} MB"
            for name, key in (("driver", "driver_bytes"), ("workers", "workers_bytes"), ("JVM", "jvm_bytes"))
        )
        text.append(
            f"{part}: {found['items']:,} items in {found['seconds']:,.1f} s, {found['rows_per_second']:,} rows/s; "
            f"peaks: {peaks}"
        )
        if part == "scan":
            by_size = found["by_size"]
            text.append(
                f"  {by_size['read_units_per_million_items']:,} read units a million items by their size, "
                f"${by_size['usd_per_million_items']:.4f} at ${USD_PER_MILLION_READ_UNITS} a million units"
            )
    return [*text, *(f"WRONG: {problem}" for problem in result["problems"])]


if __name__ == "__main__":
    sys.exit(main())
