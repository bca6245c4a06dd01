"""A backfill as `streamjoin run` runs it, in a process that holds nothing else, and what memory it came to."""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backfill_items import SCHEMA
from own_process import spark_for
from process_memory import memory_of
from report import versions

from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.backfill.pipeline import run
from streamjoin.entry import parse_job

_SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Measured:
    """One backfill.

    Args:
        report: As `BackfillReport.to_dict` has it.
        steps: Seconds from the start until each step was done for the last time.
        peaks: The most memory, in bytes, by what has it.
    """

    report: Mapping[str, Any]
    steps: Mapping[str, float]
    peaks: Mapping[str, int]


@dataclass
class MemoryPeaks:
    """Looks at the memory of this process and those below it, every half second."""

    peaks: dict[str, int] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "MemoryPeaks":
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        self.look()

    def _run(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.look()

    def look(self) -> None:
        """Take in what the processes have now."""
        found = memory_of(os.getpid())
        seen = {
            "driver_bytes": found["driver_peak_rss_bytes"],
            "jvm_bytes": found["jvm_peak_rss_bytes"],
            "workers_bytes": found["workers_rss_bytes"],
            "workers": found["workers"],
        }
        self.peaks = {name: max(value, self.peaks.get(name, 0)) for name, value in seen.items()}


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


def measure(values: Mapping[str, Any], directory: str) -> tuple[Measured, dict[str, str]]:
    """Run the backfill; return what it came to, and the versions that it ran on."""
    # Its progress lines, which a person who waits looks at.
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    for name in ("py4j", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    config = parse_job(values)
    assert isinstance(config, BackfillConfig)
    steps: dict[str, float] = {}
    with spark_for(directory) as spark:
        started = time.monotonic()
        with MemoryPeaks() as memory:
            report = run(config, at=lambda step: steps.update({step: round(time.monotonic() - started, 1)}))
        return Measured(report.to_dict(), steps, memory.peaks), versions(spark)
