"""What a batch costs with a small and a large reference, without a change and with one, beside a scan a batch.

Runs in a process of its own; the tables that it leaves are checked by the process that started it.
"""

import gc
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from micro_batches import SHARDS, today_session
from our_way import OurWay, job_config
from own_process import spark_for
from pyspark.sql import SparkSession
from report import versions
from request_meter import Reads, RequestMeter
from stopwatch import Stopwatch
from todays_way import TodaysWay
from workload import SCAN_SEGMENTS, Workload

from streamjoin.aws.clients import aws_client
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import create_stream, put_items

# Its batches are the shortest and don't grow with the table, so that whatever a reference costs weighs the most.
TABLE_TYPE = "MERGE_ON_READ"


@dataclass(frozen=True)
class Plan:
    """One variant, before it runs.

    Args:
        name: As the report calls it.
        workload: What it is given.
        base_path: Where its table goes.
        rounds: The rounds that it takes part in, ascending.
        warmup: How many of its batches don't count.
        is_today: Whether it is today's way, not ours.
    """

    name: str
    workload: Workload
    base_path: str
    rounds: Sequence[int]
    warmup: int
    is_today: bool = False


@dataclass(frozen=True)
class BatchMeasured:
    """One batch.

    Args:
        seconds: From all records being in the stream to the commit.
        steps: Where they went.
        records: How many records it had.
        reads: What was read of the reference table and its stream, by the service's answers.
        reported_read_units: What the job itself says that it consumed; None for today's way.
        gc_seconds: How long Python's collector took, which looks at the items of all variants.
    """

    seconds: float
    steps: Mapping[str, float]
    records: int | None
    reads: Reads
    reported_read_units: float | None
    gc_seconds: float


@dataclass
class Measured:
    """A variant that has run.

    Args:
        plan: The variant.
        batches: Its batches, in order, with those that don't count.
        load_seconds: How long reading the reference took; None for today's way.
        load_reads: What that read.
        load_reported_read_units: What the job itself says that it consumed.
    """

    plan: Plan
    batches: list[BatchMeasured] = field(default_factory=list)
    load_seconds: float | None = None
    load_reads: Reads = field(default_factory=Reads)
    load_reported_read_units: float | None = None


def measure(plans: Sequence[Plan], directory: str) -> tuple[list[Measured], dict[str, str]]:
    """Run the variants in turns, a batch each; return what was measured, and the versions that it ran on."""
    meter = RequestMeter()
    meter.watch()
    with spark_for(directory) as spark:
        runs: list[tuple[OurWay | TodaysWay, Measured]] = []
        try:
            for plan in plans:
                create_stream(aws_client("kinesis"), plan.workload.stream_name, SHARDS)
                runs.append(_start(spark, plan, meter))
            for number in range(1 + max(plan.rounds[-1] for plan in plans)):
                for way, measured in in_turn(runs, number):
                    if number in measured.plan.rounds:
                        measured.batches.append(_run_batch(way, measured, meter))
                _tell(number, [measured for _, measured in runs])
        finally:
            for way, _ in runs:
                way.close()
        return [measured for _, measured in runs], versions(spark)


def configured(workload: Workload, base_path: str) -> dict[str, Any]:
    """Return the configuration of our job with a large reference."""
    return job_config(
        workload.stream_name, base_path, TABLE_TYPE, table_name=workload.table_name, scan_segments=SCAN_SEGMENTS
    )


def in_turn(runs: Sequence[Any], number: int) -> list[Any]:
    """Return the order of a round: the first, with which others are compared, takes each place in turn.

    The others keep their order: a worker keeps the rows of the last references that it had, and would read some of them
    again if one came twice in a row. A job has its own references alone.
    """
    first, *others = runs
    place = number % (len(others) + 1)
    return [*others[:place], first, *others[place:]]


def _start(spark: SparkSession, plan: Plan, meter: RequestMeter) -> tuple[OurWay | TodaysWay, Measured]:
    workload = plan.workload
    if plan.is_today:
        session = today_session(spark, int(spark.conf.get("spark.sql.shuffle.partitions") or 2))
        today = TodaysWay(session, workload.stream_name, plan.base_path, table_name=workload.table_name)
        return today, Measured(plan)
    meter.take()
    ours = OurWay(spark, configured(workload, plan.base_path))
    measured = Measured(plan, [], ours.load_seconds, meter.take(), ours.load_read_units)
    print(f"{plan.name}: loaded in {ours.load_seconds:.1f} s", file=sys.stderr)
    return ours, measured


def _run_batch(way: OurWay | TodaysWay, measured: Measured, meter: RequestMeter) -> BatchMeasured:
    """Put the batch's records into the stream, change what is to change, then time it from there to its commit."""
    workload, number = measured.plan.workload, len(measured.batches)
    way.idle()
    produce(aws_client("kinesis"), workload.stream_name, workload.events(number), record_key="uuid")
    put_items(aws_client("dynamodb"), workload.table_name, workload.changed(number))
    meter.take()
    with collecting() as gc_seconds:
        watch = Stopwatch()
        records = way.run_batch(watch)
    report = way.last_report if isinstance(way, OurWay) else None
    return BatchMeasured(
        seconds=watch.seconds,
        steps=watch.laps,
        records=records,
        reads=meter.take(),
        reported_read_units=None if report is None else sum(r["read_units"] for r in report.references.values()),
        gc_seconds=sum(gc_seconds),
    )


@contextmanager
def collecting() -> Iterator[list[float]]:
    """Give a list that gets the seconds of every run of Python's collector within the `with` block."""
    found: list[float] = []
    started = 0.0

    def note(phase: str, _: dict[str, int]) -> None:
        nonlocal started
        if phase == "start":
            started = time.perf_counter()
        else:
            found.append(time.perf_counter() - started)

    gc.callbacks.append(note)
    try:
        yield found
    finally:
        gc.callbacks.remove(note)


def _tell(number: int, found: Sequence[Measured]) -> None:
    took = ", ".join(f"{m.plan.name} {m.batches[-1].seconds:.2f}" for m in found if number in m.plan.rounds)
    print(f"round {number + 1}, seconds: {took}", file=sys.stderr)
