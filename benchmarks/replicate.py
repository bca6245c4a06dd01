"""Replication from MariaDB to DynamoDB: full load, the time from a commit to its item, changes in bulk, a replay.

All items are compared with the rows afterwards; a difference makes the run fail. See README.md beside this file.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from arguments import count, positive
from replicate_job import PASSWORD_VARIABLE, Watch, last_batches, logged_batches, write_config
from replicate_latency import Pace, latency_json, latency_problems, measure
from replicate_report import batch_problems, batches_json, claims, lines, rate_json
from replicate_source import Source, differences, items_of
from report import commit, machine, publish

from streamjoin.aws.clients import aws_client
from streamjoin.local.demo.job_process import JobProcess
from streamjoin.local.mariadb import MariaDb
from streamjoin.local.stack import LocalStack
from streamjoin.mysql import BinlogPosition

HERE = Path(__file__).resolve().parent
# Numbers of changes: those of a later phase are greater.
LATENCY_NUMBER, BULK_NUMBER, REPLAY_NUMBER = 1, 10**9, 2 * 10**9


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = parser.add_argument
    add("--rows", type=positive, default=100_000, help="rows of the table (default: 100000)")
    add("--rate", type=positive, default=200, help="changes a second of the steady part (default: 200)")
    add("--warmup", type=count, default=1_000, help="its first changes, which aren't counted (default: 1000)")
    add("--changes", type=positive, default=10_000, help="its counted changes (default: 10000)")
    add("--bulk", type=positive, default=60_000, help="rows that are changed at once while the job runs (60000)")
    add("--replay", type=positive, default=30_000, help="rows that are changed while it is stopped (default: 30000)")
    add("-o", "--output", type=Path, default=HERE / "results" / "replicate.json", help="the JSON file")
    args = parser.parse_args(argv)
    for name, found in (
        ("--bulk", args.bulk),
        ("--replay", args.replay),
        ("--warmup and --changes", args.warmup + args.changes),
    ):
        if found > args.rows:
            parser.error(
                f"{name}: expected {args.rows:,} (--rows) at most, since each row is changed once, found {found:,}"
            )
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, check, print, and write the JSON; return the exit code."""
    args = arguments(argv)
    # Both before anything is measured: a checkout may move on meanwhile.
    before, head = machine(), commit()
    with (
        tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory,
        MariaDb() as server,
        LocalStack() as stack,
        stack.active(),
    ):
        result = measure_all(args, Path(directory), Source(server, args.rows))
    result["versions"] = {"streamjoin_commit": head, **result["versions"]}
    result = {"machine": before, **result}
    result["claims"] = claims(result)
    return publish(result, args.output, lines(result))


@dataclass
class Run:
    """What the parts of a run share.

    Args:
        source: The server with the table.
        config: The job's configuration.
        directory: Where its logs go.
    """

    source: Source
    config: Path
    directory: Path

    def job(self, name: str) -> JobProcess:
        """Return the job, to be started; its log has this name."""
        environ = {**os.environ, PASSWORD_VARIABLE: self.source.server.password}
        return JobProcess(self.config, environ, self._log(name))

    def log(self, name: str) -> str:
        """Return what the job with this log has said."""
        return self._log(name).read_text()

    def change_many(self, rows: int, number: int) -> BinlogPosition:
        """Change rows, and return where the binlog ends then."""
        self.source.change_many(rows, number)
        return self.source.end()

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


def measure_all(args: argparse.Namespace, directory: Path, source: Source) -> dict[str, Any]:
    """Run the parts one after the other, and compare the items with the rows."""
    result: dict[str, Any] = {
        "versions": versions(source.server),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": {
            "rows": args.rows,
            "changes_a_second": args.rate,
            "warm_up_changes": args.warmup,
            "counted_changes": args.changes,
            "bulk_changes": args.bulk,
            "replayed_changes": args.replay,
        },
        "problems": [],
    }
    source.create()
    run = Run(source, write_config(directory, source.server), directory)
    with run.job("bulk") as job:
        watch = Watch(aws_client("dynamodb"), job)
        measure_load(watch, args.rows, result)
        measure_latency(run, args, job, result)
        # Nothing is left of that when the bulk begins.
        watch.until_at(source.end())
        measure_bulk(run, watch, args.bulk, result)
        job.finish()
    measure_replay(run, args.replay, result)
    for name, is_replay in (("bulk", False), ("replay", True)):
        batches = last_batches(logged_batches(run.log(name)), result[name]["count"])
        result[name] |= batches_json(batches)
        result["problems"] += batch_problems(name, batches, result[name]["count"], is_replay=is_replay)
    rows, items = dict(source.expected()), dict(items_of(aws_client("dynamodb")))
    result["rows_checked"] = len(rows)
    result["problems"] += differences(rows, items)
    return result


def measure_load(watch: Watch, rows: int, result: dict[str, Any]) -> None:
    """Add to `result` how fast all rows became items."""
    began = watch.until_loading()
    result["full_load"] = rate_json(rows, watch.until_loaded() - began)


def measure_latency(run: Run, args: argparse.Namespace, job: JobProcess, result: dict[str, Any]) -> None:
    """Add to `result` how long it took from commits to items at a steady pace."""
    pace = Pace(args.rows, args.rate, args.warmup, args.changes, LATENCY_NUMBER)
    found = measure(run.source.server, aws_client("dynamodb"), pace, job.check_running)
    result["latency"] = latency_json(found, pace)
    result["problems"] += latency_problems(found, pace)


def measure_bulk(run: Run, watch: Watch, rows: int, result: dict[str, Any]) -> None:
    """Add to `result` how fast changes came to be items that were made as fast as the server takes them."""
    began = time.monotonic()
    end = run.change_many(rows, BULK_NUMBER)
    result["bulk"] = rate_json(rows, watch.until_at(end) - began)


def measure_replay(run: Run, rows: int, result: dict[str, Any]) -> None:
    """Add to `result` how fast changes came to be items that were made while the job was stopped.

    All that is in the binlog when a process starts may have been written before, so each write has a condition.
    """
    end = run.change_many(rows, REPLAY_NUMBER)
    with run.job("replay") as job:
        watch = Watch(aws_client("dynamodb"), job)
        began = watch.until_begun()
        result["replay"] = rate_json(rows, watch.until_at(end) - began)
        job.finish()


def versions(server: MariaDb) -> dict[str, str]:
    """Return what the measured code ran on."""
    names = ("pymysql", "boto3", "ministack")
    found = {name: version(name) for name in names}
    return {"python": platform.python_version(), "mariadb": server.execute("SELECT VERSION()")[0][0], **found}


if __name__ == "__main__":
    sys.exit(main())
