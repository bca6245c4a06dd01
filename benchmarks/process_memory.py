"""How much memory a process and those that it started have, from /proc."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process at one moment.

    Args:
        name: Of its program.
        parent: The process that started it.
        rss_bytes: What it has in memory.
        peak_rss_bytes: The most that it has had.
    """

    name: str
    parent: int
    rss_bytes: int
    peak_rss_bytes: int


def memory_of(pid: int, proc: Path = PROC) -> dict[str, Any]:
    """Return the memory of a driver: its own, its JVM's, and that of the Python workers that the JVM started.

    Raises:
        RuntimeError: The system has no /proc.
    """
    processes = running(proc)
    if pid not in processes:
        message = f"'{proc}' has no process {pid}: memory can be measured on Linux only; leave the part 'memory' out"
        raise RuntimeError(message)
    below = descendants(pid, processes)
    java = [each for each in below if each.name == "java"]
    workers = [each for each in below if each.name.startswith("python")]
    driver = processes[pid]
    return {
        "driver_rss_bytes": driver.rss_bytes,
        "driver_peak_rss_bytes": driver.peak_rss_bytes,
        "jvm_rss_bytes": sum(each.rss_bytes for each in java),
        "jvm_peak_rss_bytes": sum(each.peak_rss_bytes for each in java),
        "workers": len(workers),
        "workers_rss_bytes": sum(each.rss_bytes for each in workers),
    }


def running(proc: Path = PROC) -> dict[int, Process]:
    """Return the processes that run now, by their number."""
    found = {}
    for status in proc.glob("[0-9]*/status"):
        try:
            process = parse(status.read_text())
        except (FileNotFoundError, ProcessLookupError):
            # It ended while we looked.
            continue
        if process is not None:
            found[int(status.parent.name)] = process
    return found


def parse(status: str) -> Process | None:
    """Return what the text of `/proc/<pid>/status` says; None for one without memory of its own, such as a zombie."""
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in status.splitlines())}
    if "VmRSS" not in fields:
        return None
    return Process(fields["Name"], int(fields["PPid"]), _bytes(fields["VmRSS"]), _bytes(fields["VmHWM"]))


def descendants(pid: int, processes: dict[int, Process]) -> list[Process]:
    """Return the processes that `pid` has started, and those that they have."""
    children = {number: each for number, each in processes.items() if each.parent == pid}
    return [*children.values(), *(found for number in children for found in descendants(number, processes))]


def _bytes(text: str) -> int:
    amount, unit = text.split()
    assert unit == "kB", f"expected kB, found {text!r}"
    return int(amount) * 1024
