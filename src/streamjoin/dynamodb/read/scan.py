"""A DynamoDB table, read whole by parallel Scan in executors: its segments, each with its pages.

Source: a table can be read in up to 1,000,000 segments:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamjoin.aws.clients import aws_client
from streamjoin.dynamodb.read.pages import ItemPage, scan_pages
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.table import TableClient, TableDescription, TableErrors, describe
from streamjoin.errors import SourceError

MOST_SEGMENTS: Final = 1_000_000
# A segment is what is read again after a crash: a minute or two of reading.
_SEGMENT_BYTES: Final = 256 * 1024 * 1024
_SEGMENT_ITEMS: Final = 250_000
# The service's 1 MB are fewer items, unless they are tiny. Emulators know no such bound: a page would be the segment.
_PAGE_ITEMS: Final = 10_000
# A scan waits for its turn rather than to be done again from a segment's beginning.
_ATTEMPTS: Final = 10


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

    def client(self) -> TableClient:
        """Return this process's client for the table.

        Raises:
            AwsSettingsError: No client can be made, as without a region.
        """
        client: TableClient = aws_client("dynamodb", self.region, self.role_arn, attempts=_ATTEMPTS)
        return client

    def describe(self, client: TableClient | None = None) -> TableDescription:
        """Ask what the table is.

        Args:
            client: Default: this process's.

        Raises:
            SourceError: It is missing, denied or unreachable.
        """
        client = client or self.client()
        return describe(client, self.table_name, self.errors(client).of)

    def errors(self, client: TableClient) -> TableErrors:
        """Return what the errors of the client's calls become."""
        return self._errors(f" in region '{client.meta.region_name}'")

    def _errors(self, place: str) -> TableErrors:
        return TableErrors(
            SourceError,
            f"table '{self.table_name}'{place}",
            "source.dynamodb_table.{}",
            missing="Set source.dynamodb_table.table_name and region to those of an existing table.",
            throttled=(
                "Segments that were read to their end stay; raise the table's read capacity, or set "
                "source.dynamodb_table.max_read_units_per_second to what it has left."
            ),
        )


def default_segments(table: TableDescription, cores: int) -> int:
    """Return in how many segments to read the table with so many cores."""
    return table.segments(_SEGMENT_BYTES, _SEGMENT_ITEMS, least=cores, most=MOST_SEGMENTS)


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
    make_pace: Callable[[], ReadUnits]
    page_items: int = _PAGE_ITEMS

    def pages(self, segments: Sequence[int]) -> Iterator[tuple[int, Iterator[ItemPage]]]:
        """Yield each of the segments with its pages.

        Raises:
            SourceError: The table is missing, denied, unreachable, or throttled for longer than the SDK tries.
        """
        client, pace = self.table.client(), self.make_pace()
        for segment in segments:
            yield segment, self.segment_pages(client, segment, pace)

    def segment_pages(self, client: TableClient, segment: int, pace: ReadUnits) -> Iterator[ItemPage]:
        """Yield the pages of one segment; each is paid for before the next is asked for.

        Raises:
            SourceError: As `pages`.
        """
        errors = self.table.errors(client)

        def scan(**request: Any) -> Any:
            with errors.of("Scan"):
                return client.scan(**request)

        request = {
            "TableName": self.table.table_name,
            "Segment": segment,
            "TotalSegments": self.total_segments,
            "Limit": self.page_items,
        }
        return scan_pages(scan, request, pace)
