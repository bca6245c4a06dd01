from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.unit.catalog.glue_calls import Counted


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Counted(boto3.client("glue", region_name="us-east-1"))
