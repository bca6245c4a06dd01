"""A DynamoDB table, read whole by parallel Scan: what it is (`describe`), and the pages of its segments.

Source: Scan reads 1 MB a page; a table can be read in up to 1,000,000 segments:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html. An eventually consistent read of up to
4 KB consumes half a read unit: .../developerguide/read-write-operations.html. ItemCount and TableSizeBytes of
DescribeTable are up to six hours old: .../APIReference/API_TableDescription.html
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, translated
from streamjoin.dynamodb.read.item_staging import ItemPage
from streamjoin.dynamodb.service import Item, pack
from streamjoin.errors import SourceError

MOST_SEGMENTS: Final = 1_000_000
# A segment is what is read again after a crash: a minute or two of reading.
_SEGMENT_BYTES: Final = 256 * 1024 * 1024
_SEGMENT_ITEMS: Final = 250_000
_BYTES_PER_UNIT: Final = 4096
# The service's 1 MB are fewer items, unless they are tiny. Emulators know no such bound: a page would be the segment.
_PAGE_ITEMS: Final = 10_000
# A scan waits for its turn rather than to be done again from a segment's beginning.
_ATTEMPTS: Final = 10


class ScanClient(Protocol):
    """The two calls of boto3's DynamoDB client that a scan needs, and its `meta.region_name`."""

    @property
    def meta(self) -> Any:
        """The client's metadata."""

    def describe_table(self, **request: Any) -> Mapping[str, Any]:
        """Call DescribeTable."""

    def scan(self, **request: Any) -> Mapping[str, Any]:
        """Call Scan."""


class ReadPace(Protocol):
    """A bound on the read units that are consumed in a second."""

    def now(self) -> float:
        """Return the time, for `spend`'s `started_at`."""

    def spend(self, units: float, *, started_at: float | None = None) -> None:
        """Wait until the units that a call consumed have been earned."""


@dataclass(frozen=True)
class TableAddress:
    """Where a table is.

    Args:
        table_name: Its name.
        region: Default: the SDK's.
        role_arn: A role to assume through STS.
    """

    table_name: str
    region: str | None = None
    role_arn: str | None = None

    def client(self) -> ScanClient:
        """Return this process's client for the table.

        Raises:
            SourceError: No client can be made, as without a region.
        """
        with translated(SourceError, f"table '{self.table_name}': making a client", _remedies("Scan")):
            client: ScanClient = aws_client("dynamodb", self.region, self.role_arn, attempts=_ATTEMPTS)
        return client


@dataclass(frozen=True)
class TableFacts:
    """What DescribeTable says of a table; counts and sizes are up to six hours old.

    Args:
        arn: Its ARN.
        key_names: The attributes of its primary key, hash key first.
        items: How many it has.
        size_bytes: How large it is.
    """

    arn: str
    key_names: tuple[str, ...]
    items: int
    size_bytes: int

    @property
    def item_bytes(self) -> float:
        """How large an item is on average; 0 where the service doesn't know yet."""
        return self.size_bytes / self.items if self.items else 0.0

    def default_segments(self, cores: int) -> int:
        """Return in how many segments to read the table with so many cores."""
        wanted = max(math.ceil(self.size_bytes / _SEGMENT_BYTES), math.ceil(self.items / _SEGMENT_ITEMS), cores)
        return min(wanted, MOST_SEGMENTS)


def describe(client: ScanClient, table_name: str) -> TableFacts:
    """Ask what the table is.

    Args:
        client: boto3's DynamoDB client.
        table_name: Name or ARN.

    Raises:
        SourceError: The table is missing, denied or unreachable.
    """
    with _errors_of(client, table_name, "DescribeTable"):
        table = client.describe_table(TableName=table_name)["Table"]
    key = sorted(table["KeySchema"], key=lambda each: each["KeyType"] != "HASH")
    return TableFacts(
        arn=table["TableArn"],
        key_names=tuple(each["AttributeName"] for each in key),
        items=int(table.get("ItemCount", 0)),
        size_bytes=int(table.get("TableSizeBytes", 0)),
    )


@dataclass(frozen=True)
class TableScan:
    """The segments of a table, each the result of a Scan of its own.

    Delivery: each item that is in the table from the beginning to the end of the reading is in one segment, once. Reads
    are eventually consistent, so that they cost half; what changed since shortly before the beginning may be missing.

    Args:
        table: The table.
        total_segments: How many there are.
        make_pace: Makes the bound for one task; the bounds of all tasks together are that of the table.
        page_items: Items a page at most; what fits into the service's 1 MB may be fewer.
    """

    table: TableAddress
    total_segments: int
    make_pace: Callable[[], ReadPace]
    page_items: int = _PAGE_ITEMS

    def pages(self, segments: Sequence[int]) -> Iterator[tuple[int, Iterator[ItemPage]]]:
        """Yield each of the segments with its pages.

        Raises:
            SourceError: The table is missing, denied, unreachable, or throttled for longer than the SDK tries.
        """
        client, pace = self.table.client(), self.make_pace()
        for segment in segments:
            yield segment, self.segment_pages(client, segment, pace)

    def segment_pages(self, client: ScanClient, segment: int, pace: ReadPace) -> Iterator[ItemPage]:
        """Yield the pages of one segment; each is paid for before the next is asked for.

        Raises:
            SourceError: As `pages`.
        """
        request: dict[str, Any] = {
            "TableName": self.table.table_name,
            "Segment": segment,
            "TotalSegments": self.total_segments,
            "ReturnConsumedCapacity": "TOTAL",
            "Limit": self.page_items,
        }
        while True:
            started_at = pace.now()
            with _errors_of(client, self.table.table_name, "Scan"):
                answer = client.scan(**request)
            items: Sequence[Item] = answer.get("Items", ())
            units = _read_units(answer, items)
            yield ItemPage(items, units)
            # Of the last page too: another segment may follow at once.
            pace.spend(units, started_at=started_at)
            # An empty page is no end: only a page without this key is.
            if not answer.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _read_units(answer: Mapping[str, Any], items: Sequence[Item]) -> float:
    """Return what a page consumed: what the service says, else what its items' size comes to."""
    said = (answer.get("ConsumedCapacity") or {}).get("CapacityUnits")
    if said is not None:
        return float(said)
    return math.ceil(sum(len(pack(item)) for item in items) / _BYTES_PER_UNIT) / 2


def _remedies(operation: str) -> Remedies:
    return Remedies(
        missing="Set source.dynamodb_table.table_name and region to those of an existing table.",
        denied=(
            f"Allow dynamodb:{operation} on the table to the job's role, or set source.dynamodb_table.role_arn to a "
            "role that has it."
        ),
        throttled=(
            "Segments that were read to their end stay; raise the table's read capacity, or set "
            "source.dynamodb_table.max_read_units_per_second to what it has left."
        ),
        unreachable="Check the network, the credentials, source.dynamodb_table.region and AWS_ENDPOINT_URL.",
    )


def _errors_of(client: ScanClient, table_name: str, operation: str) -> AbstractContextManager[None]:
    failed = f"table '{table_name}' in region '{client.meta.region_name}': {operation}"
    return translated(SourceError, failed, _remedies(operation))
