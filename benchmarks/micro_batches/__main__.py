"""Steady micro-batches: today's way beside `streamjoin run`, in one process on one Spark, alternately.

Every table is checked row by row afterwards; a wrong one makes the run fail. See benchmarks/README.md.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pyspark.sql import SparkSession

from benchmarks import page
from benchmarks.arguments import RESULTS, TABLE_TYPES, Arguments
from benchmarks.our_way import OurWay, job_config
from benchmarks.own_process import spark_for
from benchmarks.run import Result, run
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Steady, Variant, Way, measure_steady
from benchmarks.workload import SHARDS, Workload, fill

# Source: spark.apache.org/docs/3.5.6/sql-performance-tuning.html
SPARK_SHUFFLE_PARTITIONS = 200
# The script as it stands, on Spark's and Hudi's defaults; and in a session as tuned as ours: a shuffle has as many
# partitions as there are cores, not 200. Ratios are to both.
TODAY, TUNED = "today", "today, tuned session"
TODAY_FORMS: dict[str, dict[str, Any]] = {
    TODAY: {},
    TUNED: {},
    f"{TUNED}, no count()": {"counts": False},
    f"{TUNED}, MERGE_ON_READ": {"table_type": "MERGE_ON_READ"},
}


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "micro_batches.json")
    parser.number("--batches", None, "measured batches of each variant (default: 12)", "batches")
    parser.number("--warmup", None, "batches before them that don't count (default: 4)", "warmup_batches", least=0)
    parser.number("--records", None, "records of a batch (default: 4000)", "records_per_batch")
    parser.number("--reference-items", 4, "items of the country table", "reference_items")
    parser.some_of("--table-type", TABLE_TYPES, "table type")
    more = "also today's script without its count(), and on MERGE_ON_READ"
    parser.add_argument("--more-of-today", action="store_true", help=more)
    large = "3 batches of 100,000 records, after 2 that don't count, to large_batches.json"
    parser.add_argument("--large", action="store_true", help=large)
    defaults: dict[str, Any] = {"batches": 12, "warmup": 4, "records": 4_000}
    if parser.parse_args(argv).large:
        defaults = {"batches": 3, "warmup": 2, "records": 100_000, "output": RESULTS / "large_batches.json"}
    parser.set_defaults(**defaults)
    return parser.parsed(argv, shards=SHARDS)


def measure(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Run all variants, a batch each; check their tables."""
    fill(args.reference_items)
    found: dict[str, Steady] = {}

    def add(name: str, build: Callable[[str, str], Way]) -> None:
        given = Workload(f"orders-{len(found)}", args.reference_items, args.records)
        given.create_stream()
        way = build(given.stream_name, f"{directory}/table-{len(found)}")
        found[name] = Steady(way, given.send, partial(given.check, way.base_path, args.warmup + args.batches))

    with spark_for(directory, result) as spark:
        for name, form in TODAY_FORMS.items():
            if args.more_of_today or name in (TODAY, TUNED):
                session = today_session(spark, SPARK_SHUFFLE_PARTITIONS if name == TODAY else None)
                add(name, partial(TodaysWay, session, **form))
        for kind in args.table_type:
            add(f"streamjoin, {kind}", partial(ours, spark, kind))
        variants = measure_steady(args, found, result)
    result["ratio_of_medians"] = ratios_to_today(variants.values())


def ours(spark: SparkSession, table_type: str, stream_name: str, base_path: str) -> OurWay:
    """Return our job for a stream and a base path."""
    return OurWay(spark, job_config(stream_name, base_path, table_type))


def ratios_to_today(variants: Iterable[Variant]) -> dict[str, dict[str, float]]:
    """Return how many times as long a batch of today's takes, of medians.

    Of the times as measured: a variant that did nothing took less than a rounded number can say.
    """
    medians = {variant.name: statistics.median(variant.seconds) for variant in variants}
    return {
        name: {f"to {slower}": round(medians[slower] / median, 2) for slower in medians if slower in TODAY_FORMS}
        for name, median in medians.items()
        if name not in TODAY_FORMS
    }


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text."""
    ratios = [
        f"{name}: {ratio:.1f} x as fast as {to.removeprefix('to ')}"
        for name, found in result["ratio_of_medians"].items()
        for to, ratio in found.items()
    ]
    variants = result["variants"]
    return [*page.table("seconds a batch", variants, page.SECONDS), "", *ratios, *page.by_step(variants)]


if __name__ == "__main__":
    sys.exit(run(arguments(), measure, lines))
