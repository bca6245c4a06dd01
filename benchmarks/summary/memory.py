"""A backlog drained by `streamjoin run`: the most memory that its processes had together, small and large."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.aggregated import aggregate
from benchmarks.expectation import Row, check_table
from benchmarks.our_way import job_config
from benchmarks.process_memory import tree_bytes
from benchmarks.summary.figures import Found
from benchmarks.summary.sizes import Sizes
from benchmarks.workload import SHARDS, country_item, fill
from streamjoin.aws.clients import aws_client
from streamjoin.local import tether
from streamjoin.local.processes import stop_process
from streamjoin.local.samples.orders import orders
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import create_stream

ITEMS = 4
TIMES_LARGER = 10
_SAMPLE_SECONDS = 0.2
_LONGEST_SECONDS = 600.0
# Records of one that the stream holds, as the producer library packs them: a stream of millions slows the emulator.
_PACKED = 100
_PUT_AT_ONCE = 100

_T = TypeVar("_T")


def measure(sizes: Sizes, directory: str) -> Found:
    """Drain both, one after the other, each by a process of its own."""
    peaks, found = {}, Found(details={"memory": {}})
    for records in (sizes.memory_records, TIMES_LARGER * sizes.memory_records):
        with LocalStack() as stack, stack.active():
            fill(ITEMS)
            peaks[records], samples = _drained(records, sizes.memory_limit, f"{directory}/memory-{records}", found)
        found.details["memory"][f"{records:,} records"] = samples
    small, large = peaks.values()
    found.values = {"memory": large / small, "megabytes": large / 1e6}
    return found


def _drained(records: int, limit: int, base_path: str, found: Found) -> tuple[int, list[int]]:
    stream_name = Path(base_path).name
    combined = {item["countryname"]: item["combinedname"] for item in map(country_item, range(ITEMS))}
    expected: dict[str, Row] = {}

    def sent() -> Iterator[dict[str, str]]:
        for order in islice(orders(), records):
            expected[order["uuid"]] = (order["country"], combined.get(order["country"]))
            yield order

    _put(stream_name, sent())
    config: dict[str, Any] = job_config(stream_name, base_path, "MERGE_ON_READ")
    config["limits"] = {"max_records_per_batch": limit}
    path = Path(f"{base_path}.json")
    path.write_text(json.dumps(config))
    started = time.monotonic()
    samples: list[int] = []
    with path.with_suffix(".log").open("wb") as output:
        process = tether.start("streamjoin", "run", str(path), "--until-caught-up", output=output)
        try:
            while process.poll() is None and time.monotonic() - started < _LONGEST_SECONDS:
                samples.append(tree_bytes(process.pid))
                time.sleep(_SAMPLE_SECONDS)
        finally:
            stop_process(process)
    if process.returncode:
        message = f"the job ended with exit code {process.returncode}: {path.with_suffix('.log').read_text()[-2_000:]}"
        raise RuntimeError(message)
    print(f"{records:,} records in {time.monotonic() - started:.0f} s, {max(samples) / 1e6:,.0f} MB", file=sys.stderr)
    _, problems = check_table(base_path, expected)
    found.problems += [f"{records:,} records: {problem}" for problem in problems]
    step = max(1, len(samples) // 200)
    return max(samples), [max(samples[start : start + step]) for start in range(0, len(samples), step)]


def _put(stream_name: str, sent: Iterator[dict[str, str]]) -> None:
    client = aws_client("kinesis")
    create_stream(client, stream_name, SHARDS)
    for entries in _chunks(_packed(sent), _PUT_AT_ONCE):
        answer = client.put_records(StreamName=stream_name, Records=entries)
        if answer["FailedRecordCount"]:
            message = f"stream '{stream_name}': the emulator took not all records"
            raise RuntimeError(message)


def _packed(sent: Iterator[dict[str, str]]) -> Iterator[dict[str, Any]]:
    for orders_of_one in _chunks(sent, _PACKED):
        key = orders_of_one[0]["uuid"]
        yield {"PartitionKey": key, "Data": aggregate(key, [json.dumps(order).encode() for order in orders_of_one])}


def _chunks(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    left = iter(values)
    while chunk := list(islice(left, size)):
        yield chunk
