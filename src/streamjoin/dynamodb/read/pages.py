"""The pages of a scan.

Source: Scan reads 1 MB a page: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html. A consistent read
of up to 4 KB consumes a read unit, an eventually consistent one half: .../developerguide/read-write-operations.html
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamjoin.dynamodb.read_pace import BYTES_PER_UNIT, ReadUnits
from streamjoin.dynamodb.service import Item, pack


def projection(attributes: Iterable[str]) -> dict[str, Any]:
    """Return the part of a request that asks for top-level attributes; reserved words and dots are allowed."""
    names = {f"#a{index}": attribute for index, attribute in enumerate(dict.fromkeys(attributes))}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


@dataclass(frozen=True)
class ItemPage:
    """Some items, and the read units that reading them consumed."""

    items: Sequence[Item]
    read_units: float = 0.0


def scan_pages(
    scan: Callable[..., Mapping[str, Any]], request: Mapping[str, Any], pace: ReadUnits | None = None
) -> Iterator[ItemPage]:
    """Yield the pages of a scan, or of one segment; each is paid for before the next is asked for.

    Args:
        scan: Calls Scan, and raises what is to be raised.
        request: Its arguments.
        pace: Holds the reading back. Default: as fast as it goes.
    """
    pace = pace or ReadUnits(None)
    start: dict[str, Any] = {}
    while True:
        started_at = pace.now()
        answer = scan(**request, ReturnConsumedCapacity="TOTAL", **start)
        page = _page(answer, is_consistent=bool(request.get("ConsistentRead")))
        yield page
        # Of the last page too: another scan may follow at once.
        pace.spend(page.read_units, started_at=started_at)
        # An empty page is no end: only a page without this key is.
        if not answer.get("LastEvaluatedKey"):
            return
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _page(answer: Mapping[str, Any], *, is_consistent: bool) -> ItemPage:
    """Return a page with what it consumed: what the service says, else what its items' size comes to."""
    items: Sequence[Item] = answer.get("Items", ())
    said = (answer.get("ConsumedCapacity") or {}).get("CapacityUnits")
    if said is not None:
        return ItemPage(items, float(said))
    units = math.ceil(sum(len(pack(item)) for item in items) / BYTES_PER_UNIT)
    return ItemPage(items, units if is_consistent else units / 2)
