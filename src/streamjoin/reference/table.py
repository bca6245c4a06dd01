"""Read a DynamoDB table whole: what it is (`describe`), and all of its items (`scan`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from threading import Event
from typing import Any, Generic, Protocol, TypeVar

from streamjoin.aws.errors import Remedies, translated
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.service import Item
from streamjoin.errors import ReferenceTableError

Kept = TypeVar("Kept")

MAX_SEGMENTS = 8
_SEGMENT_BYTES = 16 * 1024 * 1024
_SEGMENT_ITEMS = 50_000


class TableClient(Protocol):
    """The two calls of boto3's DynamoDB client that a reference needs, and its `meta.region_name`."""

    @property
    def meta(self) -> Any:
        """The client's metadata."""

    def describe_table(self, **request: Any) -> Mapping[str, Any]:
        """Call DescribeTable."""

    def scan(self, **request: Any) -> Mapping[str, Any]:
        """Call Scan."""


@dataclass(frozen=True)
class KeyAttribute:
    """One attribute of a table's primary key; `type` is S, N or B."""

    name: str
    type: str

    def rank(self, item: Item) -> Any:
        """Return what orders items here: numbers by value, text by its UTF-8 bytes, binary by its bytes."""
        value = item[self.name][self.type]
        if self.type == "N":
            return Decimal(value)
        return value.encode() if self.type == "S" else bytes(value)


@dataclass(frozen=True)
class TableDescription:
    """What DescribeTable says; counts and sizes are the service's, up to six hours old."""

    table_name: str
    hash_key: KeyAttribute
    range_key: KeyAttribute | None
    items: int
    size_bytes: int
    stream_arn: str | None
    stream_view_type: str | None

    @property
    def key(self) -> tuple[KeyAttribute, ...]:
        """The primary key's attributes, hash key first."""
        return (self.hash_key,) if self.range_key is None else (self.hash_key, self.range_key)

    def rank(self, item: Item) -> tuple[Any, ...]:
        """Return what orders items by primary key: hash key, then range key."""
        return tuple(attribute.rank(item) for attribute in self.key)

    def name_item(self, item: Item) -> str:
        """Return the item's primary key as text for messages."""
        return ", ".join(f"{attribute.name}={item[attribute.name][attribute.type]!r}" for attribute in self.key)

    @property
    def item_bytes(self) -> float:
        """How large an item is on average; 0 where the service doesn't know yet."""
        return self.size_bytes / self.items if self.items else 0.0

    @property
    def default_segments(self) -> int:
        """How many scan segments suit the table: 1 for a small one, 8 at most."""
        wanted = max(math.ceil(self.size_bytes / _SEGMENT_BYTES), math.ceil(self.items / _SEGMENT_ITEMS))
        return min(max(wanted, 1), MAX_SEGMENTS)


@dataclass(frozen=True)
class ScanResult(Generic[Kept]):
    """All items of a table, in no particular order, with what reading them consumed."""

    items: list[Kept]
    consumed_read_units: float
    pages: int


def describe(client: TableClient, table_name: str) -> TableDescription:
    """Ask what the table's key, size and stream are.

    Raises:
        ReferenceTableError: The table is missing, denied or unreachable.
    """
    with errors_of(client, table_name, "DescribeTable"):
        table = client.describe_table(TableName=table_name)["Table"]
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    key = {
        each["KeyType"]: KeyAttribute(each["AttributeName"], types[each["AttributeName"]])
        for each in table["KeySchema"]
    }
    stream = table.get("StreamSpecification") or {}
    # A stream that was switched off keeps its ARN for a day; only an enabled one will be told of later changes.
    enabled = bool(stream.get("StreamEnabled"))
    return TableDescription(
        table_name=table_name,
        hash_key=key["HASH"],
        range_key=key.get("RANGE"),
        items=int(table.get("ItemCount", 0)),
        size_bytes=int(table.get("TableSizeBytes", 0)),
        stream_arn=table.get("LatestStreamArn") if enabled else None,
        stream_view_type=stream.get("StreamViewType") if enabled else None,
    )


def scan(
    client: TableClient,
    table_name: str,
    attributes: Sequence[str],
    *,
    keep: Callable[[Item], Kept],
    segments: int = 1,
    pace: ReadUnits | None = None,
    page_items: int | None = None,
) -> ScanResult[Kept]:
    """Read the named attributes of all items, page by page to the end, a thread a segment.

    Args:
        client: boto3's DynamoDB client; it is shared by the threads.
        table_name: Name or ARN.
        attributes: Top-level attribute names; reserved words and dots are allowed.
        keep: What to keep of an item; called page by page, so that the items themselves are never all in memory.
        segments: How many parts are read at the same time.
        pace: Holds the reading back. Default: as fast as it goes.
        page_items: Items a page at most. Default: what fits into the service's 1 MB.

    Raises:
        ReferenceTableError: Any page of any segment could not be read; there is no partial result.

    Source: Scan reads 1 MB a page; https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
    """
    names = {f"#a{index}": attribute for index, attribute in enumerate(dict.fromkeys(attributes))}
    request: dict[str, Any] = {
        "TableName": table_name,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
        "ConsistentRead": True,
        "ReturnConsumedCapacity": "TOTAL",
        **({"Limit": page_items} if page_items else {}),
    }
    stop = Event()
    read_segment = partial(_scan_segment, client, keep=keep, pace=pace or ReadUnits(None), stop=stop)
    if segments == 1:
        parts = [read_segment(request)]
    else:
        with ThreadPoolExecutor(max_workers=segments, thread_name_prefix="scan") as pool:
            running = [
                pool.submit(read_segment, request | {"Segment": index, "TotalSegments": segments})
                for index in range(segments)
            ]
            try:
                wait(running, return_when=FIRST_EXCEPTION)
            finally:
                # What the other segments still read would be thrown away: they end at their next page.
                stop.set()
            failed = next((each for each in running if each.done() and each.exception()), None)
            parts = [] if failed else [each.result() for each in running]
        if failed:
            failed.result()
    return ScanResult(
        items=[item for part in parts for item in part.items],
        consumed_read_units=sum(part.consumed_read_units for part in parts),
        pages=sum(part.pages for part in parts),
    )


def _scan_segment(
    client: TableClient, request: Mapping[str, Any], *, keep: Callable[[Item], Kept], pace: ReadUnits, stop: Event
) -> ScanResult[Kept]:
    kept: list[Kept] = []
    consumed_read_units = 0.0
    pages = 0
    start: dict[str, Any] = {}
    while not stop.is_set():
        started_at = pace.now()
        with errors_of(client, request["TableName"], "Scan"):
            page = client.scan(**request, **start)
        kept.extend(keep(item) for item in page.get("Items", ()))
        spent = float((page.get("ConsumedCapacity") or {}).get("CapacityUnits", 0))
        consumed_read_units += spent
        pages += 1
        # Of the last page too: the next scan may follow at once.
        pace.spend(spent, started_at=started_at)
        # An empty page is no end: only a page without this key is.
        if not page.get("LastEvaluatedKey"):
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    return ScanResult(kept, consumed_read_units, pages)


def errors_of(client: TableClient, table_name: str, operation: str) -> AbstractContextManager[None]:
    """Return what turns the SDK's errors of a call into a ReferenceTableError that says what to do."""
    region = client.meta.region_name
    remedies = Remedies(
        missing=(
            f"Set dynamodb.table_name (and dynamodb.region) of the reference to an existing table, or create "
            f"'{table_name}'."
        ),
        denied=(
            f"Allow dynamodb:{operation} on the table to the job's role, or set dynamodb.role_arn of the reference to "
            "a role that has it."
        ),
        throttled=(
            "Raise the table's read capacity, or lower dynamodb.scan_segments or max_read_units_per_second of the "
            "reference."
        ),
        unreachable="Check the network, the credentials, dynamodb.region of the reference and AWS_ENDPOINT_URL.",
    )
    return translated(
        ReferenceTableError, f"reference table '{table_name}' in region '{region}': {operation}", remedies
    )
