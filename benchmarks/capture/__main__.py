"""Steady micro-batches of `job: capture` beside those of the main job, in one process on one Spark, alternately.

Every table is checked row by row afterwards; a wrong one makes the run fail. See benchmarks/README.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks import our_way, page
from benchmarks.arguments import TABLE_TYPES, Arguments
from benchmarks.capture.way import MODIFIED_SHARE, REMOVED_SHARE, Changes, capture_way, job_config
from benchmarks.our_way import OurWay
from benchmarks.own_process import spark_for
from benchmarks.run import Result, run
from benchmarks.variants import Steady, measure_steady, ratio
from benchmarks.workload import SHARDS, Workload, fill

REFERENCE_ITEMS = 4
# What is claimed: with the default table type a batch of capture takes at most so many times one of the main job.
CLAIMED, MOST = "COPY_ON_WRITE", 1.3


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "capture_batches.json")
    parser.number("--batches", 12, "measured batches of each job", "batches")
    parser.number("--warmup", 4, "batches before them that don't count", "warmup_batches", least=0)
    parser.number("--records", 4_000, "records of a batch", "records_per_batch")
    return parser.parsed(argv, shards=SHARDS, modified_share=MODIFIED_SHARE, removed_share=REMOVED_SHARE)


def measure(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Run both jobs with each type of table, a batch each; check their tables."""
    fill(REFERENCE_ITEMS)
    found: dict[str, Steady] = {}
    with spark_for(directory, result) as spark:
        for kind in TABLE_TYPES:
            given = Workload(f"orders-{kind.lower()}", REFERENCE_ITEMS, args.records)
            given.create_stream()
            enrich = OurWay(spark, our_way.job_config(given.stream_name, f"{directory}/enrich-{kind}", kind))
            check = partial(given.check, enrich.base_path, args.warmup + args.batches)
            found[f"enrich, {kind}"] = Steady(enrich, given.send, check)
            changes = Changes(f"changes-{kind.lower()}", args.records)
            changes.create_stream()
            capture = capture_way(spark, job_config(changes.stream_name, f"{directory}/capture-{kind}", kind))
            found[f"capture, {kind}"] = Steady(capture, changes.send, partial(changes.check, capture.base_path))
        variants = measure_steady(args, found, result)
    result["capture_to_enrich"] = {
        kind: ratio(variants[f"capture, {kind}"], variants[f"enrich, {kind}"]) for kind in TABLE_TYPES
    }


def claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bound beside what was found."""
    what = f"{CLAIMED}: a batch of capture to one of enrich, ratio of medians"
    return [page.at_most(what, MOST, result["capture_to_enrich"][CLAIMED]["of_medians"])]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text."""
    ratios = page.ratios("a batch of capture, in terms of one of enrich", result["capture_to_enrich"])
    variants = result["variants"]
    return [*page.table("seconds a batch", variants, page.SECONDS), *page.by_step(variants), *ratios]


if __name__ == "__main__":
    sys.exit(run(arguments(), measure, lines, claims))
