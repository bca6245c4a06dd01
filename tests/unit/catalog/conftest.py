from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.unit.catalog.glue_calls import Counted


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """A catalog of its own; the client, which takes half a second to make, is that of all."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Counted(_client())


@cache
def _client() -> Any:
    return boto3.client("glue", region_name="us-east-1")
