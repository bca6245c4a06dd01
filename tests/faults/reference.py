"""A DynamoDB client over items in memory that pages, splits into segments and fails on request; a Spark to match it."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from streamjoin.config.stages import ReferenceSettings
from streamjoin.dynamodb.service import pack
from streamjoin.dynamodb.table import TableDescription


def client_error(code: str, operation: str = "Scan", status: int = 400) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": f"said {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)  # type: ignore[arg-type]


def packed(items: Iterable[Mapping[str, Any]], table: TableDescription) -> dict[tuple[Any, ...], bytes]:
    """Return the items as a feed keeps them."""
    return {table.rank(item): pack(item) for item in items}


class FakeDynamoDb:
    """DescribeTable and Scan of one table.

    `fault` is asked before each call and may return an error to raise. `empty_page_at` gives a page without items
    but with a LastEvaluatedKey, as a real Scan may.
    """

    def __init__(
        self,
        items: Sequence[dict[str, Any]],
        *,
        key: Sequence[tuple[str, str]] = (("code", "S"),),
        page_items: int = 2,
        stream: dict[str, Any] | None = None,
        size_bytes: int = 0,
        empty_page_at: int | None = None,
    ) -> None:
        self.items = list(items)
        self.key = key
        self.page_items = page_items
        self.stream = stream or {}
        self.size_bytes = size_bytes
        self.empty_page_at = empty_page_at
        self.fault: Callable[[str, dict[str, Any]], Exception | None] = lambda operation, request: None
        self.scans: list[dict[str, Any]] = []
        self.meta = SimpleNamespace(region_name="us-east-1")

    def describe_table(self, **request: Any) -> dict[str, Any]:
        self._fail("DescribeTable", request)
        kinds = ("HASH", "RANGE")
        return {
            "Table": {
                "KeySchema": [
                    {"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(self.key, kinds, strict=False)
                ],
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": type_} for name, type_ in self.key],
                "ItemCount": len(self.items),
                "TableSizeBytes": self.size_bytes,
                **self.stream,
            }
        }

    def scan(self, **request: Any) -> dict[str, Any]:
        self.scans.append(request)
        self._fail("Scan", request)
        total = request.get("TotalSegments", 1)
        mine = [item for item in self.items if self._hash(item) % total == request.get("Segment", 0)]
        start = 0
        if "ExclusiveStartKey" in request:
            start = int(request["ExclusiveStartKey"]["at"]["N"])
        names = [request["ExpressionAttributeNames"][each] for each in request["ProjectionExpression"].split(", ")]
        is_empty = self.empty_page_at is not None and len(self.scans) - 1 == self.empty_page_at
        stop = start if is_empty else start + self.page_items
        page: dict[str, Any] = {
            "Items": [{name: item[name] for name in names if name in item} for item in mine[start:stop]],
            "ConsumedCapacity": {"TableName": request["TableName"], "CapacityUnits": 0.5},
        }
        if stop < len(mine):
            page["LastEvaluatedKey"] = {"at": {"N": str(stop)}}
        return page

    def _hash(self, item: dict[str, Any]) -> int:
        return zlib.crc32(repr(item[self.key[0][0]]).encode())

    def _fail(self, operation: str, request: dict[str, Any]) -> None:
        error = self.fault(operation, request)
        if error is not None:
            raise error


class FakeFrame:
    def __init__(self, rows: list[Any], schema: Any) -> None:
        self.rows, self.schema = rows, schema
        self.is_freed = False

    def coalesce(self, partitions: int) -> "FakeFrame":
        return self

    def unpersist(self) -> "FakeFrame":
        self.is_freed = True
        return self


class FakeSpark:
    """Takes the rows of small references; keeps every frame that it made."""

    def __init__(self) -> None:
        self.frames: list[FakeFrame] = []
        self.sparkContext = SimpleNamespace(defaultParallelism=2)

    def createDataFrame(self, rows: Any, schema: Any) -> FakeFrame:
        self.frames.append(FakeFrame(rows if isinstance(rows, list) else list(rows.itertuples(False, None)), schema))
        return self.frames[-1]


class FakeClock:
    def __init__(self, now: datetime = datetime(2026, 1, 31, 12, tzinfo=UTC)) -> None:
        self.seconds = now.timestamp()

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


def settings(**changes: Any) -> ReferenceSettings:
    """The reference of the main job, changed where asked."""
    return ReferenceSettings.model_validate(
        {
            "name": "country",
            "dynamodb": {"table_name": "countries"},
            "on": {"country": "countryname"},
            "columns": {"code": "country_code"},
            "refresh": {"follow": "scan", "interval_seconds": 60, "max_staleness_seconds": 300},
            **changes,
        }
    )


def country(code: str, countryname: str, **others: dict[str, Any]) -> dict[str, Any]:
    return {"code": {"S": code}, "countryname": {"S": countryname}, **others}


def reference_settings_of(**changes: Any) -> ReferenceSettings:
    """The reference of the oracle's events: followed by its changes unless told otherwise."""
    return settings(
        **{
            "columns": {"combinedname": "combinedname"},
            "refresh": {"follow": "changes", "max_staleness_seconds": 300},
            **changes,
        }
    )
