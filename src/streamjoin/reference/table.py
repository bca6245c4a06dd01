"""Read a DynamoDB table whole: what it is (`describe`), and all of its items (`scan`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, Final, Generic, TypeVar

from streamjoin.dynamodb import table as dynamodb
from streamjoin.dynamodb.read.pages import projection, scan_pages
from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.service import Item
from streamjoin.dynamodb.table import TableClient, TableDescription, TableErrors
from streamjoin.dynamodb.threads import in_threads
from streamjoin.errors import ReferenceTableError

Kept = TypeVar("Kept")

MAX_SEGMENTS: Final = 8
_SEGMENT_BYTES: Final = 16 * 1024 * 1024
_SEGMENT_ITEMS: Final = 50_000
_NEW_IMAGES: Final = frozenset({"NEW_IMAGE", "NEW_AND_OLD_IMAGES"})


@dataclass(frozen=True)
class ScanResult(Generic[Kept]):
    """All items of a table, in no particular order, with what reading them consumed."""

    items: list[Kept]
    consumed_read_units: float
    pages: int


def describe(client: TableClient, table_name: str) -> TableDescription:
    """Ask what the table's key, size, stream and indexes are.

    Raises:
        ReferenceTableError: The table is missing, denied or unreachable.
    """
    return dynamodb.describe(client, table_name, errors_of(client, table_name).of)


def unusable(description: TableDescription) -> str | None:
    """Return why the table has no stream that tells of new values; None if it has one."""
    if description.stream_arn is None:
        return "it has no stream"
    if description.stream_view_type not in _NEW_IMAGES:
        return f"its stream has view type {description.stream_view_type}, without new images"
    return None


def default_segments(table: TableDescription) -> int:
    """Return how many scan segments suit the table: 1 for a small one, 8 at most."""
    return table.segments(_SEGMENT_BYTES, _SEGMENT_ITEMS, most=MAX_SEGMENTS)


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
    """
    request = {
        "ConsistentRead": True,
        **projection(attributes),
        **({"Limit": page_items} if page_items else {}),
    }
    pieces = [{"Segment": index, "TotalSegments": segments} for index in range(segments)] if segments > 1 else [{}]
    read_segment = partial(_scan_segment, client, table_name, keep=keep, pace=pace)
    parts = in_threads(read_segment, [request | piece for piece in pieces], segments, "scan")
    return ScanResult(
        items=[item for part in parts for item in part.items],
        consumed_read_units=sum(part.consumed_read_units for part in parts),
        pages=sum(part.pages for part in parts),
    )


def scan_page(client: TableClient, table_name: str, **request: Any) -> Mapping[str, Any]:
    """Call Scan once.

    Raises:
        ReferenceTableError: The page could not be read.
    """
    with errors_of(client, table_name).of("Scan"):
        return client.scan(TableName=table_name, **request)


def _scan_segment(
    client: TableClient,
    table_name: str,
    request: Mapping[str, Any],
    stop: Event,
    *,
    keep: Callable[[Item], Kept],
    pace: ReadUnits | None,
) -> ScanResult[Kept]:
    kept: list[Kept] = []
    consumed_read_units = 0.0
    pages = 0
    for page in scan_pages(partial(scan_page, client, table_name), request, pace):
        kept.extend(keep(item) for item in page.items)
        consumed_read_units += page.read_units
        pages += 1
        if stop.is_set():
            break
    return ScanResult(kept, consumed_read_units, pages)


def errors_of(client: TableClient, table_name: str) -> TableErrors:
    """Return what the errors of calls on a reference's table become."""
    return TableErrors(
        ReferenceTableError,
        f"reference table '{table_name}' in region '{client.meta.region_name}'",
        "dynamodb.{} of the reference",
        missing=(
            f"Set dynamodb.table_name (and dynamodb.region) of the reference to an existing table, or create "
            f"'{table_name}'."
        ),
        throttled=(
            "Raise the table's read capacity, or lower dynamodb.scan_segments or max_read_units_per_second of the "
            "reference."
        ),
    )
