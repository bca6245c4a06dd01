"""Steady micro-batches: today's way beside `streamjoin run`, in one process on one Spark, in turns.

Every table is checked row by row afterwards; a wrong one makes the run fail. See README.md beside this file.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from arguments import count, positive, some_of
from expectation import batch_problems, country_items, expected_rows, table_problems
from our_way import OurWay, job_config
from pyspark.sql import SparkSession
from report import commit, machine, median_steps, publish, summary, versions
from stopwatch import Stopwatch
from todays_way import TodaysWay

from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.orders import COUNTRY_REFERENCE, orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream, create_table, put_items
from streamjoin.query import read_table
from streamjoin.spark.session import local_session

HERE = Path(__file__).resolve().parent
SHARDS = 4
# Source: spark.apache.org/docs/3.5.6/sql-performance-tuning.html
SPARK_SHUFFLE_PARTITIONS = 200
TABLE_TYPES = ("COPY_ON_WRITE", "MERGE_ON_READ")
# The script as it stands, on Spark's and Hudi's defaults; and in a session as tuned as ours: a shuffle has as many
# partitions as there are cores, not 200. Ratios are to both.
TODAY, TUNED = "today", "today, tuned session"
TODAY_FORMS: dict[str, dict[str, Any]] = {
    TODAY: {},
    TUNED: {},
    f"{TUNED}, no count()": {"counts": False},
    f"{TUNED}, MERGE_ON_READ": {"table_type": "MERGE_ON_READ"},
}


class Way(Protocol):
    """A job that can be driven batch by batch."""

    base_path: str

    def idle(self) -> None:
        """Do what it does between two batches."""

    def run_batch(self, watch: Stopwatch) -> int | None:
        """Take what is in the stream to a commit; return how many records, where it knows."""

    def close(self) -> None:
        """Let go of everything."""


@dataclass
class Variant:
    """One way of doing the job, its stream, and what was measured of it."""

    name: str
    stream_name: str
    way: Way
    watches: list[Stopwatch] = field(default_factory=list)
    counted: list[int | None] = field(default_factory=list)
    rows_checked: int = 0


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=positive, help="measured batches of each variant (default: 12)")
    parser.add_argument("--warmup", type=count, help="batches before them that don't count (default: 4)")
    parser.add_argument("--records", type=positive, help="records of a batch (default: 4000)")
    parser.add_argument("--reference-items", type=positive, default=4, help="items of the country table (default: 4)")
    parser.add_argument(
        "--table-type",
        type=some_of(TABLE_TYPES, "table type"),
        default=list(TABLE_TYPES),
        help="of ours: one, or two with a comma between",
    )
    parser.add_argument(
        "--more-of-today", action="store_true", help="also today's script without its count(), and on MERGE_ON_READ"
    )
    parser.add_argument("--large", action="store_true", help="3 batches of 100,000 records, after 2 that don't count")
    parser.add_argument("-o", "--output", type=Path, help="the JSON file (default: in benchmarks/results)")
    args = parser.parse_args(argv)
    batches, warmup, records = (3, 2, 100_000) if args.large else (12, 4, 4_000)
    args.batches = args.batches or batches
    args.warmup = warmup if args.warmup is None else args.warmup
    args.records = args.records or records
    args.output = args.output or HERE / "results" / ("large_batches.json" if args.large else "micro_batches.json")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, check, print, and write the JSON; return the exit code."""
    args = arguments(argv)
    # Both before anything is measured: a checkout may move on meanwhile.
    before, head = machine(), commit()
    with tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory, LocalStack() as stack, stack.active():
        spark = local_session(
            "streamjoin-bench",
            settings={
                "spark.sql.warehouse.dir": f"{directory}/warehouse",
                # Workers import today's script by its name, so that its client is made once a worker.
                "spark.executorEnv.PYTHONPATH": str(HERE),
            },
        )
        try:
            result = measure(spark, args, directory)
            result = {"versions": {"streamjoin_commit": head, **versions(spark)}, "machine": before, **result}
        finally:
            spark.stop()
    return publish(result, args.output, lines(result))


def measure(spark: SparkSession, args: argparse.Namespace, directory: str) -> dict[str, Any]:
    """Run all variants in turns, a batch each, so that the machine's noise hits them alike; check their tables."""
    items = country_items(args.reference_items)
    dynamodb = aws_client("dynamodb")
    create_table(dynamodb, COUNTRY_REFERENCE.name, COUNTRY_REFERENCE.keys)
    put_items(dynamodb, COUNTRY_REFERENCE.name, items)
    variants: list[Variant] = []
    try:
        for name, build in builders(spark, args).items():
            # A stream each: the emulator slows with the number of records that a stream holds.
            stream_name = f"orders-{len(variants)}"
            create_stream(aws_client("kinesis"), stream_name, SHARDS)
            variants.append(Variant(name, stream_name, build(stream_name, f"{directory}/table-{len(variants)}")))
        rounds = args.warmup + args.batches
        for number in range(rounds):
            for variant in variants:
                run_batch(variant, number * args.records, args.records)
            took = ", ".join(f"{v.name} {v.watches[-1].seconds:.2f}" for v in variants)
            print(f"round {number + 1} of {rounds}, seconds: {took}", file=sys.stderr)
    finally:
        for variant in variants:
            variant.way.close()
    expected = expected_rows(rounds * args.records, items)
    problems = []
    for variant in variants:
        table = read_table(variant.way.base_path, columns=["uuid", "combinedname"])
        variant.rows_checked = table.num_rows
        found = [*batch_problems(variant.counted, args.records), *table_problems(table, expected)]
        problems += [f"{variant.name}: {problem}" for problem in found]
    return to_json(args, variants, problems)


def builders(spark: SparkSession, args: argparse.Namespace) -> dict[str, Callable[[str, str], Way]]:
    """Return, by the variant's name, what makes it for a stream and a base path."""
    sessions = {TODAY: today_session(spark, SPARK_SHUFFLE_PARTITIONS)}
    tuned = today_session(spark, int(spark.conf.get("spark.sql.shuffle.partitions") or 2))
    forms = TODAY_FORMS if args.more_of_today else {name: TODAY_FORMS[name] for name in (TODAY, TUNED)}
    found: dict[str, Callable[[str, str], Way]] = {
        name: lambda stream, path, name=name, form=form: TodaysWay(sessions.get(name, tuned), stream, path, **form)
        for name, form in forms.items()
    }
    for kind in args.table_type:
        found[f"streamjoin, {kind}"] = lambda stream, path, kind=kind: OurWay(spark, job_config(stream, path, kind))
    return found


def today_session(spark: SparkSession, shuffle_partitions: int) -> SparkSession:
    """Return a session for today's script on the same Spark, adaptive as Spark has it by default."""
    session = spark.newSession()
    session.conf.set("spark.sql.adaptive.enabled", "true")
    session.conf.set("spark.sql.shuffle.partitions", str(shuffle_partitions))
    return session


def run_batch(variant: Variant, start: int, records: int) -> None:
    """Put the batch's records into the variant's stream, then time it from there to its commit."""
    variant.way.idle()
    produce(aws_client("kinesis"), variant.stream_name, islice(orders(start=start), records), record_key="uuid")
    watch = Stopwatch()
    variant.counted.append(variant.way.run_batch(watch))
    variant.watches.append(watch)


def to_json(args: argparse.Namespace, variants: Sequence[Variant], problems: list[str]) -> dict[str, Any]:
    """Return what was measured; warm-up batches are listed, and counted nowhere."""
    measured = {v.name: v.watches[args.warmup :] for v in variants}
    found = {
        v.name: {
            **summary([watch.seconds for watch in measured[v.name]]),
            "seconds": [round(watch.seconds, 3) for watch in measured[v.name]],
            "warmup_seconds": [round(watch.seconds, 3) for watch in v.watches[: args.warmup]],
            "steps_median_seconds": median_steps([watch.laps for watch in measured[v.name]]),
            "rows_checked": v.rows_checked,
        }
        for v in variants
    }
    # Of the times as measured: a variant that did nothing took less than a rounded number can say.
    medians = {name: statistics.median(watch.seconds for watch in watches) for name, watches in measured.items()}
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {
            "batches": args.batches,
            "warmup_batches": args.warmup,
            "records_per_batch": args.records,
            "reference_items": args.reference_items,
            "shards": SHARDS,
        },
        "variants": found,
        "ratio_of_medians": {
            name: {
                f"to {slower}": round(medians[slower] / medians[name], 2) for slower in found if slower in TODAY_FORMS
            }
            for name in found
            if name not in TODAY_FORMS
        },
        "problems": problems,
    }


def lines(result: dict[str, Any]) -> list[str]:
    """Return the result as a small table, our steps below it, and what was wrong."""
    head = f"{'seconds a batch':<36}{'median':>8}{'p90':>8}{'min':>8}{'rows checked':>14}"
    table = [
        f"{name:<36}{v['median_seconds']:>8.2f}{v['p90_seconds']:>8.2f}{v['min_seconds']:>8.2f}{v['rows_checked']:>14,}"
        for name, v in result["variants"].items()
    ]
    ratios = [
        f"{name}: {ratio:.1f} x as fast as {to.removeprefix('to ')}"
        for name, found in result["ratio_of_medians"].items()
        for to, ratio in found.items()
    ]
    steps = [
        f"{name}: " + ", ".join(f"{step} {seconds:.2f}" for step, seconds in v["steps_median_seconds"].items())
        for name, v in result["variants"].items()
    ]
    verdict = [f"WRONG: {problem}" for problem in result["problems"]] or ["all rows as expected"]
    return ["", head, *table, "", *ratios, "", "median seconds by step", *steps, "", *verdict]


if __name__ == "__main__":
    sys.exit(main())
