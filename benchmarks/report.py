"""What a run of a benchmark says: numbers with the versions and the machine that they were measured on."""

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import SparkSession

from streamjoin.spark.session import HUDI_VERSION

ROOT = Path(__file__).resolve().parents[1]


def publish(result: Mapping[str, Any], output: Path, lines: Sequence[str]) -> int:
    """Write the JSON, print the lines; return the exit code: 1 when what was measured is wrong."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=2) + "\n")
    print("\n".join(lines))
    print(f"written to {output}")
    return 1 if result["problems"] else 0


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median, the nearest-rank 90th percentile and the least of `seconds`."""
    ordered = sorted(seconds)
    return {
        "median_seconds": round(statistics.median(ordered), 3),
        "p90_seconds": round(ordered[math.ceil(0.9 * len(ordered)) - 1], 3),
        "min_seconds": round(ordered[0], 3),
    }


def median_steps(laps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return each step's median seconds, in the steps' order."""
    return {step: round(statistics.median(lap[step] for lap in laps), 3) for step in laps[0]}


def versions(spark: SparkSession) -> dict[str, str]:
    """Return what the measured code ran on."""
    java = spark.sql("SELECT java_method('java.lang.System', 'getProperty', 'java.version')").first()
    return {
        "python": platform.python_version(),
        "pyspark": pyspark.__version__,
        "hudi": HUDI_VERSION,
        "java": str(java[0]) if java else "unknown",
    }


def commit() -> str:
    """Return the commit of the checkout, marked where it has changes; `unknown` outside of a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head} with changes" if _git("status", "--porcelain", "--", "src", "benchmarks/*.py") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> dict[str, Any]:
    """Return the machine, and how busy it is at this moment."""
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "cpu_model": _cpu_model(),
        "memory_bytes": pages * page_bytes,
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
    }


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
