"""Clients of the embedded services, and a fresh stream, table and bucket for each test."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from streamjoin.aws.clients import aws_client
from streamjoin.local.stack import LocalStack
from streamjoin.local.tables import Item, create_stream, create_table, put_items
from tests.services.dynamodb_local import DynamoDbLocal, dynamodb_local


@dataclass(frozen=True)
class Emulator:
    """DynamoDB and its Streams, by one of two emulators that agree on little but the interface."""

    tables: Any
    streams: Any
    local: DynamoDbLocal | None


@pytest.fixture(scope="session")
def kinesis(stack: LocalStack) -> Any:
    return aws_client("kinesis")


@pytest.fixture(scope="session")
def dynamodb(stack: LocalStack) -> Any:
    return aws_client("dynamodb")


@pytest.fixture(scope="session")
def s3(stack: LocalStack) -> Any:
    return aws_client("s3")


@pytest.fixture(scope="session")
def fresh_name() -> Callable[[str], str]:
    """Return names that no other test has, instead of cleaning up after it."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def make_stream(kinesis: Any, fresh_name: Callable[[str], str]) -> Callable[..., str]:
    """Create a stream of so many shards; returns its name."""

    def make(shards: int = 1) -> str:
        name = fresh_name("stream")
        create_stream(kinesis, name, shards)
        return name

    return make


@pytest.fixture(scope="session")
def make_table(dynamodb: Any, fresh_name: Callable[[str], str]) -> Callable[..., str]:
    """Create a DynamoDB table with these keys and items; returns its name."""

    def make(keys: Mapping[str, str], items: Iterable[Item] = ()) -> str:
        name = fresh_name("table")
        create_table(dynamodb, name, keys)
        put_items(dynamodb, name, items)
        return name

    return make


@pytest.fixture
def bucket(s3: Any, fresh_name: Callable[[str], str]) -> str:
    name = fresh_name("bucket")
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def local() -> Iterator[DynamoDbLocal]:
    with dynamodb_local() as running:
        yield running


@pytest.fixture(scope="session", params=["ministack", "DynamoDB Local"])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    if request.param == "DynamoDB Local":
        local = request.getfixturevalue("local")
        return Emulator(local.client("dynamodb"), local.client("dynamodbstreams"), local)
    endpoint = request.getfixturevalue("stack").endpoint
    # One try only: what fails should say so at once.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, max_pool_connections=16)
    clients = [
        boto3.client(service, endpoint_url=endpoint, region_name="us-east-1", config=config)
        for service in ("dynamodb", "dynamodbstreams")
    ]
    return Emulator(*clients, None)
