"""Plans of table services, carried out by one process at a time, whoever writes the table meanwhile."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from pyspark.sql import SparkSession

from streamjoin.aws.storage import open_path
from streamjoin.hudi.services.client import ServiceClient
from streamjoin.hudi.services.due import Rhythm, ServiceTimeline
from streamjoin.hudi.table import HudiTable
from streamjoin.lock import Place, TableLock

_FOLDER: Final = ".hoodie/.streamjoin/services"


@dataclass
class Done:
    """What was done.

    Args:
        compacted: Files made of a file and its log.
        joined: Small files that became larger ones.
        cleaned: Files deleted.
        seconds: How long each service took, by its name.
    """

    compacted: int = 0
    joined: int = 0
    cleaned: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, service: str) -> Iterator[None]:
        """Add what the block takes to the seconds of a service."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[service] = self.seconds.get(service, 0.0) + time.monotonic() - started

    def add(self, other: "Done") -> None:
        """Add what else was done."""
        self.compacted += other.compacted
        self.joined += other.joined
        self.cleaned += other.cleaned
        for service, seconds in other.seconds.items():
            self.seconds[service] = self.seconds.get(service, 0.0) + seconds

    def __str__(self) -> str:
        counts = ((self.compacted, "compacted"), (self.joined, "joined"), (self.cleaned, "cleaned"))
        found = [f"{what} {number} {'file' if number == 1 else 'files'}" for number, what in counts if number]
        return f"{', '.join(found)} in {sum(self.seconds.values()):.1f} s" if found else "nothing to do"


def services_lock(table: HudiTable, job: str, wait_seconds: float = 0.0) -> TableLock:
    """Return the right to carry out plans of a table.

    Args:
        table: The table; it is there.
        job: Who wants it.
        wait_seconds: How long to wait for another process that has it.
    """
    base_path = table.base_path
    place = Place.of_services(base_path)
    return TableLock(f"{base_path.rstrip('/')}/{_FOLDER}", job=job, place=place, wait_seconds=wait_seconds)


def carry_out(
    spark: SparkSession,
    table: HudiTable,
    check: Callable[[], None],
    *,
    on_step: Callable[[str], None] = lambda step: None,
    is_wanted: Callable[[], bool] = lambda: True,
    cleans: bool = True,
) -> Done:
    """Clean the table if that is due, and do what is planned; for the holder of `services_lock`.

    Delivery: each plan once. One that a dead process left half-done is rolled back, and done from its beginning.

    Args:
        spark: The session.
        table: The table.
        check: Raises if the lock is lost; asked right before files count.
        on_step: Called with the name of each step that has been done.
        is_wanted: Asked before each plan: whether to go on.
        cleans: Whether to clean if that is due.

    Raises:
        SinkError: It failed; what was done stands, and the rest is done by the next call.
    """
    done, client = Done(), ServiceClient(spark, table)
    found = ServiceTimeline.read(*open_path(table.base_path))

    def written() -> None:
        on_step("written")
        check()

    if (found.cleanings or (cleans and Rhythm.of(table).cleans(found))) and is_wanted():
        check()
        with done.timed("cleaning"):
            done.cleaned += client.clean()
        on_step("cleaned")
    for instant in found.compactions:
        if not is_wanted():
            break
        check()
        with done.timed("compaction"):
            done.compacted += client.compact(instant, written)
        on_step("compacted")
    return done
