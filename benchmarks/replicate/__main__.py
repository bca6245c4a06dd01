"""Replication from MariaDB to DynamoDB: full load, the time from a commit to its item, changes in bulk, a replay.

All items are compared with the rows afterwards; a difference makes the run fail. See benchmarks/README.md.
"""

import argparse
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import page
from benchmarks.arguments import Arguments
from benchmarks.replicate import latency
from benchmarks.replicate.job import Job
from benchmarks.replicate.latency import Pace
from benchmarks.replicate.source import Source, differences, items_of
from benchmarks.run import Result, run
from streamjoin.aws.clients import aws_client
from streamjoin.local.mariadb import MariaDb

# Numbers of changes: those of a later phase are greater.
LATENCY_NUMBER, BULK_NUMBER, REPLAY_NUMBER = 1, 10**9, 2 * 10**9
PHASES = {"full_load": "full load, rows", "bulk": "bulk, changes", "replay": "replay, changes"}
MOST_P50_SECONDS, MOST_P99_SECONDS, LEAST_BULK_RATE = 0.5, 2.0, 2_000


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = Arguments(__doc__, "replicate.json")
    parser.number("--rows", 100_000, "rows of the table", "rows")
    parser.number("--rate", 200, "changes a second of the steady part", "changes_a_second")
    parser.number("--warmup", 1_000, "its first changes, which aren't counted", "warm_up_changes", least=0)
    parser.number("--changes", 10_000, "its counted changes", "counted_changes")
    parser.number("--bulk", 60_000, "rows that are changed at once while the job runs", "bulk_changes")
    parser.number("--replay", 30_000, "rows that are changed while it is stopped", "replayed_changes")
    args = parser.parsed(argv)
    steady = args.warmup + args.changes
    for name, found in {"--bulk": args.bulk, "--replay": args.replay, "--warmup and --changes": steady}.items():
        if found > args.rows:
            parser.error(
                f"{name}: expected {args.rows:,} (--rows) at most, since each row is changed once, found {found:,}"
            )
    return args


def measure(args: argparse.Namespace, directory: str, result: Result) -> None:
    """Run the parts one after the other, and compare the items with the rows."""
    with MariaDb() as server:
        result["versions"] |= {"python": platform.python_version(), "mariadb": server.execute("SELECT VERSION()")[0][0]}
        result["versions"] |= {name: version(name) for name in ("pymysql", "boto3", "ministack")}
        source, job = Source(server, args.rows), Job(server, Path(directory))
        source.create()
        measure_running(args, source, job, result)
        measure_replay(args.replay, source, job, result)
        rows, items = dict(source.expected()), dict(items_of(aws_client("dynamodb")))
    result["rows_checked"] = len(rows)
    result["problems"] += differences(rows, items)


def measure_running(args: argparse.Namespace, source: Source, job: Job, result: Result) -> None:
    """Add to `result` the full load, then changes at a steady pace, then changes as fast as the server takes them."""
    with job.running("bulk") as process:
        began = job.until_loading()
        result["full_load"] = rate_json(args.rows, job.until_loaded() - began)
        pace = Pace(args.rows, args.rate, args.warmup, args.changes, LATENCY_NUMBER)
        found = latency.measure(source.server, aws_client("dynamodb"), pace, process.check_running)
        result["latency"] = latency.to_json(found, pace)
        result["problems"] += latency.problems(found, pace)
        # Nothing is left of that when the bulk begins.
        job.until_at(source.end())
        began = time.monotonic()
        end = source.change_many(args.bulk, BULK_NUMBER)
        result["bulk"] = rate_json(args.bulk, job.until_at(end) - began)
        process.finish()
    note_batches(job, "bulk", result, is_replay=False)


def measure_replay(rows: int, source: Source, job: Job, result: Result) -> None:
    """Add to `result` how fast changes came to be items that were made while the job was stopped.

    All that is in the binlog when a process starts may have been written before, so each write has a condition.
    """
    end = source.change_many(rows, REPLAY_NUMBER)
    with job.running("replay") as process:
        began = job.until_begun()
        result["replay"] = rate_json(rows, job.until_at(end) - began)
        process.finish()
    note_batches(job, "replay", result, is_replay=True)


def note_batches(job: Job, phase: str, result: Result, *, is_replay: bool) -> None:
    """Add to a phase what the job itself says of its batches; each change must have written an item."""
    changes = result[phase]["count"]
    batches = job.last_batches(phase, changes)
    total = {name: sum(batch[name] for batch in batches) for name in ("changes", "puts", "superseded", "seconds")}
    seconds = total.pop("seconds")
    result[phase] |= {
        "batches": len(batches),
        "batch_seconds": round(seconds, 3),
        "changes_a_second_within_batches": round(changes / seconds, 1) if seconds else 0.0,
    }
    found = total | {"replay": sorted({batch["replay"] for batch in batches})}
    expected = {"changes": changes, "puts": changes, "superseded": 0, "replay": [is_replay]}
    if found != expected:
        result["problems"].append(f"{phase}: expected {expected}, found {found}")


def rate_json(count: int, seconds: float) -> dict[str, Any]:
    """Return how many there were, in which time, and how many that is a second."""
    return {"count": count, "seconds": round(seconds, 3), "a_second": round(count / seconds, 1)}


def claims(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the bounds beside what was found."""
    found, rate = result["latency"], result["parameters"]["changes_a_second"]
    what = "commit to item, {} at {:g} changes a second, seconds"
    return [
        page.at_most(what.format("p50", rate), MOST_P50_SECONDS, found["p50_seconds"]),
        page.at_most(what.format("p99", rate), MOST_P99_SECONDS, found["p99_seconds"]),
        page.at_least("bulk changes a second", LEAST_BULK_RATE, result["bulk"]["a_second"]),
    ]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the result as text."""
    rates: page.Columns = {"count": ("count", ","), "seconds": ("seconds", ".1f"), "a second": ("a_second", ",.0f")}
    seconds: page.Columns = {name: (f"{name}_seconds", ".3f") for name in ("p50", "p90", "p99", "max")}
    columns: page.Columns = {"changes": ("changes", ","), "a second": ("changes_a_second", ".0f")} | seconds
    return [
        *page.table("", {title: result[phase] for phase, title in PHASES.items()}, rates),
        *page.table("", {"commit to item, seconds": result["latency"]}, columns),
    ]


if __name__ == "__main__":
    sys.exit(run(arguments(), measure, lines, claims))
