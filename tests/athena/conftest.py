"""Trino over a Glue Data Catalog and the embedded S3, in which the jobs write tables and enter them."""

import uuid
from collections.abc import Iterator

import pytest

from streamjoin.aws.clients import aws_client
from streamjoin.local.stack import LocalStack
from tests.athena.trino_server import Trino, trino_server
from tests.services.glue_catalog import glue_catalog


@pytest.fixture(scope="session")
def glue_endpoint(stack: LocalStack) -> Iterator[str]:
    with glue_catalog() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def trino(stack: LocalStack, glue_endpoint: str) -> Iterator[Trino]:
    with trino_server(glue=glue_endpoint, s3=stack.endpoint) as running:
        yield running


@pytest.fixture(scope="session")
def bucket(glue_endpoint: str) -> str:
    name = f"lake-{uuid.uuid4().hex[:12]}"
    aws_client("s3").create_bucket(Bucket=name)
    return name
