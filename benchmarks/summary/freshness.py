"""`streamjoin run` as a process, at 1,000 records a second: when a query sees what was put; and its first commits."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import cast

from benchmarks.expectation import table_problems
from benchmarks.our_way import job_config
from benchmarks.run import ROOT
from benchmarks.summary.figures import Found
from benchmarks.summary.sizes import Sizes
from benchmarks.variants import percentile
from benchmarks.workload import SHARDS, country_item, fill
from streamjoin.aws.clients import aws_client
from streamjoin.local import tether
from streamjoin.local.processes import stop_process
from streamjoin.local.samples.orders import orders
from streamjoin.local.samples.produce import produce
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream
from streamjoin.query import read_table

RATE = 1_000
ITEMS = 4
# The first third loads what is loaded once.
_WARMUP_SHARE = 1 / 3
_LONGEST_WAIT_SECONDS = 120.0
_WAYS = {"polled": None, "pushed": "bench"}
# A column of the order that says when it was put.
PUT_AT = "impressiontime"


@dataclass
class Watched:
    """What queries have seen of a table.

    Args:
        base_path: The table.
        seen: By record key, seconds from put to the first query that saw it.
    """

    base_path: str
    seen: dict[str, float] = field(default_factory=dict)
    _newest: str = ""

    def look(self) -> bool:
        """Ask the table if it has a commit that wasn't there before; return whether it had.

        A row is visible to the query that has it from when that began, however long it takes.
        """
        newest = max((path.name for path in Path(self.base_path, ".hoodie").glob("[0-9]*commit")), default="")
        if newest == self._newest:
            return False
        began = time.time()
        found = read_table(self.base_path, columns=["uuid", PUT_AT])
        self._newest = newest
        uuids, stamps = (cast("list[str]", found[name].to_pylist()) for name in ("uuid", PUT_AT))
        for uuid, put_at in zip(uuids, stamps, strict=True):
            if uuid not in self.seen:
                self.seen[uuid] = began - float(put_at)
        return True

    def until(self, rows: int, seconds: float, is_going: Callable[[], bool] = lambda: True) -> None:
        """Look until so many rows have been seen.

        Raises:
            RuntimeError: They have not come in time.
        """
        deadline = time.monotonic() + seconds
        while len(self.seen) < rows:
            if time.monotonic() > deadline or not is_going():
                message = f"'{self.base_path}': expected {rows:,} rows, seen {len(self.seen):,}"
                raise RuntimeError(message)
            if not self.look():
                time.sleep(0.01)


def measure(sizes: Sizes, directory: str) -> Found:
    """Measure both ways to read, one after the other; the first one's job starts twice."""
    found = Found(details={"seconds": {}})
    with LocalStack() as stack, stack.active():
        fill(ITEMS)
        for way, consumer in _WAYS.items():
            name = f"fresh-{way}"
            create_stream(aws_client("kinesis"), name, SHARDS)
            config = job_config(name, f"{directory}/{name}", "MERGE_ON_READ")
            config["source"]["kinesis"]["fan_out"] = consumer
            path = Path(directory, f"{name}.json")
            path.write_text(json.dumps(config))
            watched = Watched(f"{directory}/{name}")
            if way == "polled":
                with _job(path, watched) as seconds:
                    found.values["first"] = seconds
            with _job(path, watched) as seconds:
                if way == "polled":
                    found.values["first again"] = seconds
                ages = _ages(sizes, name, watched)
            found.values |= {f"{way} p50": percentile(ages, 0.5), f"{way} p99": percentile(ages, 0.99)}
            found.details["seconds"][way] = [round(percentile(ages, share / 100), 3) for share in range(0, 101)]
            found.problems += [f"{way}: {problem}" for problem in _problems(watched)]
    return found


def _ages(sizes: Sizes, stream_name: str, watched: Watched) -> list[float]:
    """Return seconds from put to visible of the records that count."""
    begin, count = len(watched.seen), int(RATE * sizes.fresh_seconds)
    command = [sys.executable, "-m", "benchmarks.summary.producer", stream_name, str(begin), str(count), str(RATE)]
    with subprocess.Popen(command, cwd=ROOT) as producer:
        watched.until(begin + count, sizes.fresh_seconds + _LONGEST_WAIT_SECONDS)
    if producer.returncode:
        message = f"stream '{stream_name}': the producer ended with exit code {producer.returncode}"
        raise RuntimeError(message)
    return list(watched.seen.values())[begin + int(count * _WARMUP_SHARE) :]


@contextmanager
def _job(config: Path, watched: Watched) -> Iterator[float]:
    """Run the job for the length of a `with` block; gives the seconds until it had committed the rows that waited."""
    begin = len(watched.seen)
    produce(aws_client("kinesis"), config.stem, islice(stamped(begin), RATE), record_key="uuid")
    started = time.monotonic()
    with config.with_suffix(".log").open("ab") as output:
        process = tether.start("streamjoin", "run", str(config), output=output)
        try:
            watched.until(begin + 1, _LONGEST_WAIT_SECONDS, lambda: process.poll() is None)
            seconds = time.monotonic() - started
            watched.until(begin + RATE, _LONGEST_WAIT_SECONDS, lambda: process.poll() is None)
            yield seconds
        except RuntimeError as error:
            message = f"{error}; the end of the job's log: {config.with_suffix('.log').read_text()[-2_000:]}"
            raise RuntimeError(message) from error
        finally:
            stop_process(process)


def stamped(begin: int) -> Iterator[dict[str, str]]:
    """Yield orders from number `begin` on, each with the time when it was made, right before it is put."""
    return (order | {PUT_AT: f"{time.time():.6f}"} for order in orders(start=begin))


def _problems(watched: Watched) -> list[str]:
    combined = {item["countryname"]: item["combinedname"] for item in map(country_item, range(ITEMS))}
    expected = {
        order["uuid"]: (order["country"], combined.get(order["country"]))
        for order in islice(orders(), len(watched.seen))
    }
    return table_problems(read_table(watched.base_path, columns=["uuid", "combinedname"]), expected)
