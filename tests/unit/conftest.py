import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest

from streamjoin.aws import storage
from streamjoin.backfill.config.backfill import BackfillConfig
from streamjoin.capture.config.capture import CaptureConfig
from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.entry import parse_config, parse_job
from streamjoin.errors import ConfigError
from streamjoin.query import reading

_BUCKET_REGION = storage.bucket_region


@pytest.fixture(autouse=True)
def no_bucket_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket is in the SDK's region: unit tests reach no S3."""
    for module in (storage, reading):
        monkeypatch.setattr(module, "bucket_region", lambda bucket: boto3.Session().region_name)


@pytest.fixture
def buckets_are_asked(no_bucket_is_asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (storage, reading):
        monkeypatch.setattr(module, "bucket_region", _BUCKET_REGION)


EXAMPLE: dict[str, Any] = {
    "job": "enrich",
    "name": "orders",
    "source": {"kinesis": {"stream_name": "orders"}},
    "payload": {"schema": "uuid string, country string, orderdate string, unitssold int, tags array<string>"},
    "references": [
        {
            "name": "country",
            "dynamodb": {"table_name": "countries"},
            "on": {"country": "countryname"},
            "columns": ["code", "combinedname"],
        }
    ],
    "output": {"drop": ["country"]},
    "sink": {"hudi": {"base_path": "s3://bucket/lake/orders", "table_name": "orders", "record_key": ["uuid"]}},
    "dead_letters": {"base_path": "s3://bucket/lake/orders_dead_letters"},
}
CAPTURE: dict[str, Any] = {
    "job": "capture",
    "name": "orders-capture",
    "source": {"kinesis": {"stream_name": "changes"}},
    "tables": [
        {
            "table_name": "orders",
            "schema": "orderid string, quantity bigint, createdAt string",
            "sink": {"hudi": {"base_path": "s3://bucket/lake/orders", "table_name": "orders"}},
        },
        {
            "table_name": "*",
            "layout": "changelog",
            "sink": {"hudi": {"base_path": "s3://bucket/lake/log/{table}", "table_name": "{table}_log"}},
        },
    ],
    "dead_letters": {"base_path": "s3://bucket/lake/dead_letters"},
}
BACKFILL: dict[str, Any] = {
    "job": "backfill",
    "name": "receipts-backfill",
    "source": {"dynamodb_table": {"table_name": "receipts"}},
    "where": {"attribute": "updatedat", "before": 1562148836036},
    "tables": [
        {
            "table_name": "receipts",
            "sink": {"hudi": {"base_path": "s3://bucket/lake/receipts", "table_name": "receipts"}},
        }
    ],
    "dead_letters": {"base_path": "s3://bucket/lake/dead_letters"},
}
REMOVED = object()

Changes = Mapping[str, object]


def example(changes: Changes, base: dict[str, Any] = EXAMPLE) -> dict[str, Any]:
    """Return the example with some of its keys, named as in messages, set or REMOVED."""
    values = copy.deepcopy(base)
    for path, value in changes.items():
        at: Any = values
        *parents, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        for part in parents:
            at = at[part] if isinstance(part, int) else at.setdefault(part, {})
        if value is REMOVED:
            del at[last]
        else:
            at[last] = value
    return values


@pytest.fixture
def config() -> Callable[[Changes], EnrichConfig]:
    return lambda changes: parse_config(example(changes))


@pytest.fixture
def problems() -> Callable[[Changes], list[str]]:
    """Return what is wrong with the example after changes."""

    return lambda changes: _problems_of(example(changes))


def _problems_of(values: dict[str, Any]) -> list[str]:
    try:
        parse_job(values)
    except ConfigError as error:
        return error.problems
    return []


@pytest.fixture
def capture() -> Callable[[Changes], CaptureConfig]:
    """Return the example of a capture after changes."""
    return lambda changes: parse_job(example(changes, CAPTURE))


@pytest.fixture
def capture_problems() -> Callable[[Changes], list[str]]:
    """Return what is wrong with the example of a capture after changes."""
    return lambda changes: _problems_of(example(changes, CAPTURE))


@pytest.fixture
def backfill() -> Callable[[Changes], BackfillConfig]:
    """Return the example of a backfill after changes."""
    return lambda changes: parse_job(example(changes, BACKFILL))


@pytest.fixture
def backfill_problems() -> Callable[[Changes], list[str]]:
    """Return what is wrong with the example of a backfill after changes."""
    return lambda changes: _problems_of(example(changes, BACKFILL))


@pytest.fixture
def removed() -> object:
    return REMOVED
