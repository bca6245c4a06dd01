"""Processor time of a process and those that it started: a busy machine changes it less than the time that passes."""

import os
from pathlib import Path

from process_memory import PROC, running

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int, proc: Path = PROC) -> float:
    """Return the seconds that a driver, its JVM and its Python workers have computed so far.

    One that ended takes its seconds along: a difference of two calls is right while the same processes live.
    """
    ticks = 0
    for number in (pid, *_below(pid, proc)):
        try:
            # The second field is the program's name, in parentheses, with any characters in it.
            after_name = (proc / str(number) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        user, system = after_name[11:13]
        ticks += int(user) + int(system)
    return ticks / _TICKS_PER_SECOND


def _below(pid: int, proc: Path) -> list[int]:
    processes = running(proc)
    parents = {number: each.parent for number, each in processes.items()}
    found = [pid]
    for each in found:
        found += [number for number, parent in parents.items() if parent == each]
    return found[1:]
