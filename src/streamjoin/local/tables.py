"""Making DynamoDB tables, Kinesis streams and buckets for demos and tests, and filling the tables."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from streamjoin.aws.backoff import Tries
from streamjoin.dynamodb.write.tables import ensure_table
from streamjoin.errors import LocalStackError

Item: TypeAlias = Mapping[str, Any]

# Source: BatchWriteItem, Amazon DynamoDB API reference.
ITEMS_PER_WRITE = 25
WRITE_ATTEMPTS = 10
READY_TIMEOUT_SECONDS = 60.0


def _no_rows() -> Iterable[Item]:
    return ()


@dataclass(frozen=True)
class ReferenceTable:
    """A DynamoDB table of a data set.

    Attributes:
        name: The table's name.
        keys: Partition key and, if there is one, sort key, with their DynamoDB types (`S`, `N`, `B`).
        rows: Returns the items that the table starts with.
        changed_rows: Returns new versions of some of them, for the demo's second half.
    """

    name: str
    keys: Mapping[str, str]
    rows: Callable[[], Iterable[Item]]
    changed_rows: Callable[[], Iterable[Item]] = _no_rows


def create_table(client: Any, name: str, keys: Mapping[str, str]) -> None:
    """Create a table on demand with a change stream of old and new images, and wait until it can be used.

    Args:
        client: boto3's `dynamodb` client.
        name: Of the table; one that is there stays as it is.
        keys: Partition key first, then the sort key if any, with their types.

    Raises:
        SinkError: The table has another key, or can't be made, or wasn't active in time.
    """
    ensure_table(client, name, keys, create=True)


def put_items(
    client: Any,
    name: str,
    items: Iterable[Item],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Write items, 25 a call; those that the table leaves unprocessed are sent again.

    Args:
        client: boto3's `dynamodb` client.
        name: Of the table.
        items: Numbers as int or Decimal, never float.
        sleep: Waits a number of seconds.

    Returns:
        How many items were written.

    Raises:
        LocalStackError: The table took no item of a call for ten times in a row.
    """
    from boto3.dynamodb.types import TypeSerializer  # noqa: PLC0415  (boto3 takes half a second)

    serialize = TypeSerializer().serialize
    requests = ({"PutRequest": {"Item": {n: serialize(v) for n, v in item.items()}}} for item in items)
    written = 0
    while chunk := list(islice(requests, ITEMS_PER_WRITE)):
        _write(client, name, chunk, sleep)
        written += len(chunk)
    return written


def _write(client: Any, name: str, chunk: Sequence[object], sleep: Callable[[float], None]) -> None:
    left, tries = list(chunk), Tries(WRITE_ATTEMPTS, sleep)
    while left:
        before = len(left)
        left = client.batch_write_item(RequestItems={name: left}).get("UnprocessedItems", {}).get(name) or []
        if left:
            message = f"table '{name}': {len(left)} items were still unprocessed after {WRITE_ATTEMPTS} calls"
            tries.wait(LocalStackError(message), progressed=len(left) < before)


def create_stream(client: Any, name: str, shards: int) -> None:
    """Create a Kinesis stream and wait until it is active.

    Args:
        client: boto3's `kinesis` client.
        name: Of the stream.
        shards: How many it starts with.

    Raises:
        LocalStackError: The stream wasn't active in time.
    """
    client.create_stream(StreamName=name, ShardCount=shards)
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while True:
        found = client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]
        if found == "ACTIVE":
            return
        if time.monotonic() > deadline:
            message = f"stream '{name}': expected status ACTIVE within {READY_TIMEOUT_SECONDS:.0f} s, found '{found}'"
            raise LocalStackError(message)
        time.sleep(0.05)
