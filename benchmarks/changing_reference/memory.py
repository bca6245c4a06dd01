"""How much memory one job with a large reference takes: after loading it, after batches, and at the worst moments.

Runs in a process of its own, which holds nothing but the job: neither the items that were put, nor other variants.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.changing_reference.cost import MANY_TABLE, configured
from benchmarks.our_way import OurWay
from benchmarks.process_memory import memory_of
from benchmarks.request_meter import RequestMeter
from benchmarks.variants import timed
from benchmarks.workload import Workload, new_stream

MOST_DRIVER_BYTES = 1_500_000_000
# Beyond 10,000 changes all rows are shipped to Spark again, beside those that a batch may still use.
MANY_CHANGES = 10_001


def workload(items: int, records: int, batches: int) -> Workload:
    """Return the batches of this part: each with one change, then one with many, then one after the stream was lost."""
    changes = (*([1] * batches), min(MANY_CHANGES, items), 0)
    return Workload("orders-memory", items, records, MANY_TABLE, all_items=True, changes=changes)


def measure(spark: SparkSession, given: Workload, base_path: str) -> list[dict[str, Any]]:
    """Run the job through its stages; return the memory and what was read of the table at the end of each."""
    meter = RequestMeter()
    meter.watch()
    stages: list[dict[str, Any]] = []

    def note(name: str) -> None:
        stages.append({"after": name, **memory_of(), "items_read": meter.take().items})
        print(f"memory, {name}: driver {stages[-1]['driver_rss_bytes'] / 1e6:,.0f} MB", file=sys.stderr)

    def run_batch(number: int) -> None:
        way.idle()
        given.send(number)
        timed(way)

    given.create_stream()
    spark.range(1).count()
    note("Spark started")
    way = OurWay(spark, configured(given, base_path))
    try:
        note("reference loaded")
        *steady, many, lost = range(len(given.changes))
        for number in steady:
            run_batch(number)
        note(f"{len(steady)} batches")
        run_batch(many)
        note(f"a batch after {given.changes[many]:,} changes")
        new_stream(given.table_name)
        run_batch(lost)
        note("a batch after the stream was lost")
    finally:
        way.close()
    return stages


def problems(stages: Sequence[Mapping[str, Any]], items: int) -> list[str]:
    """Return what the job did that it must not do; of its stages, two read the whole table."""
    read = [0] * len(stages)
    read[1] = read[-1] = items
    found = [
        f"after '{stage['after']}': expected {expected:,} items read, found {stage['items_read']:,}"
        for stage, expected in zip(stages, read, strict=True)
        if stage["items_read"] != expected
    ]
    peak = stages[-1]["driver_peak_rss_bytes"]
    if peak >= MOST_DRIVER_BYTES:
        found.append(f"expected less than {MOST_DRIVER_BYTES:,} bytes in the driver, found a peak of {peak:,}")
    return found
