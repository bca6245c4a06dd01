"""Batches with a large reference, beside the script, which scans all of it in every batch."""

import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from pyspark.sql import SparkSession

from benchmarks.our_way import OurWay, job_config
from benchmarks.summary.figures import Found
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.steady import RECORDS, details, take_turns
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Steady, Variant, Way
from benchmarks.workload import SCAN_SEGMENTS, Workload, fill_many
from streamjoin.aws.clients import aws_client

# The batches are the shortest, and don't grow with the table.
TABLE_TYPE = "MERGE_ON_READ"
# Of the script: each takes as long as a scan on the emulator.
SCRIPT_BATCHES_OF_MANY = 1
WARMUP = 1
# Reads of the reference go to other services than those of the stream: what they hold slows the emulator. An import
# looks for its objects where the table is.
_ENDPOINTS = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "AWS_ENDPOINT_URL_S3")


def table_name(items: int) -> str:
    """Return the name of the reference table with so many items."""
    return f"countries_{items}"


def fill_references(items: tuple[int, ...]) -> None:
    """Fill the reference tables."""
    for count in items:
        fill_many(count, table_name(count))


@contextmanager
def references_at(endpoint: str) -> Iterator[None]:
    """Turn this process towards the services that have the reference tables, for the length of a `with` block."""
    os.environ |= dict.fromkeys(_ENDPOINTS, endpoint)
    aws_client.cache_clear()
    try:
        yield
    finally:
        for name in _ENDPOINTS:
            del os.environ[name]
        aws_client.cache_clear()


@dataclass(frozen=True)
class Large:
    """A job with a large reference.

    Args:
        items: Of the reference.
        is_script: Whether it is the script.
        rounds: In which it takes a batch.
        warmup: How many of its batches don't count.
    """

    items: int
    is_script: bool
    rounds: Sequence[int]
    warmup: int

    @property
    def name(self) -> str:
        """As the page calls it."""
        return f"{'script' if self.is_script else 'streamjoin'}, {self.items:,} items"


def measure(spark: SparkSession, sizes: Sizes, directory: str, endpoint: str) -> Found:
    """Measure batches with both large references; `endpoint` is of the services that have them."""
    items = sizes.items, sizes.many_items
    seconds, found = measured(spark, plan(items, items, sizes.script_batches), directory, endpoint)
    found.values = {f"items {each}": seconds[each, True] / seconds[each, False] for each in items}
    return found


def plan(items: Sequence[int], script_of: Sequence[int], batches: int) -> list[Large]:
    """Return our job with each number of items, and the script with some: with many it takes one batch, the last."""
    rounds = range(WARMUP + batches)
    ours = [Large(each, False, rounds, WARMUP) for each in items]
    # Classes are loaded, and data frames made of items, by those with fewer.
    *fewer, many = script_of
    scripts = [Large(each, True, rounds, WARMUP) for each in fewer]
    return [*scripts, *ours, Large(many, True, rounds[len(rounds) - SCRIPT_BATCHES_OF_MANY :], 0)]


def measured(
    spark: SparkSession, jobs: Sequence[Large], directory: str, endpoint: str
) -> tuple[dict[tuple[int, bool], float], Found]:
    """Let jobs take batches in turns; return the median seconds by items and script, and what was found."""
    ways: dict[str, Steady] = {}
    with references_at(endpoint):
        for each in jobs:
            given = Workload(f"references-{len(ways)}", each.items, RECORDS, table_name(each.items), all_items=True)
            given.create_stream()
            base_path = f"{directory}/references-{len(ways)}"
            way: Way
            if each.is_script:
                way = TodaysWay(today_session(spark), given.stream_name, base_path, table_name=given.table_name)
            else:
                names = given.stream_name, base_path, TABLE_TYPE
                way = OurWay(spark, job_config(*names, table_name=given.table_name, scan_segments=SCAN_SEGMENTS))
                print(f"{each.name}: loaded in {way.load_seconds:.1f} s", file=sys.stderr)
            ways[each.name] = Steady(way, given.send, partial(given.check, base_path, len(each.rounds)))
        variants = [Variant(each.name, each.rounds, each.warmup) for each in jobs]
        problems = take_turns(variants, ways, RECORDS)
    seconds = {
        (each.items, each.is_script): statistics.median(variant.seconds)
        for each, variant in zip(jobs, variants, strict=True)
    }
    return seconds, Found(problems=problems, details=details(variants))
