"""A table for scans: pages as the service cuts them, throttling when a test says so, and every call noted."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

Item = Mapping[str, Mapping[str, Any]]


class _Meta:
    region_name = "us-east-1"


class FakeScanTable:
    """`scan` and `describe_table` of a boto3 client.

    Args:
        items: The table's; which segment has one is its place modulo their number.
        page_items: How many a page has at most.
        capacity: Read units that a page says it consumed; None: it says nothing.
        fails: Returns the error code for a call's number, None for none.
        empty_pages: Whether each page is followed by an empty one that isn't the last.
    """

    meta = _Meta()

    def __init__(
        self,
        items: Sequence[Item],
        page_items: int = 2,
        *,
        capacity: float | None = 0.5,
        fails: Callable[[int], str | None] = lambda number: None,
        empty_pages: bool = False,
    ) -> None:
        self.items, self.page_items, self.capacity = items, page_items, capacity
        self.empty_pages, self._fails = empty_pages, fails
        self.requests: list[dict[str, Any]] = []

    def scan(self, **request: Any) -> Mapping[str, Any]:
        number = len(self.requests)
        self.requests.append(request)
        if (code := self._fails(number)) is not None:
            raise ClientError({"Error": {"Code": code, "Message": "as the test wants it"}}, "Scan")
        mine = [item for place, item in enumerate(self.items) if place % request["TotalSegments"] == request["Segment"]]
        start = request.get("ExclusiveStartKey", {"at": {"N": "0"}})
        at = int(start["at"]["N"])
        if self.empty_pages and start.get("empty") is None:
            return self._page([], {"at": {"N": str(at)}, "empty": {"BOOL": True}})
        end = at + min(self.page_items, request.get("Limit", self.page_items))
        # The service, too, gives a last page that turns out to be empty.
        return self._page(mine[at:end], {"at": {"N": str(end)}} if end <= len(mine) else None)

    def describe_table(self, **request: Any) -> Mapping[str, Any]:
        return {
            "Table": {
                "TableArn": f"arn:aws:dynamodb:us-east-1:123456789012:table/{request['TableName']}",
                "KeySchema": [
                    {"AttributeName": "SK", "KeyType": "RANGE"},
                    {"AttributeName": "PK", "KeyType": "HASH"},
                ],
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
                "ItemCount": len(self.items),
                "TableSizeBytes": 100 * len(self.items),
            }
        }

    def _page(self, items: Sequence[Item], last: Item | None) -> Mapping[str, Any]:
        return {
            "Items": items,
            **({} if self.capacity is None else {"ConsumedCapacity": {"CapacityUnits": self.capacity}}),
            **({} if last is None else {"LastEvaluatedKey": last}),
        }


def items_of(count: int, **more: Mapping[str, Any]) -> list[Item]:
    """Return so many items, each with its number."""
    return [{"id": {"N": str(number)}, **more} for number in range(count)]
