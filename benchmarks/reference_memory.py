"""How much memory one job with a large reference takes: after loading it, after batches, and at the worst moments.

Runs in a process of its own, which holds nothing but the job: neither the items that were put, nor other variants.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from micro_batches import SHARDS
from our_way import OurWay
from own_process import spark_for
from process_memory import memory_of
from reference_cost import configured
from report import versions
from request_meter import RequestMeter
from stopwatch import Stopwatch
from workload import Workload, enable_stream

from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import create_stream, put_items

# Beyond 10,000 changes all rows are shipped to Spark anew, beside those that a batch may still use.
MANY_CHANGES = 10_001


@dataclass(frozen=True)
class Stage:
    """The memory at one moment.

    Args:
        name: What had been done.
        memory: As `memory_of` gives it.
        items_read: What was read of the table since the stage before.
    """

    name: str
    memory: Mapping[str, Any]
    items_read: int


def workload(stream_name: str, table_name: str, items: int, records: int, batches: int) -> Workload:
    """Return the batches of this part: each with one change, then one with many, then one after the stream was lost."""
    changes = (*([1] * batches), min(MANY_CHANGES, items), 0)
    return Workload(stream_name, table_name, items, records, all_items=True, changes=changes)


def measure(given: Workload, base_path: str, directory: str) -> tuple[list[Stage], dict[str, str]]:
    """Run the job through its stages; return the memory at the end of each, and the versions that it ran on."""
    meter = RequestMeter()
    meter.watch()
    dynamodb = aws_client("dynamodb")
    stages: list[Stage] = []

    def note(name: str) -> None:
        stages.append(Stage(name, memory_of(os.getpid()), meter.take().items))
        memory = stages[-1].memory
        print(
            f"memory, {name}: driver {memory['driver_rss_bytes'] / 1e6:,.0f} MB, "
            f"peak {memory['driver_peak_rss_bytes'] / 1e6:,.0f} MB",
            file=sys.stderr,
        )

    create_stream(aws_client("kinesis"), given.stream_name, SHARDS)
    with spark_for(directory) as spark:
        spark.range(1).count()
        note("Spark started")
        way = OurWay(spark, configured(given, base_path))
        try:
            note("reference loaded")
            *steady, many, lost = range(len(given.changes))
            for number in steady:
                _run_batch(way, given, number)
            note(f"{len(steady)} batches")
            _run_batch(way, given, many)
            note(f"a batch after {given.changes[many]:,} changes")
            dynamodb.update_table(TableName=given.table_name, StreamSpecification={"StreamEnabled": False})
            enable_stream(dynamodb, given.table_name)
            _run_batch(way, given, lost)
            note("a batch after the stream was lost")
            return stages, versions(spark)
        finally:
            way.close()


def _run_batch(way: OurWay, given: Workload, number: int) -> None:
    way.idle()
    produce(aws_client("kinesis"), given.stream_name, given.events(number), record_key="uuid")
    put_items(aws_client("dynamodb"), given.table_name, given.changed(number))
    way.run_batch(Stopwatch())
