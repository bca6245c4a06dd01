"""How long `streamjoin --help` takes."""

import statistics
import subprocess
import sys
import time

from benchmarks.summary.figures import Found

_RUNS = 7
_COMMAND = (sys.executable, "-m", "streamjoin", "--help")


def measure() -> Found:
    """Ask for the help a few times; the median counts."""
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        said = subprocess.run(_COMMAND, check=True, capture_output=True, text=True)
        seconds.append(time.perf_counter() - started)
    problems = [] if "Usage: " in said.stdout and "run" in said.stdout else ["the help says nothing of the commands"]
    return Found({"help": statistics.median(seconds)}, problems, {"seconds": [round(each, 3) for each in seconds]})
