"""A batch into a table of many commits, beside one into a table of few: table services included."""

import os
import statistics
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.expectation import named
from benchmarks.our_way import OurWay, job_config
from benchmarks.process_memory import tree_bytes
from benchmarks.stopwatch import Stopwatch
from benchmarks.summary.figures import TYPES, Found
from benchmarks.summary.sizes import Sizes
from benchmarks.summary.steady import ITEMS, details
from benchmarks.summary.table_files import files_of
from benchmarks.summary.updates import Updates
from benchmarks.summary.updates_checks import table_problems
from benchmarks.variants import Batch, Variant, alternately
from benchmarks.workload import SHARDS, fill
from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import process_batch
from streamjoin.local.tables import create_stream

KEYS, RECORDS = 10_000, 1_000
_SAMPLES = 20


def updates_of(kind: str) -> Updates:
    """Return the batches of a table type: new versions of the same rows, so that commits alone grow."""
    # A stream's name stands in every position; nothing is put into it.
    return Updates(f"updates-{kind}", KEYS, RECORDS)


def old_path(directory: str, kind: str) -> str:
    """Return where the table of many commits lies."""
    return f"{directory}/old-{kind}"


def grow_old(spark: SparkSession, commits: int, directory: str) -> dict[str, list[dict[str, Any]]]:
    """Give the old tables their commits, both at the same time; return what they had come to on the way."""
    fill(ITEMS)
    with ThreadPoolExecutor(len(TYPES)) as pool:
        samples = pool.map(lambda kind: _grown(spark, commits, directory, kind), TYPES)
        return dict(zip(TYPES, samples, strict=True))


def _grown(spark: SparkSession, commits: int, directory: str, kind: str) -> list[dict[str, Any]]:
    path, updates, samples = old_path(directory, kind), updates_of(kind), []
    way, seconds = _open(spark, updates, path, kind), []
    every = max(1, commits // _SAMPLES)
    for number in range(commits):
        seconds.append(run_batch(spark, updates, way, number).seconds)
        if (number + 1) % every == 0:
            last = seconds[-every:]
            samples.append(
                {
                    "commits": number + 1,
                    "median_seconds": round(statistics.median(last), 3),
                    "mean_seconds": round(statistics.mean(last), 3),
                    "max_seconds": round(max(last), 3),
                    "files": files_of(path),
                    "bytes": tree_bytes(os.getpid()),
                }
            )
            print(f"{kind}: {samples[-1]}", file=sys.stderr)
    way.close()
    return samples


def measure(spark: SparkSession, sizes: Sizes, directory: str) -> Found:
    """Compare batches of the old tables, which are there, with those of fresh ones, in turns."""
    fill(ITEMS)
    found, variants = Found(details={"files": {}, "services": {}}), []
    for kind, name in TYPES.items():
        updates = updates_of(kind)
        paths = {"old": old_path(directory, kind), "fresh": f"{directory}/fresh-{kind}"}
        done = {"old": sizes.commits, "fresh": 0}
        ways = {each: _open(spark, updates, path, kind) for each, path in paths.items()}

        def batch(
            variant: Variant, ways: dict[str, OurWay] = ways, done: dict[str, int] = done, u: Updates = updates
        ) -> Batch:
            each = variant.name.split(",")[0]
            done[each] += 1
            return run_batch(spark, u, ways[each], done[each] - 1)

        pair = [Variant(f"{each}, {name}", range(sizes.commit_rounds)) for each in paths]
        for _ in range(sizes.fresh_commits):
            batch(pair[1])
        # The first batch of the old table is the first of its job in this process.
        batch(pair[0])
        alternately(pair, batch)
        for each, path in paths.items():
            ways[each].close()
            found.problems += named(f"{each}, {name}", table_problems(path, updates, done[each]))
        # Slow batches, those with table services, count for what they took.
        old, fresh = (statistics.mean(variant.seconds) for variant in pair)
        found.values[f"commits {kind}"] = old / fresh
        for variant in pair:
            services = Counter[str]()
            for taken in variant.batches:
                services.update(taken.more["services"])
            found.details["services"][variant.name] = {
                what: round(seconds / len(variant.batches), 4) for what, seconds in services.items()
            }
        found.details["files"] |= {f"{each}, {name}": files_of(path) for each, path in paths.items()}
        variants += pair
    found.details |= details(variants)
    return found


def old_problems(directory: str, kind: str, commits: int) -> list[str]:
    """Compare the rows of an old table with what its commits gave it."""
    return named(TYPES[kind], table_problems(old_path(directory, kind), updates_of(kind), commits))


def run_batch(spark: SparkSession, updates: Updates, way: OurWay, number: int) -> Batch:
    """Take a batch as the runner would give it to the job."""
    payloads = updates.payloads(number)
    watch = Stopwatch()
    report = process_batch(way.job, updates.batch(spark, number, payloads), on_step=watch.lap)
    watch.lap("let go of the batch")
    if report.counts.read != updates.records:
        message = f"batch {number}: expected {updates.records} records, found {report.counts.read}"
        raise RuntimeError(message)
    return Batch(watch.seconds, watch.laps, report.counts.read, {"services": report.services})


def _open(spark: SparkSession, updates: Updates, base_path: str, kind: str) -> OurWay:
    client = aws_client("kinesis")
    if updates.stream_name not in client.list_streams()["StreamNames"]:
        create_stream(client, updates.stream_name, SHARDS)
    return OurWay(spark, job_config(updates.stream_name, base_path, kind))
