"""A DynamoDB client that is asked by key, and refuses what the service refuses."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from streamjoin.dynamodb.table import KeyAttribute
from streamjoin.reference.lookup.calls import Target
from streamjoin.reference.lookup.keys import index_of, plan_lookup
from streamjoin.reference.table import describe
from tests.faults.reference import client_error

Request = dict[str, Any]


class Refused(AssertionError):
    """The service would have refused the request: a bug, so that no test may take it for a fault."""


class FakeItemTable:
    """DescribeTable, Scan, BatchGetItem and Query of one table.

    `fault` is asked before each call and may return an error to raise; `processed` says how many keys of a BatchGetItem
    are processed, the others are given back. An item has `item_bytes` bytes. Requests are checked as the service
    checks them; `calls` has those that were made.

    Args:
        items: In the order in which an index without a range key gives them.
        key: Attributes and types of the primary key.
        indexes: DescribeTable's, beside the attributes' types.
        attribute_types: Types of the indexes' key attributes.
        page_items: How many items a Query's page has at most.
        item_bytes: An item's size.
    """

    def __init__(
        self,
        items: Iterable[Mapping[str, Any]] = (),
        *,
        key: Sequence[tuple[str, str]] = (("code", "S"),),
        indexes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        attribute_types: Mapping[str, str] | None = None,
        page_items: int = 1_000,
        item_bytes: int = 100,
    ) -> None:
        self.key = tuple(KeyAttribute(name, type_) for name, type_ in key)
        self.indexes = indexes or {}
        self.types = {**dict(key), **(attribute_types or {})}
        self.page_items, self.item_bytes = page_items, item_bytes
        self.fault: Callable[[str, Request], Exception | None] = lambda operation, request: None
        self.processed: Callable[[int], int] = lambda keys: keys
        self.calls: list[tuple[str, Request]] = []
        self.meta = SimpleNamespace(region_name="us-east-1")
        self._items: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._lock = threading.Lock()
        for item in items:
            self.put(item)

    def put(self, item: Mapping[str, Any]) -> None:
        self._items[self._rank(item)] = dict(item)

    def delete(self, **key: dict[str, Any]) -> None:
        del self._items[self._rank(key)]

    def made(self, *operations: str) -> list[Request]:
        return [request for operation, request in self.calls if operation in operations]

    def describe_table(self, **request: Any) -> Request:
        self._begin("DescribeTable", request)
        return {
            "Table": {
                "KeySchema": [
                    {"AttributeName": each.name, "KeyType": kind}
                    for each, kind in zip(self.key, ("HASH", "RANGE"), strict=False)
                ],
                "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in self.types.items()],
                "ItemCount": len(self._items),
                "TableSizeBytes": len(self._items) * self.item_bytes,
                **self.indexes,
            }
        }

    def scan(self, **request: Any) -> Request:
        self._begin("Scan", request)
        index = self._index(request)
        items = self._of_index(index) if index else list(self._items.values())
        found = items[: request["Limit"]]
        return {"Items": [self._project(each, request) for each in found], **self._consumed(len(found), request)}

    def batch_get_item(self, **request: Any) -> Request:
        self._begin("BatchGetItem", request)
        ((table_name, wanted),) = request["RequestItems"].items()
        keys = wanted["Keys"]
        _require(request["ReturnConsumedCapacity"] == "TOTAL", "no capacity is asked for")
        _require(1 <= len(keys) <= 100, f"Too many items requested for the BatchGetItem call: {len(keys)}")
        for key in keys:
            _require(set(key) == {each.name for each in self.key}, "The provided key element does not match the schema")
            for each, most_bytes in zip(self.key, (2048, 1024), strict=False):
                _check_value(each.type, key[each.name], most_bytes)
        ranks = [self._rank(key) for key in keys]
        _require(len(set(ranks)) == len(ranks), "Provided list of item keys contains duplicates")
        processed = self.processed(len(keys))
        found = [self._items[rank] for rank in ranks[:processed] if rank in self._items]
        answer: Request = {
            "Responses": {table_name: [self._project(each, wanted) for each in reversed(found)]},
            "UnprocessedKeys": {},
            # One unit at least for each, found or not; a list, as it may be of several tables.
            "ConsumedCapacity": [self._consumed(processed, wanted)["ConsumedCapacity"] | {"TableName": table_name}],
        }
        if processed < len(keys):
            answer["UnprocessedKeys"] = {table_name: wanted | {"Keys": keys[processed:]}}
        return answer

    def query(self, **request: Any) -> Request:
        self._begin("Query", request)
        index = self._index(request)
        _require(request["ReturnConsumedCapacity"] == "TOTAL", "no capacity is asked for")
        _require(request.get("Limit", 1) >= 1, "Limit must be 1 at least")
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        pairs = [each.split(" = ") for each in request["KeyConditionExpression"].split(" AND ")]
        _require({placeholder for _, placeholder in pairs} == set(values), "a value is unused or missing")
        wanted = {names[name]: values[placeholder] for name, placeholder in pairs}
        schema = index["KeySchema"] if index else self.describe_key()
        hash_keys = [each["AttributeName"] for each in schema if each["KeyType"] == "HASH"]
        _require(set(hash_keys) <= set(wanted), "Query condition missed key schema element")
        _require(set(wanted) <= {each["AttributeName"] for each in schema}, "Query key condition not supported")
        for name, value in wanted.items():
            _check_value(self.types[name], value, 2048 if name in hash_keys else 1024)
        items = self._of_index(index) if index else sorted(self._items.values(), key=self._rank)
        found = [each for each in items if all(_content(each[name]) == _content(wanted[name]) for name in wanted)]
        start = request.get("ExclusiveStartKey", {"at": 0})["at"]
        stop = start + min(self.page_items, request.get("Limit", self.page_items))
        page = found[start:stop]
        return {
            "Items": [self._project(each, request) for each in page],
            **({"LastEvaluatedKey": {"at": stop}} if stop < len(found) else {}),
            **self._consumed(max(len(page), 1), request),
        }

    def describe_key(self) -> list[dict[str, str]]:
        kinds = zip(self.key, ("HASH", "RANGE"), strict=False)
        return [{"AttributeName": each.name, "KeyType": kind} for each, kind in kinds]

    def _begin(self, operation: str, request: Request) -> None:
        with self._lock:
            # What a caller changes of a request later must not change what was recorded.
            self.calls.append((operation, deepcopy(request)))
        error = self.fault(operation, request)
        if error is not None:
            raise error

    def _index(self, request: Request) -> Mapping[str, Any] | None:
        if "IndexName" not in request:
            return None
        for kind, indexes in self.indexes.items():
            for index in indexes:
                if index["IndexName"] == request["IndexName"]:
                    is_global = kind == "GlobalSecondaryIndexes"
                    _require(not (is_global and request.get("ConsistentRead")), "no consistent reads on global indexes")
                    return index
        raise Refused("The table does not have the specified index")

    def _of_index(self, index: Mapping[str, Any]) -> list[dict[str, Any]]:
        names = [each["AttributeName"] for each in index["KeySchema"]]
        held = [each for each in self._items.values() if all(self.types[n] in each.get(n, {}) for n in names)]
        ranges = [each["AttributeName"] for each in index["KeySchema"] if each["KeyType"] == "RANGE"]
        return sorted(held, key=lambda item: tuple(_content(item[name]) for name in ranges))

    def _project(self, item: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
        names = request["ExpressionAttributeNames"]
        wanted = request["ProjectionExpression"].split(", ")
        _require(set(wanted) == set(names), "Value provided in ExpressionAttributeNames unused in expressions")
        return {names[each]: item[names[each]] for each in wanted if names[each] in item}

    def _consumed(self, items: int, request: Mapping[str, Any]) -> Request:
        units = items * -(-self.item_bytes // 4096) * (1 if request.get("ConsistentRead") else 0.5)
        return {"ConsumedCapacity": {"CapacityUnits": units}}

    def _rank(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(each.rank(item) for each in self.key)


def _content(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content


def _check_value(kind: str, value: Mapping[str, Any], most_bytes: int) -> None:
    _require(set(value) == {kind}, f"Type mismatch for key: expected {kind}, actual {value}")
    content = value[kind]
    if kind == "N":
        number = Decimal(content)
        _require(number.is_finite(), "The parameter cannot be converted to a numeric value")
        significant = len("".join(map(str, number.as_tuple().digits)).strip("0"))
        _require(significant <= 38, "Attempting to store more than 38 significant digits in a Number")
        _require(not number or -130 <= number.adjusted() <= 125, "Number overflow or underflow")
        return
    size = len(content.encode() if kind == "S" else content)
    _require(size > 0, "The AttributeValue for a key attribute cannot contain an empty string value")
    _require(size <= most_bytes, f"Size of key has exceeded the maximum size limit of {most_bytes} bytes")


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise Refused(text)


def global_index(name: str, *keys: str, project: Sequence[str] | None = None, **more: Any) -> dict[str, Any]:
    """Describe a global index: its hash key, then a range key."""
    kinds = ("HASH", "RANGE")
    projection = (
        {"ProjectionType": "ALL"}
        if project is None
        else {
            "ProjectionType": "INCLUDE" if project else "KEYS_ONLY",
            **({"NonKeyAttributes": list(project)} if project else {}),
        }
    )
    return {
        "IndexName": name,
        "KeySchema": [{"AttributeName": k, "KeyType": kind} for k, kind in zip(keys, kinds, strict=False)],
        "Projection": projection,
        "IndexStatus": "ACTIVE",
        **more,
    }


def throttled(operation: str = "BatchGetItem") -> Exception:
    return client_error("ProvisionedThroughputExceededException", operation)


def target_of(
    table: FakeItemTable,
    on: Sequence[str] = ("code",),
    attributes: tuple[str, ...] = ("countryname",),
    index_name: str | None = None,
) -> Target:
    """Return what a reference with this join key fetches."""
    index = index_of(describe(table, "countries"), index_name)
    description = describe(table, "countries")
    access = plan_lookup(description, on, index)
    assert access is not None
    return Target("countries", "us-east-1", None, access, description.key, attributes, description.item_bytes)
