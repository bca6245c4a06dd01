"""A DynamoDB table: what it is (`describe`), and what is said of a call that failed (`TableErrors`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias

from botocore.exceptions import ClientError

from streamjoin.aws.errors import Remedies, code_of, translated
from streamjoin.dynamodb.service import Item
from streamjoin.errors import StreamJoinError

ErrorsOf: TypeAlias = Callable[[str], AbstractContextManager[None]]
"""Returns what turns the SDK's errors of an operation into an error that says what to do."""

_INDEX_KINDS: Final = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")


class TableClient(Protocol):
    """The two calls of boto3's DynamoDB client that reading a table needs, and its `meta.region_name`."""

    @property
    def meta(self) -> Any:
        """The client's metadata."""

    def describe_table(self, **request: Any) -> Mapping[str, Any]:
        """Call DescribeTable."""

    def scan(self, **request: Any) -> Mapping[str, Any]:
        """Call Scan."""


@dataclass(frozen=True)
class TableErrors:
    """What the SDK's errors of calls on one table become.

    Args:
        kind: The class to raise.
        table: The table, such as "table 'orders' in region 'us-east-1'".
        key: Where the configuration says how the table is reached, such as "target.dynamodb.{}".
        missing: What to do if it isn't there.
        throttled: What to do if the SDK's retries did not help.
        resource: What a call has to be allowed on.
    """

    kind: type[StreamJoinError]
    table: str
    key: str
    missing: str
    throttled: str
    resource: str = "the table"

    def of(self, operation: str) -> AbstractContextManager[None]:
        """Return what turns the SDK's errors of a call into `kind`.

        Args:
            operation: Its name, and after it maybe of what.
        """
        action = operation.partition(" ")[0]
        # The actions of a transaction are those of its parts: there is none of its own name.
        wanted = "PutItem, DeleteItem and UpdateItem" if action == "TransactWriteItems" else action
        remedies = Remedies(
            missing=self.missing,
            denied=(
                f"Allow dynamodb:{wanted} on {self.resource} to the job's role, or set {self.key.format('role_arn')} "
                "to a role that has it."
            ),
            throttled=self.throttled,
            unreachable=f"Check the network, the credentials, {self.key.format('region')} and AWS_ENDPOINT_URL.",
        )
        return translated(self.kind, f"{self.table}: {operation}", remedies)


@dataclass(frozen=True)
class KeyAttribute:
    """One attribute of a key; `type` is S, N or B."""

    name: str
    type: str

    def rank(self, item: Item) -> Any:
        """Return what orders items here: numbers by value, text by its UTF-8 bytes, binary by its bytes."""
        value = item[self.name][self.type]
        if self.type == "N":
            return Decimal(value)
        return value.encode() if self.type == "S" else bytes(value)


@dataclass(frozen=True)
class IndexDescription:
    """A secondary index.

    Args:
        name: Its name.
        hash_keys: One attribute, or up to four (a global index's key may have several).
        range_keys: None, one, or up to four.
        is_global: Whether it is one of the global ones, which can't be read consistently.
        attributes: What it holds of an item; None: everything.
        status: ACTIVE, UPDATING, CREATING or DELETING.
        is_filled: Whether the items that were there before it are in it.

    Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.DesignPattern.MultiAttributeKeys.html
    """

    name: str
    hash_keys: tuple[KeyAttribute, ...]
    range_keys: tuple[KeyAttribute, ...]
    is_global: bool
    attributes: frozenset[str] | None
    status: str = "ACTIVE"
    is_filled: bool = True


@dataclass(frozen=True)
class TableDescription:
    """What DescribeTable says; counts and sizes are the service's, up to six hours old.

    Args:
        table_name: Its name.
        key: The primary key's attributes, hash key first.
        items: How many it has.
        size_bytes: How large it is.
        stream_arn: Its stream; None if none will be told of later changes.
        stream_view_type: What the stream tells of a change.
        arn: Its ARN.
        status: CREATING, ACTIVE, UPDATING, …
        indexes: Its secondary indexes.
    """

    table_name: str
    key: tuple[KeyAttribute, ...]
    items: int = 0
    size_bytes: int = 0
    stream_arn: str | None = None
    stream_view_type: str | None = None
    arn: str = ""
    status: str = "ACTIVE"
    indexes: tuple[IndexDescription, ...] = ()

    @classmethod
    def of(cls, table_name: str, answer: Mapping[str, Any]) -> "TableDescription":
        """Read an answer of DescribeTable."""
        table = answer["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        stream = table.get("StreamSpecification") or {}
        # A stream that was switched off keeps its ARN for a day; only an enabled one will be told of later changes.
        enabled = bool(stream.get("StreamEnabled"))
        key = _key(table, types, "HASH") + _key(table, types, "RANGE")
        return cls(
            table_name=table_name,
            key=key,
            items=int(table.get("ItemCount", 0)),
            size_bytes=int(table.get("TableSizeBytes", 0)),
            stream_arn=table.get("LatestStreamArn") if enabled else None,
            stream_view_type=stream.get("StreamViewType") if enabled else None,
            arn=table.get("TableArn", ""),
            status=table.get("TableStatus", "ACTIVE"),
            indexes=tuple(
                _index(index, key, types, is_global=kind == _INDEX_KINDS[0])
                for kind in _INDEX_KINDS
                for index in table.get(kind) or ()
            ),
        )

    @property
    def key_types(self) -> dict[str, str]:
        """The primary key's attributes -> their types, hash key first."""
        return {attribute.name: attribute.type for attribute in self.key}

    def rank(self, item: Item) -> tuple[Any, ...]:
        """Return what orders items by primary key: hash key, then range key."""
        return tuple(attribute.rank(item) for attribute in self.key)

    def name_item(self, item: Item) -> str:
        """Return the item's primary key as text for messages."""
        return ", ".join(f"{attribute.name}={item[attribute.name][attribute.type]!r}" for attribute in self.key)

    @property
    def item_bytes(self) -> float:
        """How large an item is on average; 0 if the service doesn't know yet."""
        return self.size_bytes / self.items if self.items else 0.0

    def segments(self, segment_bytes: int, segment_items: int, *, least: int = 1, most: int) -> int:
        """Return in how many segments of about this size to read the table."""
        wanted = max(math.ceil(self.size_bytes / segment_bytes), math.ceil(self.items / segment_items), least)
        return min(wanted, most)


def describe(client: TableClient, table_name: str, errors_of: ErrorsOf) -> TableDescription:
    """Ask what the table is.

    Args:
        client: boto3's DynamoDB client.
        table_name: Name or ARN.
        errors_of: Gives the error to raise.
    """
    with errors_of("DescribeTable"):
        answer = client.describe_table(TableName=table_name)
    return TableDescription.of(table_name, answer)


def find(client: TableClient, table_name: str, errors_of: ErrorsOf) -> TableDescription | None:
    """Ask what the table is, as `describe`; None if there is none."""
    with errors_of("DescribeTable"):
        try:
            answer = client.describe_table(TableName=table_name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
            return None
    return TableDescription.of(table_name, answer)


def _key(described: Mapping[str, Any], types: Mapping[str, str], kind: str) -> tuple[KeyAttribute, ...]:
    names = (each["AttributeName"] for each in described["KeySchema"] if each["KeyType"] == kind)
    return tuple(KeyAttribute(name, types[name]) for name in names)


def _index(
    index: Mapping[str, Any], key: Sequence[KeyAttribute], types: Mapping[str, str], *, is_global: bool
) -> IndexDescription:
    hash_keys, range_keys = _key(index, types, "HASH"), _key(index, types, "RANGE")
    projected = index["Projection"]
    held = {each.name for each in (*key, *hash_keys, *range_keys)}
    return IndexDescription(
        name=index["IndexName"],
        hash_keys=hash_keys,
        range_keys=range_keys,
        is_global=is_global,
        attributes=(
            None
            if projected["ProjectionType"] == "ALL"
            else frozenset(held | set(projected.get("NonKeyAttributes") or ()))
        ),
        status=index.get("IndexStatus", "ACTIVE"),
        is_filled=not index.get("Backfilling"),
    )
