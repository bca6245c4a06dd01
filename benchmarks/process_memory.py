"""How much memory and processor time a process and those that it started have taken, from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A process at one moment; `peak_rss_bytes` is the most that it has had in memory."""

    name: str
    parent: int
    rss_bytes: int
    peak_rss_bytes: int


def memory_of(pid: int | None = None, proc: Path = PROC) -> dict[str, Any]:
    """Return the memory of a driver, this process by default, of its JVM, and of the Python workers below that.

    Raises:
        RuntimeError: The system has no /proc.
    """
    driver, below = _tree(pid or os.getpid(), proc)
    java = [each for each in below if each.name == "java"]
    workers = [each for each in below if each.name.startswith("python")]
    return {
        "driver_rss_bytes": driver.rss_bytes,
        "driver_peak_rss_bytes": driver.peak_rss_bytes,
        "jvm_rss_bytes": sum(each.rss_bytes for each in java),
        "jvm_peak_rss_bytes": sum(each.peak_rss_bytes for each in java),
        "workers": len(workers),
        "workers_rss_bytes": sum(each.rss_bytes for each in workers),
    }


def tree_bytes(pid: int, proc: Path = PROC) -> int:
    """Return what a process and those below it have in memory now; a page that several share counts once.

    A process that starts another program is there twice until that one begins, with one and the same memory.
    """
    processes = _running(proc)
    found = 0
    for number in (pid, *_below(pid, processes)):
        own = processes.get(number)
        above = processes.get(own.parent) if own else None
        if own is None or (above and (above.name, above.peak_rss_bytes) == (own.name, own.peak_rss_bytes)):
            continue
        try:
            lines = (proc / str(number) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return found


def cpu_seconds(pid: int | None = None, proc: Path = PROC) -> float:
    """Return the seconds that a driver and those below it have computed so far: a busy machine changes them less.

    A process that ended takes its seconds along: a difference of two calls is right while the same ones live.
    """
    pid = pid or os.getpid()
    ticks = 0
    for number in (pid, *_below(pid, _running(proc))):
        try:
            # The second field is the program's name, in parentheses, with any characters in it.
            after_name = (proc / str(number) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(map(int, after_name[11:13]))
    return ticks / TICKS_PER_SECOND


def _tree(pid: int, proc: Path) -> tuple[Process, list[Process]]:
    processes = _running(proc)
    if pid not in processes:
        message = f"'{proc}' has no process {pid}: memory can be measured on Linux only; leave the part 'memory' out"
        raise RuntimeError(message)
    return processes[pid], [processes[number] for number in _below(pid, processes)]


def _below(pid: int, processes: dict[int, Process]) -> list[int]:
    found = [pid]
    for parent in found:
        found += [number for number, each in processes.items() if each.parent == parent]
    return found[1:]


def _running(proc: Path) -> dict[int, Process]:
    found = {}
    for status in proc.glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            # It ended while we looked.
            continue
        fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        # One without memory of its own is a zombie.
        if "VmRSS" in fields:
            rss, peak = (int(fields[name].removesuffix(" kB")) * 1024 for name in ("VmRSS", "VmHWM"))
            found[int(status.parent.name)] = Process(fields["Name"], int(fields["PPid"]), rss, peak)
    return found
