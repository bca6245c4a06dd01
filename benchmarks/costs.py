"""What a million records cost on AWS, from measured batches and list prices: `python -m benchmarks.costs`.

Prices are those of us-east-1 (price pages of Glue, Kinesis Data Streams and S3, 2026-11). Batches are those of `make
bench` on two cores; the requests of a commit are counted in docs/performance.md. Nothing of this was billed.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

RESULT: Final = Path(__file__).parent / "results" / "bench.json"
RATES: Final = (10, 100, 1_000, 5_000, 20_000)
"""Records a second."""
TABLE_TYPES: Final = {"MERGE_ON_READ": "merge-on-read", "COPY_ON_WRITE": "copy-on-write"}

# A DPU is 4 virtual cores and 16 GB; a worker G.1X is one, and one of a job's workers is the driver's.
DPU_HOUR_DOLLARS: Final = 0.44
CORES_OF_A_WORKER: Final = 4
LEAST_WORKERS: Final = 2
# For peaks, for catching up, and for table services.
BUSY_SHARE: Final = 0.6
SHARD_HOUR_DOLLARS: Final = 0.015
# A PUT payload unit is up to 25 KB: one a record.
MILLION_PUTS_DOLLARS: Final = 0.014
RECORDS_A_SHARD: Final = 1_000
# Of a commit without partitions, docs/performance.md; about a third of them write or list.
REQUESTS_OF_A_COMMIT: Final = {"MERGE_ON_READ": 152, "COPY_ON_WRITE": 174}
LISTING_SHARE: Final = 1 / 3
LISTING_DOLLARS, READING_DOLLARS = 0.005 / 1_000, 0.0004 / 1_000
COMMITS_AN_HOUR: Final = 720
"""With `trigger.interval_seconds: 5`, while records come."""

BATCH_RECORDS: Final = 4_000
MEASURED_CORES: Final = 2
_HOUR_SECONDS: Final = 3_600


@dataclass(frozen=True)
class Cost:
    """What a steady stream costs.

    Args:
        rate: Records a second.
        shards: Of the stream.
        workers: G.1X, the driver's among them.
        glue: Dollars a million records; so are the next two.
        kinesis: Shards and PUT units.
        requests: Of S3.
    """

    rate: int
    shards: int
    workers: int
    glue: float
    kinesis: float
    requests: float

    @property
    def total(self) -> float:
        """Dollars a million records."""
        return self.glue + self.kinesis + self.requests

    def row(self) -> str:
        """Return it as a row of a table in Markdown."""
        parts = " | ".join(f"{each:.2f}" for each in (self.glue, self.kinesis, self.requests, self.total))
        return f"| {self.rate:,} | {self.shards} | {self.workers} | {parts} |"


def records_a_second(bench: Mapping[str, Any], table_type: str) -> float:
    """Return what one core takes, of a job that is behind and commits batches of 4,000."""
    median: float = bench["parts"]["behind"]["variants"][TABLE_TYPES[table_type]]["median_seconds"]
    return BATCH_RECORDS / median / MEASURED_CORES


def costs(bench: Mapping[str, Any], table_type: str) -> Iterator[Cost]:
    """Yield the costs of each rate."""
    of_a_worker = records_a_second(bench, table_type) * CORES_OF_A_WORKER * BUSY_SHARE
    request = LISTING_SHARE * LISTING_DOLLARS + (1 - LISTING_SHARE) * READING_DOLLARS
    for rate in RATES:
        millions_an_hour = rate * _HOUR_SECONDS / 1e6
        shards = math.ceil(rate / RECORDS_A_SHARD)
        workers = max(LEAST_WORKERS, 1 + math.ceil(rate / of_a_worker))
        yield Cost(
            rate,
            shards,
            workers,
            workers * DPU_HOUR_DOLLARS / millions_an_hour,
            shards * SHARD_HOUR_DOLLARS / millions_an_hour + MILLION_PUTS_DOLLARS,
            COMMITS_AN_HOUR * REQUESTS_OF_A_COMMIT[table_type] * request / millions_an_hour,
        )


def lines(bench: Mapping[str, Any]) -> Iterator[str]:
    """Yield what docs/deploy.md has of it, line by line."""
    for table_type, words in TABLE_TYPES.items():
        rate = records_a_second(bench, table_type)
        yield f"{words}: one core takes {rate:,.0f} records a second"
        yield from (each.row() for each in costs(bench, table_type))


def main() -> None:
    """Print it, from the published result."""
    print("\n".join(lines(json.loads(RESULT.read_text()))))


if __name__ == "__main__":
    main()
