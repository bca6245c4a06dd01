"""From put to fetched: the same records, by the two ways to read, at the same time."""

import statistics
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from streamjoin.aws.clients import aws_client
from streamjoin.kinesis import stream as kinesis
from streamjoin.kinesis.stream import BatchLimits, Stream
from streamjoin.local.tables import create_stream

_LIMITS = BatchLimits(100_000, 256 * 1024 * 1024)


@dataclass(frozen=True)
class Freshness:
    """Seconds from put to fetched of one way to read.

    Args:
        p50_seconds: Of the records.
        p99_seconds: Likewise.
        records: How many came; all must. The first tenth isn't measured.
    """

    p50_seconds: float
    p99_seconds: float
    records: int


def fetched_after(
    stream_name: str, *, shards: int = 4, rate: int = 1000, seconds: float = 10.0
) -> dict[str, Freshness]:
    """Put `rate` records a second into a new stream, and read them both ways at the same time.

    Returns:
        By way: `polled` and `pushed`.

    Raises:
        RuntimeError: A reader did not get every record once: it would be fast because it did nothing.
    """
    create_stream(aws_client("kinesis"), stream_name, shards)
    names = {"polled": None, "pushed": "freshness"}
    readers = {way: _Reader(Stream(stream_name, fan_out=name)) for way, name in names.items()}
    count = _put(stream_name, rate, seconds)
    return {way: reader.freshness(count) for way, reader in readers.items()}


class _Reader:
    def __init__(self, stream: Stream) -> None:
        client = kinesis.stream_client(stream)
        client.check()
        start = SimpleNamespace(starting_position="TRIM_HORIZON", timestamp=None)
        self._stream, self._position = stream, kinesis.start(stream, start, 0)
        self._seen: list[tuple[int, float]] = []
        self._wanted: int | None = None
        # Connections are made, and a subscription, before anything is put.
        self._batch()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def freshness(self, count: int) -> Freshness:
        self._wanted = count
        self._thread.join(timeout=60)
        numbers = [number for number, _ in self._seen]
        if sorted(numbers) != list(range(count)):
            message = f"'{self._stream.fan_out or 'polled'}': {count} records were put, {len(numbers)} came"
            raise RuntimeError(message)
        # The first tenth loads what is loaded once.
        ages = sorted(age for number, age in self._seen if number >= count // 10)
        return Freshness(statistics.median(ages), ages[int(len(ages) * 0.99)], count)

    def _read(self) -> None:
        while self._wanted is None or len(self._seen) < self._wanted:
            self._batch()

    def _batch(self) -> None:
        plan = kinesis.plan(self._stream, self._position, _LIMITS)
        fetched = kinesis.fetch(plan)
        now = time.time()
        self._position = plan.position.advance(fetched.ranges)
        for row in fetched.table.select(["data"]).to_pylist():
            number, put_at = row["data"].split()
            self._seen.append((int(number), now - float(put_at)))


def _put(stream_name: str, rate: int, seconds: float) -> int:
    client, each = aws_client("kinesis"), max(1, rate // 50)
    started, count = time.time(), 0
    while (now := time.time()) - started < seconds:
        entries: list[Any] = [
            {"Data": f"{number} {now}".encode(), "PartitionKey": str(number)} for number in range(count, count + each)
        ]
        if client.put_records(StreamName=stream_name, Records=entries)["FailedRecordCount"]:
            message = f"stream '{stream_name}': the emulator took not all records"
            raise RuntimeError(message)
        count += each
        time.sleep(max(0.0, started + count / rate - time.time()))
    return count
