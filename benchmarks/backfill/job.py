"""A backfill as `streamjoin run` runs it, in a process that holds nothing else, and what memory it came to."""

import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.backfill.items import SCHEMA
from benchmarks.process_memory import memory_of
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.backfill.pipeline import run
from streamjoin.entry import parse_job

_SAMPLE_SECONDS = 0.5


@contextmanager
def memory_peaks() -> Iterator[dict[str, int]]:
    """Give a dict that has the most memory of this process and those below it, looked at every half second."""
    peaks: dict[str, int] = {}
    ended = threading.Event()

    def look() -> None:
        found = memory_of()
        seen = {
            "driver_bytes": found["driver_peak_rss_bytes"],
            "jvm_bytes": found["jvm_peak_rss_bytes"],
            "workers_bytes": found["workers_rss_bytes"],
            "workers": found["workers"],
        }
        peaks.update({name: max(value, peaks.get(name, 0)) for name, value in seen.items()})

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()
        look()


def config_of(source: Mapping[str, Any], table_name: str, base_path: str) -> dict[str, Any]:
    """Return the configuration; what it doesn't say is at its default."""
    return {
        "job": "backfill",
        "name": "receipts-backfill",
        "source": dict(source),
        "tables": [
            {
                "table_name": table_name,
                "schema": SCHEMA,
                "drop": ["PK", "SK"],
                "fixed_partition": {"dt": "00000000"},
                "sink": {
                    "hudi": {
                        "base_path": f"{base_path}/receipts",
                        "table_name": "receipts",
                        "record_key": ["receiptid"],
                        "partition_by": [{"name": "dt", "from": "createdAt", "format": "yyyyMMdd"}],
                    }
                },
            }
        ],
        "dead_letters": {"base_path": f"{base_path}/dead_letters"},
    }


def measure(_: SparkSession, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run the backfill; return its report, the seconds until each step was done for the last time, and memory peaks."""
    # Its progress lines, which a person who waits looks at.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    for name in ("py4j", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    config = parse_job(values)
    assert isinstance(config, BackfillConfig)
    steps: dict[str, float] = {}
    started = time.monotonic()
    with memory_peaks() as peaks:
        report = run(config, on_step=lambda step: steps.update({step: round(time.monotonic() - started, 1)}))
    return {**report.to_dict(), "steps": steps, "peaks": peaks}
