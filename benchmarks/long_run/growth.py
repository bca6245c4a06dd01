"""A table of many commits beside fresh ones: how long a batch takes, and what files and memory it has come to.

Runs in a process of its own, in which the old table grows as it would in a job. When it has all its commits, the fresh
ones are made, and then each takes a batch in turn: a busy machine hits them alike, and so does the process' age.
"""

import gc
import statistics
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.long_run.updates import Updates
from benchmarks.our_way import OurWay, job_config
from benchmarks.process_memory import cpu_seconds, memory_of
from benchmarks.stopwatch import Stopwatch
from benchmarks.variants import Batch, Variant, alternately, ratio, summary
from benchmarks.workload import SHARDS
from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import process_batch
from streamjoin.history import checkpoint
from streamjoin.local.tables import create_stream

OLD, FRESH, AGAIN = "old", "fresh", "fresh, again"
KINDS_OF_FILES = ("timeline", "archived", "base", "log", "ledger", "other")
_POSITION_READS = 5


@dataclass(kw_only=True)
class Grown(Variant):
    """One table.

    Args:
        base_path: Where it lies.
        grown: The batches before the rounds.
        position_seconds: How long it takes to find where a job goes on.
        files: As `files_of` gives it, at the end.
    """

    base_path: str
    grown: list[Batch] = field(default_factory=list)
    position_seconds: float = 0.0
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def all_batches(self) -> list[Batch]:
        """The batches of the table, in order."""
        return [*self.grown, *self.batches]


def measure(
    spark: SparkSession, args: Namespace, updates: Updates, table_type: str, base_path: str
) -> tuple[dict[str, Grown], list[dict[str, Any]]]:
    """Let the old table grow, then compare it with fresh ones.

    Args:
        spark: The session.
        args: The command line: how many commits, rounds, and samples.
        updates: What all tables are given.
        table_type: COPY_ON_WRITE or MERGE_ON_READ.
        base_path: Where the tables lie, each with its name behind it.

    Returns:
        The tables by name, and what the old one and its process had come to while it grew.
    """
    create_stream(aws_client("kinesis"), updates.stream_name, SHARDS)
    ways: dict[str, OurWay] = {}
    tables: dict[str, Grown] = {}
    samples: list[dict[str, Any]] = []

    def add(name: str) -> Grown:
        path = f"{base_path}-{name.replace(', ', '-')}"
        config = job_config(updates.stream_name, path, table_type)
        config["sink"]["hudi"]["options"] = dict(args.hudi_option)
        ways[name], tables[name] = OurWay(spark, config), Grown(name, range(args.rounds), base_path=path)
        return tables[name]

    def run_batch(table: Variant) -> Batch:
        assert isinstance(table, Grown)
        return _run_batch(spark, updates, ways[table.name], len(table.all_batches))

    try:
        old = add(OLD)
        for number in range(1, args.commits + 1):
            old.grown.append(run_batch(old))
            if number % args.sample_every == 0:
                samples.append(sample(spark, old, args.sample_every))
                print(f"{table_type}: {samples[-1]}", file=sys.stderr)
        for name in (FRESH, AGAIN):
            fresh = add(name)
            for _ in range(args.fresh_commits):
                fresh.grown.append(run_batch(fresh))
        alternately(list(tables.values()), run_batch)
    finally:
        for way in ways.values():
            way.close()
    for each in tables.values():
        each.position_seconds = _median_seconds(partial(checkpoint.read, each.base_path))
        each.files = files_of(each.base_path)
    return tables, samples


def _run_batch(spark: SparkSession, updates: Updates, way: OurWay, number: int) -> Batch:
    payloads = updates.payloads(number)
    computed = cpu_seconds()
    watch = Stopwatch()
    report = process_batch(way.job, updates.batch(spark, number, payloads), on_step=watch.lap)
    watch.lap("let go of the batch")
    return Batch(watch.seconds, watch.laps, report.counts.read, {"cpu_seconds": cpu_seconds() - computed})


def to_json(
    args: Namespace, tables: Mapping[str, Grown], samples: list[dict[str, Any]], rows_checked: Mapping[str, int]
) -> dict[str, Any]:
    """Return what was measured of one type of table."""
    return {
        "hudi_options": dict(args.hudi_option),
        "tables": {
            name: {
                "commits_before_the_rounds": len(each.grown),
                **each.to_json(rows_checked[name]),
                "cpu_mean_seconds": _cpu_mean(each.batches),
                "position_read_seconds": round(each.position_seconds, 4),
                "files": dict(each.files),
            }
            for name, each in tables.items()
        },
        "ratios": {
            f"{name}, in terms of {FRESH}": {
                **ratio(tables[name], tables[FRESH]),
                "of_cpu_seconds": round(_cpu_mean(tables[name].batches) / _cpu_mean(tables[FRESH].batches), 3),
            }
            for name in (OLD, AGAIN)
        },
        "growing": {"samples": samples, "last_in_terms_of_early": _process_age(args, tables[OLD])},
    }


def _cpu_mean(batches: Sequence[Batch]) -> float:
    return round(float(statistics.mean(batch.more["cpu_seconds"] for batch in batches)), 3)


def _process_age(args: Namespace, old: Grown) -> float | None:
    """Return the old table's last batches in terms of those after `fresh_commits`, hours of a noisy machine apart."""
    if args.fresh_commits + 2 * args.rounds > args.commits:
        return None
    seconds = [batch.seconds for batch in old.grown]
    early = seconds[args.fresh_commits : args.fresh_commits + args.rounds]
    return round(statistics.median(seconds[-args.rounds :]) / statistics.median(early), 3)


def sample(spark: SparkSession, table: Grown, commits: int) -> dict[str, Any]:
    """Return what a table's last commits took, and what it and the process have come to.

    What is no longer used is collected before the heap is looked at, after the RSS.
    """
    last, memory = table.grown[-commits:], memory_of()
    gc.collect()
    return {
        "commits": len(table.grown),
        **summary([batch.seconds for batch in last]),
        "cpu_mean_seconds": _cpu_mean(last),
        **memory,
        "jvm_heap_bytes": heap_bytes(spark),
        "files": files_of(table.base_path),
    }


def heap_bytes(spark: SparkSession) -> int:
    """Return what the JVM's objects take after a collection: its RSS says how large the heap once was."""
    jvm: Any = spark.sparkContext._jvm  # noqa: SLF001  (PySpark has no other way)
    jvm.java.lang.System.gc()
    runtime = jvm.java.lang.Runtime.getRuntime()
    return int(runtime.totalMemory() - runtime.freeMemory())


def files_of(base_path: str) -> dict[str, int]:
    """Return how many files a table has, by what they are for, and what all of them weigh."""
    found = dict.fromkeys((*KINDS_OF_FILES, "bytes"), 0)
    root = Path(base_path)
    for path in root.rglob("*"):
        if path.is_file():
            found[_kind(path.relative_to(root))] += 1
            found["bytes"] += path.stat().st_size
    return found


def _kind(path: Path) -> str:
    folder = path.parent.as_posix()
    if path.name.endswith(".crc"):
        # Hadoop's checksums, which it writes on a local disk alone.
        return "other"
    if folder == ".hoodie/.streamjoin/ledger":
        return "ledger"
    if folder == ".hoodie":
        return "timeline" if path.name[:1].isdigit() else "other"
    if folder.startswith((".hoodie/archived", ".hoodie/timeline/history")):
        return "archived"
    if folder.startswith(".hoodie"):
        return "other"
    return "base" if path.suffix == ".parquet" else "log" if ".log." in path.name else "other"


def _median_seconds(function: Callable[[], object]) -> float:
    found = []
    for _ in range(_POSITION_READS):
        started = perf_counter()
        function()
        found.append(perf_counter() - started)
    return statistics.median(found)
