"""A steady stream: 4,000 records come, and the clock runs until they are committed; script and streamjoin in turns."""

import statistics
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from pyspark.sql import SparkSession

from benchmarks.expectation import batch_problems, named
from benchmarks.our_way import OurWay, job_config
from benchmarks.summary.figures import TYPES, Found
from benchmarks.summary.sizes import Sizes
from benchmarks.todays_way import TodaysWay, today_session
from benchmarks.variants import Batch, Steady, Variant, Way, alternately, timed
from benchmarks.workload import Workload, fill

RECORDS = 4_000
ITEMS = 4
# Source: spark.apache.org/docs/3.5.6/sql-performance-tuning.html
SPARK_SHUFFLE_PARTITIONS = 200
TUNED, SCRIPT = "script", "script, 200 shuffle partitions"


def measure(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Measure steady batches with four reference items."""
    fill(ITEMS)
    rounds = range(sizes.warmup + sizes.rounds)
    slow = [*rounds[:1], *rounds[1:][-sizes.slow_rounds :]]
    ways: dict[str, Steady] = {}
    variants: list[Variant] = []

    def add(name: str, way: Way, given: Workload, taken: list[int], warmup: int) -> None:
        variants.append(Variant(name, taken, warmup))
        ways[name] = Steady(way, given.send, partial(given.check, way.base_path, len(taken)))

    for name, session in {TUNED: today_session(spark), SCRIPT: today_session(spark, SPARK_SHUFFLE_PARTITIONS)}.items():
        given = _workload(f"steady-{len(ways)}")
        taken, warmup = (slow, len(slow) - sizes.slow_rounds) if name == SCRIPT else ([*rounds], sizes.warmup)
        add(name, TodaysWay(session, given.stream_name, f"{directory}/steady-{len(ways)}"), given, taken, warmup)
    for kind in TYPES:
        given = _workload(f"steady-{len(ways)}")
        config = job_config(given.stream_name, f"{directory}/steady-{len(ways)}", kind)
        add(kind, OurWay(spark, config), given, [*rounds], sizes.warmup)
    problems = take_turns(variants, ways, RECORDS)
    seconds = {variant.name: statistics.median(variant.seconds) for variant in variants}
    return Found(
        values={
            f"{key} {kind}": seconds[script] / seconds[kind]
            for key, script in (("tuned", TUNED), ("script", SCRIPT))
            for kind in TYPES
        },
        problems=problems,
        details=details(variants),
    )


def take_turns(variants: list[Variant], ways: dict[str, Steady], records: int) -> list[str]:
    """Let each variant take its batches, a round after the other; return what is wrong with their tables."""

    def run_batch(variant: Variant) -> Batch:
        each = ways[variant.name]
        each.way.idle()
        each.send(len(variant.batches))
        return timed(each.way)

    try:
        alternately(variants, run_batch)
    finally:
        for each in ways.values():
            each.way.close()
    problems = []
    with ThreadPoolExecutor(2) as pool:
        checked = pool.map(lambda variant: ways[variant.name].check(), variants)
    for variant, (_, wrong) in zip(variants, checked, strict=True):
        counted = [batch.records for batch in variant.batches]
        problems += named(variant.name, [*batch_problems(counted, records), *wrong])
    return problems


def details(variants: list[Variant]) -> dict[str, object]:
    """Return seconds and steps of each variant, for the page."""
    return {"variants": {variant.name: variant.to_json() for variant in variants}}


def _workload(stream_name: str) -> Workload:
    given = Workload(stream_name, ITEMS, RECORDS)
    given.create_stream()
    return given
