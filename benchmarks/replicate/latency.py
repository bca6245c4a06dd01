"""How long it takes from an UPDATE's commit until its item is to be read: a steady writer and an eager reader."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from benchmarks.replicate.source import KEY, NUMBER, TARGET, UPDATE_ONE
from benchmarks.variants import percentile
from streamjoin.local.mariadb import MariaDb

# BatchGetItem's most.
KEYS_A_READ = 100
# Between two reads: shorter ones would keep the emulator from what it is measured with.
PAUSE_SECONDS = 0.005
PATIENCE_SECONDS = 60.0
# Has no divisor in common with a number of rows that people choose.
_STRIDE = 7_919


@dataclass(frozen=True)
class Pace:
    """`rate` changes a second, each of another one of the `rows`: those of the warm-up, then the counted ones.

    The first has `first_number`, which is greater than all that rows have.
    """

    rows: int
    rate: float
    warm_up: int
    counted: int
    first_number: int

    def changes(self) -> Iterator[tuple[int, int]]:
        """Yield number and id of each change."""
        for index in range(self.warm_up + self.counted):
            yield self.first_number + index, 1 + index * _STRIDE % self.rows


@dataclass
class Latencies:
    """What was measured of changes, oldest first, by two threads: one commits, one reads.

    Args:
        seconds: From the return of each counted commit to the end of the read that had its item.
        read_seconds: Of each read: what a latency may be too long by, and the pause.
        writing_seconds: From the first counted commit to the last.
    """

    seconds: list[float] = field(default_factory=list)
    read_seconds: list[float] = field(default_factory=list)
    writing_seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _awaited: dict[int, tuple[int, float, bool]] = field(default_factory=dict)

    @property
    def unseen(self) -> int:
        """How many changes were committed, and their items not seen."""
        return len(self._awaited)

    def committed(self, key: int, number: int, committed_at: float, *, is_counted: bool) -> None:
        """Await the item of a change."""
        with self._lock:
            self._awaited[key] = (number, committed_at, is_counted)

    def oldest(self) -> list[int]:
        """Return the keys of the changes that have been awaited for longest."""
        with self._lock:
            return list(islice(self._awaited, KEYS_A_READ))

    def seen(self, numbers: Mapping[int, int], ended_at: float) -> None:
        """Note what a read had that ended then."""
        with self._lock:
            for key, number in numbers.items():
                wanted, committed_at, is_counted = self._awaited[key]
                if number >= wanted:
                    del self._awaited[key]
                    self.seconds += [ended_at - committed_at] * is_counted


def measure(server: MariaDb, client: Any, pace: Pace, check_running: Callable[[], None]) -> Latencies:
    """Change rows at a steady pace and read their items until all were seen."""
    found, over = Latencies(), threading.Event()
    reader = threading.Thread(target=_read, args=(client, found, over))
    reader.start()
    try:
        _write(server, pace, found)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while found.unseen and reader.is_alive() and time.monotonic() < deadline:
            check_running()
            time.sleep(PAUSE_SECONDS)
    finally:
        over.set()
        reader.join()
    return found


def _write(server: MariaDb, pace: Pace, found: Latencies) -> None:
    """Commit each change when its time has come, late ones at once."""
    with server.connect() as connection, connection.cursor() as cursor:
        connection.autocommit(True)
        start = first_at = time.monotonic()
        for index, (number, key) in enumerate(pace.changes()):
            time.sleep(max(0.0, start + index / pace.rate - time.monotonic()))
            cursor.execute(UPDATE_ONE, (number, key))
            committed_at = time.monotonic()
            found.committed(key, number, committed_at, is_counted=index >= pace.warm_up)
            if index == pace.warm_up:
                first_at = committed_at
            found.writing_seconds = committed_at - first_at


def _read(client: Any, found: Latencies, over: threading.Event) -> None:
    while not over.wait(PAUSE_SECONDS):
        if keys := found.oldest():
            started = time.monotonic()
            numbers = read_numbers(client, keys)
            ended = time.monotonic()
            found.read_seconds.append(ended - started)
            found.seen(numbers, ended)


def read_numbers(client: Any, keys: Sequence[int]) -> dict[int, int]:
    """Return, by key, the number of the last change that the items have; consistent reads."""
    request = {
        "Keys": [{KEY: {"N": str(key)}} for key in keys],
        "ConsistentRead": True,
        "ProjectionExpression": "#k, #n",
        "ExpressionAttributeNames": {"#k": KEY, "#n": NUMBER},
    }
    items = client.batch_get_item(RequestItems={TARGET: request})["Responses"][TARGET]
    return {int(item[KEY]["N"]): int(item[NUMBER]["N"]) for item in items}


def to_json(found: Latencies, pace: Pace) -> dict[str, Any]:
    """Return what was measured as JSON values."""
    seconds = found.seconds or [PATIENCE_SECONDS]
    return {
        "changes": len(found.seconds),
        "changes_a_second": round((pace.counted - 1) / max(found.writing_seconds, 1e-9), 1),
        "p50_seconds": round(percentile(seconds, 0.5), 4),
        "p90_seconds": round(percentile(seconds, 0.9), 4),
        "p99_seconds": round(percentile(seconds, 0.99), 4),
        "max_seconds": round(max(seconds), 4),
        "mean_seconds": round(statistics.fmean(seconds), 4),
        "read_median_seconds": round(statistics.median(found.read_seconds or [0.0]), 4),
        "reads": len(found.read_seconds),
    }


def problems(found: Latencies, pace: Pace) -> list[str]:
    """Return what makes the latencies none: changes that were not seen, or came at another pace."""
    said = []
    if found.unseen or len(found.seconds) != pace.counted:
        counts = f"found {len(found.seconds):,}, {found.unseen:,} still awaited"
        said.append(f"latency: expected {pace.counted:,} changes to be seen, {counts}")
    rate = (pace.counted - 1) / max(found.writing_seconds, 1e-9)
    if rate < 0.95 * pace.rate:
        said.append(f"latency: expected {pace.rate:g} changes a second, found {rate:.1f}: the writer came too late")
    return said
