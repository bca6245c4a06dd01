import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from streamjoin.config import EnrichConfig, parse_config
from streamjoin.errors import ConfigError

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
REMOVED = object()

Changes = Mapping[str, object]


def example(changes: Changes) -> dict[str, Any]:
    """Return the example with some of its keys, named as in messages, set or REMOVED."""
    values = copy.deepcopy(EXAMPLE)
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

    def problems_of(changes: Changes) -> list[str]:
        try:
            parse_config(example(changes))
        except ConfigError as error:
            return error.problems
        return []

    return problems_of


@pytest.fixture
def removed() -> object:
    return REMOVED
