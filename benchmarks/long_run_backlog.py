"""A backlog of many times the limit of a batch, drained batch by batch: memory must follow the limit, not the backlog.

Runs in a process of its own, which holds nothing but the job: the records were put into the stream by another.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from long_run_growth import heap_bytes
from our_way import OurWay, job_config
from own_process import spark_for
from process_memory import memory_of
from report import versions
from stopwatch import Stopwatch


@dataclass(frozen=True)
class Backlog:
    """What lies in the stream before the job starts.

    Args:
        stream_name: The stream.
        records: Orders in it.
        limit: Records of a batch at most.
    """

    stream_name: str
    records: int
    limit: int


@dataclass(frozen=True)
class Drained:
    """The process after one batch.

    Args:
        records: Of the batch.
        seconds: It took.
        memory: As `memory_of` gives it.
        heap_bytes: What the JVM's objects take, after a collection.
    """

    records: int
    seconds: float
    memory: Mapping[str, Any]
    heap_bytes: int


def measure(given: Backlog, base_path: str, directory: str) -> tuple[list[Drained], dict[str, str]]:
    """Drain the backlog; return what each batch left, and the versions that it ran on.

    Ends early when a batch has nothing: then records are missing, which the table shows.
    """
    config = job_config(given.stream_name, base_path, "MERGE_ON_READ")
    config["limits"] = {"max_records_per_batch": given.limit}
    found: list[Drained] = []
    with spark_for(directory) as spark:
        way = OurWay(spark, config)
        try:
            while sum(batch.records for batch in found) < given.records:
                watch = Stopwatch()
                records = way.run_batch(watch)
                memory = memory_of(os.getpid())
                found.append(Drained(records, watch.seconds, memory, heap_bytes(spark)))
                print(
                    f"backlog, batch {len(found)}: {records:,} records in {watch.seconds:.2f} s, "
                    f"driver {memory['driver_rss_bytes'] / 1e6:,.0f} MB, JVM {memory['jvm_rss_bytes'] / 1e6:,.0f} MB",
                    file=sys.stderr,
                )
                if not records:
                    break
        finally:
            way.close()
        return found, versions(spark)
