"""A run of a benchmark: measured on emulators, written as JSON with the machine and the versions, and printed."""

import argparse
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import SparkSession

from benchmarks.page import verdict
from streamjoin.local.stack import LocalStack
from streamjoin.spark.session import HUDI_VERSION

ROOT = Path(__file__).resolve().parents[1]

Result = dict[str, Any]


def run(
    args: argparse.Namespace,
    measure: Callable[[argparse.Namespace, str, Result], None],
    lines: Callable[[Result], Sequence[str]],
    claims: Callable[[Result], list[dict[str, Any]]] | None = None,
    parts: Sequence[str] = (),
) -> int:
    """Measure, write the JSON, print; return the exit code: 1 if what was measured is wrong.

    Args:
        args: The command line.
        measure: Adds what it measured to the result, what is wrong under `problems`; gets a directory for its files.
        lines: Returns the result as text.
        claims: Returns the bounds beside what was found.
        parts: Those that stay in the file as they were measured before if they are not measured now.
    """
    result = new_result(args.parameters)
    with tempfile.TemporaryDirectory(prefix="streamjoin-bench-") as directory, LocalStack() as stack, stack.active():
        measure(args, directory, result)
    if parts:
        result = beside_earlier_parts(result, args.output, parts)
    if claims is not None:
        result["claims"] = claims(result)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(result, indent=2) + "\n")
    print("\n".join([*lines(result), *verdict(result)]))
    print(f"written to {args.output}")
    return 1 if result["problems"] else 0


def new_result(parameters: dict[str, Any]) -> Result:
    """Return what a result says of its run, before anything is measured: a checkout may move on meanwhile."""
    return {
        "machine": machine(),
        "versions": {"streamjoin_commit": commit()},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters,
        "problems": [],
    }


def stamp(result: Result) -> dict[str, str]:
    """Return what a part says of its run, so that it can stay in the file of a later one."""
    return {"measured_at": result["measured_at"], "streamjoin_commit": result["versions"]["streamjoin_commit"]}


def beside_earlier_parts(result: Result, output: Path, parts: Sequence[str]) -> Result:
    """Return `result` with what of its parts wasn't measured now, if the file has it of the same parameters."""
    earlier = json.loads(output.read_text()) if output.exists() else {}
    if earlier.get("parameters") != result["parameters"] or earlier["problems"]:
        return result
    kept = [part for part in parts if part in earlier or part in result]
    return result | {part: earlier.get(part, {}) | result.get(part, {}) for part in kept}


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
    """Return the commit of the checkout, with a mark if it has changes; `unknown` outside of a checkout."""
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head} with changes" if _git("status", "--porcelain", "--", "src", "benchmarks/*.py") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> dict[str, Any]:
    """Return the machine, and how busy it is at this moment."""
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "cpu_model": models[0] if models else platform.processor() or "unknown",
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
    }
