"""A backlog of many times the limit of a batch, drained batch by batch: memory must follow the limit, not the backlog.

Runs in a process of its own, which holds nothing but the job: the records were put into the stream by another.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.long_run.growth import heap_bytes
from benchmarks.our_way import OurWay, job_config
from benchmarks.process_memory import memory_of
from benchmarks.variants import timed
from benchmarks.workload import SHARDS, Workload


def measure(spark: SparkSession, given: Workload, limit: int, base_path: str) -> list[dict[str, Any]]:
    """Drain the backlog; return each batch, and the memory that the process had after it.

    Ends early when a batch has nothing: then records are missing, which the table shows.
    """
    config = job_config(given.stream_name, base_path, "MERGE_ON_READ") | {"limits": {"max_records_per_batch": limit}}
    found: list[dict[str, Any]] = []
    way = OurWay(spark, config)
    try:
        while sum(batch["records"] for batch in found) < given.records and (not found or found[-1]["records"]):
            batch = timed(way)
            measured = {"records": batch.records, "seconds": round(batch.seconds, 3)}
            found.append({**measured, **memory_of(), "jvm_heap_bytes": heap_bytes(spark)})
            print(f"backlog, batch {len(found)}: {measured}", file=sys.stderr)
    finally:
        way.close()
    return found


def problems(records: int, limit: int, batches: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which batches had more than the limit, and whether all of the backlog was read."""
    # Each shard may give one record beyond its share, so that none gets stuck.
    most, read = limit + SHARDS, sum(batch["records"] for batch in batches)
    found = [
        f"batch {number}: expected {most:,} records at most, found {batch['records']:,}"
        for number, batch in enumerate(batches, start=1)
        if batch["records"] > most
    ]
    return found if read == records else [*found, f"expected {records:,} records read, found {read:,}"]
