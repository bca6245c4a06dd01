"""Steady micro-batches of `job: capture` beside those of the main job, in one process on one Spark, in turns.

Every table is checked row by row afterwards; a wrong one makes the run fail. See README.md beside this file.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import capture_way
import our_way
import pyarrow as pa
from arguments import count, positive
from capture_way import CaptureWay, Changes
from expectation import batch_problems, country_items, expected_rows, table_problems
from our_way import OurWay
from pyspark.sql import SparkSession
from report import commit, machine, median_steps, publish, summary, versions
from stopwatch import Stopwatch

from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream, create_table, put_items
from streamjoin.query import read_table
from streamjoin.spark.session import local_session

HERE = Path(__file__).resolve().parent
SHARDS = 4
REFERENCE_ITEMS = 4
TABLE_TYPES = ("COPY_ON_WRITE", "MERGE_ON_READ")
# What is claimed: with the default table type a batch of capture takes at most so many times one of the main job.
CLAIMED, MOST = "COPY_ON_WRITE", 1.3


class Way(Protocol):
    """A job that can be driven batch by batch."""

    base_path: str

    def idle(self) -> None:
        """Do what it does between two batches."""

    def run_batch(self, watch: Stopwatch) -> int:
        """Take what is in the stream to a commit; return how many records."""

    def close(self) -> None:
        """Let go of everything."""


@dataclass
class Variant:
    """One job, what it is sent, and what was measured of it."""

    name: str
    way: Way
    send: Callable[[int, int], None]
    check: Callable[[pa.Table, int], list[str]]
    watches: list[Stopwatch] = field(default_factory=list)
    counted: list[int | None] = field(default_factory=list)
    rows_checked: int = 0


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=positive, default=12, help="measured batches of each job (default: 12)")
    parser.add_argument("--warmup", type=count, default=4, help="batches before them that don't count (default: 4)")
    parser.add_argument("--records", type=positive, default=4_000, help="records of a batch (default: 4000)")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results" / "capture_batches.json")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, check, print, and write the JSON; return the exit code."""
    args = arguments(argv)
    before, head = machine(), commit()
    with tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory, LocalStack() as stack, stack.active():
        spark = local_session("streamjoin-bench", settings={"spark.sql.warehouse.dir": f"{directory}/warehouse"})
        try:
            result = measure(spark, args, directory)
            result = {"versions": {"streamjoin_commit": head, **versions(spark)}, "machine": before, **result}
        finally:
            spark.stop()
    return publish(result, args.output, lines(result))


def measure(spark: SparkSession, args: argparse.Namespace, directory: str) -> dict[str, Any]:
    """Run all jobs in turns, a batch each, so that the machine's noise hits them alike; check their tables."""
    dynamodb = aws_client("dynamodb")
    create_table(dynamodb, COUNTRY_REFERENCE.name, COUNTRY_REFERENCE.keys)
    put_items(dynamodb, COUNTRY_REFERENCE.name, country_items(REFERENCE_ITEMS))
    variants: list[Variant] = []
    try:
        for kind in TABLE_TYPES:
            variants += [enrich(spark, kind, directory), capture(spark, kind, directory)]
        for number in range(args.warmup + args.batches):
            for variant in variants:
                variant.way.idle()
                variant.send(number * args.records, args.records)
                watch = Stopwatch()
                variant.counted.append(variant.way.run_batch(watch))
                variant.watches.append(watch)
            took = ", ".join(f"{v.name} {v.watches[-1].seconds:.2f}" for v in variants)
            print(f"round {number + 1} of {args.warmup + args.batches}, seconds: {took}", file=sys.stderr)
    finally:
        for variant in variants:
            variant.way.close()
    problems = []
    for variant in variants:
        table = read_table(variant.way.base_path)
        variant.rows_checked = table.num_rows
        records = (args.warmup + args.batches) * args.records
        found = [*batch_problems(variant.counted, args.records), *variant.check(table, records)]
        problems += [f"{variant.name}: {problem}" for problem in found]
    return to_json(args, variants, problems)


def enrich(spark: SparkSession, table_type: str, directory: str) -> Variant:
    """Return the main job."""
    stream_name = f"orders-{table_type.lower()}"
    create_stream(aws_client("kinesis"), stream_name, SHARDS)

    def send(start: int, records: int) -> None:
        produce(aws_client("kinesis"), stream_name, islice(orders(start=start), records), record_key="uuid")

    def check(table: pa.Table, records: int) -> list[str]:
        return table_problems(table, expected_rows(records, country_items(REFERENCE_ITEMS)))

    settings = our_way.job_config(stream_name, f"{directory}/{stream_name}", table_type)
    return Variant(f"enrich, {table_type}", OurWay(spark, settings), send, check)


def capture(spark: SparkSession, table_type: str, directory: str) -> Variant:
    """Return the capture of a table of the same columns."""
    stream_name = f"changes-{table_type.lower()}"
    create_stream(aws_client("kinesis"), stream_name, SHARDS)
    changes = Changes()
    settings = capture_way.job_config(stream_name, f"{directory}/{stream_name}", table_type)
    return Variant(
        f"capture, {table_type}",
        CaptureWay(spark, settings),
        lambda start, records: capture_way.send(stream_name, changes.batch(records)),
        lambda table, records: item_problems(table, changes.items),
    )


def item_problems(table: pa.Table, items: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Compare a captured table with the items that are left, each with all its attributes."""
    names = list(next(iter(items.values())))
    rows = {row["uuid"]: row for row in table.select(names).to_pylist()}
    problems = []
    if table.num_rows != len(rows):
        problems.append(f"expected one row an item, found {table.num_rows:,} rows of {len(rows):,}")
    wrong = [uuid for uuid in rows.keys() | items.keys() if rows.get(uuid) != items.get(uuid)]
    if wrong:
        problems.append(
            f"{len(wrong):,} of {len(items):,} items differ from their rows, among them {sorted(wrong)[:3]}"
        )
    return problems


def to_json(args: argparse.Namespace, variants: Sequence[Variant], problems: list[str]) -> dict[str, Any]:
    """Return what was measured; warm-up batches are listed, and counted nowhere."""
    measured = {v.name: [watch.seconds for watch in v.watches[args.warmup :]] for v in variants}
    medians = {name: statistics.median(seconds) for name, seconds in measured.items()}
    ratios = {}
    for kind in TABLE_TYPES:
        pairs = zip(measured[f"capture, {kind}"], measured[f"enrich, {kind}"], strict=True)
        ratios[kind] = {
            "of_medians": round(medians[f"capture, {kind}"] / medians[f"enrich, {kind}"], 2),
            "median_by_round": round(statistics.median(c / e for c, e in pairs), 2),
        }
    claim = {
        "claim": f"{CLAIMED}: a batch of capture to one of enrich, ratio of medians",
        "at_most": MOST,
        "found": ratios[CLAIMED]["of_medians"],
        "holds": ratios[CLAIMED]["of_medians"] <= MOST,
    }
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {
            "batches": args.batches,
            "warmup_batches": args.warmup,
            "records_per_batch": args.records,
            "shards": SHARDS,
            "modified_share": capture_way.MODIFIED_SHARE,
            "removed_share": capture_way.REMOVED_SHARE,
        },
        "variants": {
            v.name: {
                **summary(measured[v.name]),
                "seconds": [round(each, 3) for each in measured[v.name]],
                "warmup_seconds": [round(watch.seconds, 3) for watch in v.watches[: args.warmup]],
                "steps_median_seconds": median_steps([watch.laps for watch in v.watches[args.warmup :]]),
                "rows_checked": v.rows_checked,
            }
            for v in variants
        },
        "capture_to_enrich": ratios,
        "claims": [claim],
        "problems": problems,
    }


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as a small table, the steps below it, what is claimed, and what was wrong."""
    table = [
        f"{name:<28}"
        + "".join(f"{v[f'{each}_seconds']:>8.2f}" for each in ("median", "p90", "min"))
        + f"{v['rows_checked']:>14,}"
        for name, v in result["variants"].items()
    ]
    steps = [
        f"{name}: " + ", ".join(f"{step} {seconds:.2f}" for step, seconds in v["steps_median_seconds"].items())
        for name, v in result["variants"].items()
    ]
    ratios = [
        f"{kind}: a batch of capture takes {found['of_medians']} x one of enrich (by round {found['median_by_round']})"
        for kind, found in result["capture_to_enrich"].items()
    ]
    claims = [
        f"{'holds' if c['holds'] else 'FAILS'}  {c['claim']}: {c['found']}, claimed at most {c['at_most']}"
        for c in result["claims"]
    ]
    verdict = [f"WRONG: {problem}" for problem in result["problems"]] or ["all rows as expected"]
    head = f"{'seconds a batch':<28}{'median':>8}{'p90':>8}{'min':>8}{'rows checked':>14}"
    return ["", head, *table, "", "median seconds by step", *steps, "", *ratios, *claims, "", *verdict]


if __name__ == "__main__":
    sys.exit(main())
