"""Backfills of receipts, and the capture that goes with them, for tests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from streamjoin.aws.storage import open_path
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.capture import pipeline as capture
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.entry import parse_job
from streamjoin.hudi.timeline import Timeline
from streamjoin.local.samples.samples import SAMPLES, SampleName
from streamjoin.query import read_table
from tests.small_tables import ONE_BUCKET

KEYS = {"PK": "S", "SK": "S"}
WATERMARK_MS = 1_562_148_836_036
BEFORE = {"attribute": "updatedat", "before": WATERMARK_MS}
# Of three days, not of fifty: each day is a file of each commit.
RECEIPTS = [
    {**item, "createdAt": f"2019-07-{index % 3 + 1:02}{item['createdAt'][10:]}"}
    for index, item in enumerate(SAMPLES[SampleName.RECEIPTS].items(60, seed=3))
]
OLD = [item for item in RECEIPTS if item["updatedat"] < WATERMARK_MS]
COLUMNS = ("receiptid", "updated_at", "total", "payment", "dt")
BY_DAY = {"name": "dt", "from": "createdAt", "format": "yyyyMMdd"}


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class Kill:
    """Kills at the n-th time that a step is done."""

    step: str
    time: int = 1
    seen: list[str] = field(default_factory=list)

    def __call__(self, step: str) -> None:
        self.seen.append(step)
        if step == self.step and self.seen.count(step) == self.time:
            raise KilledError(step)


def table_of(base: str, table_name: str, *, hudi: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return the settings of the table, which backfill and capture share."""
    own = {"base_path": f"{base}/receipts", "table_name": "receipts", "options": ONE_BUCKET, **(hudi or {})}
    return {
        "table_name": table_name,
        "schema": "receiptid string, updatedat bigint, total decimal(38,2), payment string",
        "rename": {"updatedat": "updated_at"},
        "drop": ["PK", "SK"],
        "sink": {"hudi": {**own, "partition_by": [BY_DAY]}},
        **more,
    }


def backfill_of(
    base: str, source: Mapping[str, Any], table_name: str, *, table: Mapping[str, Any] | None = None, **more: Any
) -> BackfillConfig:
    """Return a backfill into `dt=00000000`, unless `table` says otherwise."""
    settings = table_of(base, table_name, **{"fixed_partition": {"dt": "00000000"}, **(table or {})})
    values = {
        "job": "backfill",
        "name": "receipts-backfill",
        "source": source,
        "tables": [settings],
        "dead_letters": {"base_path": f"{base}/dead_letters"},
        **more,
    }
    config = parse_job(values)
    assert isinstance(config, BackfillConfig)
    return config


def scan_of(table_name: str, segments: int = 3, **more: Any) -> dict[str, Any]:
    """Return the table as a source."""
    return {"dynamodb_table": {"table_name": table_name, "segments": segments, **more}}


def capture_of(base: str, table_name: str, **more: Any) -> CaptureConfig:
    """Return the capture of the same table, from its own stream."""
    values = {
        "job": "capture",
        "name": "receipts-capture",
        "source": {"dynamodb_stream": {"table_name": table_name}},
        "tables": [table_of(base, table_name, **more)],
        "dead_letters": {"base_path": f"{base}/capture_letters"},
    }
    config = parse_job(values)
    assert isinstance(config, CaptureConfig)
    return config


def catch_up(config: CaptureConfig) -> None:
    """Run the capture until it has all changes."""
    assert capture.run(config, until_caught_up=True).caught_up


def rows_at(path: str, columns: Sequence[str] = COLUMNS) -> list[dict[str, Any]]:
    """Return the table's rows, as a reader that is neither Spark nor Hudi's own sees them."""
    return sorted(read_table(path, list(columns)).to_pylist(), key=lambda row: str(row["receiptid"]))


def expected(items: Sequence[Mapping[str, Any]], dt: str | None = "00000000") -> list[dict[str, Any]]:
    """Return the rows of items; `dt` None: in the partition of their own day."""
    rows = [
        {
            "receiptid": item["receiptid"],
            "updated_at": item["updatedat"],
            "total": item["total"].quantize(Decimal("0.01")),
            "payment": item["payment"],
            "dt": dt or item["createdAt"][:10].replace("-", ""),
        }
        for item in items
    ]
    return sorted(rows, key=lambda row: str(row["receiptid"]))


def spans(path: str) -> list[tuple[int, int]]:
    """Return which staged files each commit of a backfill has."""
    timeline = Timeline.read(*open_path(path))
    said = [(timeline.metadata(instant) or {}).get("backfill") for instant in sorted(timeline.commits)]
    found = [json.loads(each) for each in said if each is not None]
    return [(each["first"], each["end"]) for each in found]
