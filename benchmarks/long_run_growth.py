"""A table of many commits beside fresh ones: how long a batch takes, and what files and memory it has come to.

Runs in a process of its own, in which the old table grows as it would in a job. When it has all its commits, the fresh
ones are made, and then each takes a batch in turn: a busy machine hits them alike, and so does the process' age.
"""

import gc
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from long_run_cpu import cpu_seconds
from long_run_updates import SHARDS, Updates
from our_way import STEPS, OurWay, job_config
from own_process import spark_for
from process_memory import memory_of
from pyspark.sql import SparkSession
from report import versions
from stopwatch import Stopwatch

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import process_batch
from streamjoin.history import checkpoint
from streamjoin.local.tables import create_stream

OLD, FRESH, AGAIN = "old", "fresh", "fresh, again"
_POSITION_READS = 5


@dataclass(frozen=True)
class Plan:
    """How one type of table is measured.

    Args:
        updates: What all tables are given.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
        base_path: Where the tables lie, each with its name behind it.
        commits: Batches of the old table.
        fresh_commits: Batches of a fresh one.
        rounds: Then so many of each, in turn.
        sample_every: Files and memory are looked at after so many commits.
        options: Options of Hudi, instead of the defaults.
    """

    updates: Updates
    table_type: str
    base_path: str
    commits: int
    fresh_commits: int
    rounds: int
    sample_every: int
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """What the old table and its process had come to.

    Args:
        commits: Batches that the table had.
        memory: As `memory_of` gives it.
        heap_bytes: What the JVM's objects take, after a collection.
        files: As `files_of` gives it.
    """

    commits: int
    memory: Mapping[str, Any]
    heap_bytes: int
    files: Mapping[str, int]


@dataclass
class Grown:
    """One table, and the batches that it was given.

    Args:
        base_path: Where it lies.
        seconds: Of each batch.
        cpu_seconds: What driver, JVM and Python workers computed for each batch.
        steps: Seconds by step, of each batch of the rounds.
        counted: Records that each batch counted.
        position_seconds: How long it takes to find where a job goes on.
        files: As `files_of` gives it, at the end.
    """

    base_path: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    steps: list[Mapping[str, float]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    position_seconds: float = 0.0
    files: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Growth:
    """What was measured of one type of table.

    Args:
        plan: How.
        tables: The old one and the fresh ones, by name; the batches of the rounds are their last.
        samples: Of the old one while it grew.
    """

    plan: Plan
    tables: Mapping[str, Grown]
    samples: list[Sample]


def measure(plan: Plan, directory: str) -> tuple[Growth, dict[str, str]]:
    """Let the old table grow, then compare it with fresh ones; return that, and the versions it ran on."""
    create_stream(aws_client("kinesis"), plan.updates.stream_name, SHARDS)
    with spark_for(directory) as spark:
        ways: dict[str, OurWay] = {}
        tables: dict[str, Grown] = {}
        samples = []

        def add(name: str) -> None:
            base_path = f"{plan.base_path}-{name.replace(', ', '-')}"
            config = job_config(plan.updates.stream_name, base_path, plan.table_type)
            config["sink"]["hudi"]["options"] = dict(plan.options)
            ways[name], tables[name] = OurWay(spark, config), Grown(base_path)

        try:
            add(OLD)
            for number in range(1, plan.commits + 1):
                _run_batch(spark, plan, ways[OLD], tables[OLD])
                if number % plan.sample_every == 0:
                    samples.append(sample(spark, number, tables[OLD].base_path))
                    _say(plan, samples[-1], tables[OLD].seconds[-plan.sample_every :])
            for name in (FRESH, AGAIN):
                add(name)
                for _ in range(plan.fresh_commits):
                    _run_batch(spark, plan, ways[name], tables[name])
            for number in range(plan.rounds):
                for name in in_turn(list(tables), number):
                    tables[name].steps.append(_run_batch(spark, plan, ways[name], tables[name]))
        finally:
            for way in ways.values():
                way.close()
        for each in tables.values():
            each.position_seconds = _median_seconds(lambda base_path=each.base_path: checkpoint.read(base_path))
            each.files = files_of(each.base_path)
        return Growth(plan, tables, samples), versions(spark)


def in_turn(names: list[str], number: int) -> list[str]:
    """Return the order of round number `number`: each table takes each place."""
    first = number % len(names)
    return names[first:] + names[:first]


def _run_batch(spark: SparkSession, plan: Plan, way: OurWay, table: Grown) -> Mapping[str, float]:
    number = len(table.seconds)
    payloads = plan.updates.payloads(number)
    computed = cpu_seconds(os.getpid())
    watch = Stopwatch()
    batch = plan.updates.batch(spark, number, payloads)
    report = process_batch(way.job, batch, at=lambda step: watch.lap(STEPS.get(step, step)))
    watch.lap("let go of the batch")
    table.seconds.append(watch.seconds)
    table.cpu_seconds.append(cpu_seconds(os.getpid()) - computed)
    table.counted.append(report.counts.read)
    return watch.laps


def sample(spark: SparkSession, commits: int, base_path: str) -> Sample:
    """Return what table and process have come to; what is no longer used is collected first, but for the RSS."""
    memory = memory_of(os.getpid())
    gc.collect()
    return Sample(commits, memory, heap_bytes(spark), files_of(base_path))


def heap_bytes(spark: SparkSession) -> int:
    """Return what the JVM's objects take after a collection: its RSS says how large the heap once was."""
    java = spark.sparkContext._jvm.java.lang  # noqa: SLF001  (PySpark has no other way)
    java.System.gc()
    runtime = java.Runtime.getRuntime()
    return int(runtime.totalMemory() - runtime.freeMemory())


def files_of(base_path: str) -> dict[str, int]:
    """Return how many files a table has, by what they are for, and what all of them weigh."""
    found = dict.fromkeys(("timeline", "archived", "base", "log", "ledger", "other", "bytes"), 0)
    root = Path(base_path)
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        found[_kind(path.relative_to(root))] += 1
        found["bytes"] += path.stat().st_size
    return found


def _kind(path: Path) -> str:
    folder = path.parent.as_posix()
    if path.name.endswith(".crc"):
        # Hadoop's checksums, which it writes on a local disk alone.
        return "other"
    if folder.startswith(".hoodie/.streamjoin"):
        return "ledger" if folder == ".hoodie/.streamjoin/ledger" else "other"
    if folder.startswith(".hoodie"):
        if folder == ".hoodie":
            return "timeline" if path.name[:1].isdigit() else "other"
        return "archived" if folder.startswith((".hoodie/archived", ".hoodie/timeline/history")) else "other"
    return "base" if path.suffix == ".parquet" else "log" if ".log." in path.name else "other"


def _median_seconds(function: Callable[[], object]) -> float:
    found = []
    for _ in range(_POSITION_READS):
        started = perf_counter()
        function()
        found.append(perf_counter() - started)
    return statistics.median(found)


def _say(plan: Plan, found: Sample, seconds: list[float]) -> None:
    memory = {name: f"{found.memory[f'{name}_rss_bytes'] / 1e6:,.0f} MB" for name in ("driver", "jvm", "workers")}
    print(
        f"{plan.table_type}, {found.commits} commits: {statistics.median(seconds):.2f} s a batch, at most "
        f"{max(seconds):.2f}, {memory}, heap {found.heap_bytes / 1e6:,.0f} MB, files {dict(found.files)}",
        file=sys.stderr,
    )
