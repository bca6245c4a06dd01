"""A DynamoDB client over tables in memory that refuses what the service refuses, and fails as no emulator does."""

import threading
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ReadTimeoutError

from streamjoin.dynamodb.write.changes import VERSION_ATTRIBUTE
from tests.faults.reference import client_error
from tests.item_rules import (
    MAX_BATCH_BYTES,
    MAX_ITEM_BYTES,
    MAX_TRANSACTION_BYTES,
    holds,
    require,
    require_used,
    stored_bytes,
    wire_bytes,
)

Request = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Fault:
    """What becomes of one call.

    Args:
        code: The error that is returned; nothing was done.
        status: Its status.
        unprocessed: How many requests of a BatchWriteItem, from its end, are given back.
        reason: Why a transaction is cancelled, beside conditions that don't hold; for its first action.
        loses_answer: Whether what was asked is done, but the answer gets lost.
    """

    code: str | None = None
    status: int = 400
    unprocessed: int = 0
    reason: str | None = None
    loses_answer: bool = False


NONE = Fault()
THROTTLED = Fault(code="ProvisionedThroughputExceededException")
BROKEN = Fault(code="InternalServerError", status=500)
LOST = Fault(loses_answer=True)
CONFLICT = Fault(reason="TransactionConflict")


@dataclass
class FakeTable:
    """One table; it is found to be in the making by so many calls less one."""

    key_types: Mapping[str, str]
    description: Request = field(default_factory=dict)
    items: dict[Key, Request] = field(default_factory=dict)
    calls_until_active: int = 0
    status: str = "ACTIVE"

    def identity(self, values: Mapping[str, Any]) -> Key:
        found = []
        for name, kind in self.key_types.items():
            require(name in values and set(values[name]) == {kind}, f"key attribute {name} of type {kind} is missing")
            content = values[name][kind]
            require(content not in ("", b""), "a key attribute is empty")
            found.append({"N": Decimal, "S": str, "B": bytes}[kind](content))
        return tuple(found)


@dataclass(frozen=True)
class Written:
    """One write of an item: what was there before, what is there now, and the number that its condition compares."""

    table: str
    key: Key
    before: Request | None
    after: Request | None
    below: int | None


class FakeTables:
    """The calls of boto3's DynamoDB client that sinks make, on any number of tables.

    `next_fault` is asked at each call of the named operation and says what becomes of it. `calls` has what was asked,
    `written` each single write that happened, in order.

    Args:
        tables: Name -> attributes and types of the key.
        page_items: How many items a Scan's page has at most.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, str]] | None = None, *, page_items: int = 3) -> None:
        self.tables = {name: FakeTable(key) for name, key in (tables or {}).items()}
        self.page_items = page_items
        self.next_fault: Callable[[str], Fault] = lambda operation: NONE
        self.calls: list[tuple[str, Request]] = []
        self.written: list[Written] = []
        self.meta = SimpleNamespace(region_name="us-east-1")
        self._lock = threading.RLock()

    def made(self, *operations: str) -> list[Request]:
        return [request for operation, request in self.calls if operation in operations]

    def items(self, table: str) -> list[Request]:
        return list(self.tables[table].items.values())

    def fail(self, *faults: Fault, operation: str | None = None) -> None:
        """Let these become of the next calls, or of the next calls of one operation."""
        left = list(faults)
        self.next_fault = lambda found: left.pop(0) if left and operation in (None, found) else NONE

    def describe_table(self, *, TableName: str) -> Request:
        with self._call("DescribeTable", TableName=TableName):
            table = self._table(TableName, "DescribeTable")
            if table.calls_until_active > 0:
                table.calls_until_active -= 1
            schema = zip(table.key_types, ("HASH", "RANGE"), strict=False)
            return {
                "Table": {
                    "TableStatus": "CREATING" if table.calls_until_active else table.status,
                    # In no particular order, as attributes of indexes may come first.
                    "KeySchema": [{"AttributeName": n, "KeyType": kind} for n, kind in schema][::-1],
                    "AttributeDefinitions": [
                        {"AttributeName": n, "AttributeType": t} for n, t in sorted(table.key_types.items())
                    ],
                }
            }

    def create_table(self, **request: Any) -> Request:
        with self._call("CreateTable", **request):
            if request["TableName"] in self.tables:
                raise client_error("ResourceInUseException", "CreateTable")
            types = {each["AttributeName"]: each["AttributeType"] for each in request["AttributeDefinitions"]}
            names = [each["AttributeName"] for each in request["KeySchema"]]
            require([each["KeyType"] for each in request["KeySchema"]] == ["HASH", "RANGE"][: len(names)], "key schema")
            require(set(types) == set(names), "Number of attributes in KeySchema doesn't match AttributeDefinitions")
            table = FakeTable({name: types[name] for name in names}, request, calls_until_active=2)
            self.tables[request["TableName"]] = table
            return {}

    def get_item(self, *, TableName: str, Key: Request, ConsistentRead: bool) -> Request:
        require(ConsistentRead, "what was just written might not be seen")
        with self._call("GetItem", TableName=TableName, Key=Key):
            table = self._table(TableName, "GetItem")
            found = table.items.get(table.identity(Key))
            return {"Item": deepcopy(found)} if found else {}

    def put_item(self, *, TableName: str, Item: Request, **condition: Any) -> Request:
        with self._call("PutItem", TableName=TableName, Item=Item, **condition):
            self._require_condition("PutItem", TableName, Item, condition)
            self._write(TableName, Item, Item, "PutItem", condition)
            return {}

    def delete_item(self, *, TableName: str, Key: Request, **condition: Any) -> Request:
        with self._call("DeleteItem", TableName=TableName, Key=Key, **condition):
            self._require_condition("DeleteItem", TableName, Key, condition)
            self._write(TableName, Key, None, "DeleteItem", condition)
            return {}

    def update_item(self, *, TableName: str, Key: Request, **update: Any) -> Request:
        with self._call("UpdateItem", TableName=TableName, Key=Key, **update):
            require(update["UpdateExpression"] == "SET #v = :v", "the one update that sinks make")
            self._require_condition("UpdateItem", TableName, Key, update)
            table = self._table(TableName, "UpdateItem")
            changed = {update["ExpressionAttributeNames"]["#v"]: update["ExpressionAttributeValues"][":v"]}
            self._write(TableName, Key, {**table.items[table.identity(Key)], **changed}, "UpdateItem", update)
            return {}

    def batch_write_item(self, *, RequestItems: Request) -> Request:
        with self._call("BatchWriteItem", RequestItems=RequestItems) as fault:
            asked = [(table, request) for table, requests in RequestItems.items() for request in requests]
            require(1 <= len(asked) <= 25, f"Too many items requested for the BatchWriteItem call: {len(asked)}")
            require(wire_bytes(RequestItems) <= MAX_BATCH_BYTES, "the request is too large")
            writes = []
            for table, request in asked:
                ((kind, content),) = request.items()
                require(kind in ("PutRequest", "DeleteRequest"), kind)
                put = content["Item"] if kind == "PutRequest" else None
                writes.append((table, put or content["Key"], put))
            self._require_distinct(writes, "BatchWriteItem")
            processed = len(asked) - min(fault.unprocessed, len(asked))
            for write in writes[:processed]:
                self._write(*write, "BatchWriteItem")
            left: dict[str, list[Request]] = {}
            for table, request in asked[processed:]:
                left.setdefault(table, []).append(deepcopy(request))
            return {"UnprocessedItems": left}

    def transact_write_items(self, *, TransactItems: list[Request]) -> Request:
        with self._call("TransactWriteItems", TransactItems=TransactItems) as fault:
            require(1 <= len(TransactItems) <= 100, f"{len(TransactItems)} actions")
            actions = [next(iter(each.values())) for each in TransactItems]
            writes = [(each["TableName"], each.get("Item") or each["Key"], each.get("Item")) for each in actions]
            self._require_distinct(writes, "TransactWriteItems")
            in_all_bytes = sum(stored_bytes(values) for _, values, _ in writes)
            require(in_all_bytes <= MAX_TRANSACTION_BYTES, f"a transaction of {in_all_bytes} bytes")
            reasons = [
                "None" if self._holds(table, values, each) else "ConditionalCheckFailed"
                for (table, values, _), each in zip(writes, actions, strict=True)
            ]
            if fault.reason:
                reasons[0] = fault.reason
            if set(reasons) != {"None"}:
                error = client_error("TransactionCanceledException", "TransactWriteItems")
                error.response["CancellationReasons"] = [{"Code": reason} for reason in reasons]  # type: ignore[typeddict-unknown-key]
                raise error
            for write, each in zip(writes, actions, strict=True):
                self._write(*write, "TransactWriteItems", each)
            return {}

    def scan(self, **request: Any) -> Request:
        with self._call("Scan", **request):
            table = self._table(request["TableName"], "Scan")
            require(request["ConsistentRead"], "what was just written might not be seen")
            names = request["ExpressionAttributeNames"]
            start = request.get("ExclusiveStartKey")
            keys = sorted(each for each in table.items if start is None or each > table.identity(start))
            page = [table.items[key] for key in keys[: self.page_items]]
            wanted = [names[each] for each in request["ProjectionExpression"].split(", ")]
            answer: Request = {"Items": [{n: deepcopy(item[n]) for n in wanted if n in item} for item in page]}
            if len(keys) >= self.page_items:
                answer["LastEvaluatedKey"] = {name: page[-1][name] for name in table.key_types}
            return answer

    def _table(self, name: str, operation: str) -> FakeTable:
        if name not in self.tables:
            raise client_error("ResourceNotFoundException", operation)
        return self.tables[name]

    def _write(
        self, table: str, key: Request, item: Request | None, operation: str, condition: Request | None = None
    ) -> None:
        found = self._table(table, operation)
        if item is not None and stored_bytes(item) > MAX_ITEM_BYTES:
            raise client_error("ValidationException", operation)
        identity = found.identity(key)
        before = found.items.pop(identity, None)
        if item is not None:
            found.items[identity] = deepcopy(item)
        self.written.append(Written(table, identity, before, item, _below(condition or {})))

    def _require_distinct(self, writes: Iterable[tuple[str, Request, Request | None]], operation: str) -> None:
        identities = []
        for table, values, item in writes:
            identities.append((table, self._table(table, operation).identity(values)))
            if item is not None and stored_bytes(item) > MAX_ITEM_BYTES:
                raise client_error("ValidationException", operation)
        require(len(set(identities)) == len(identities), "two requests are for one item")

    def _require_condition(self, operation: str, table: str, values: Request, condition: Request) -> None:
        if not self._holds(table, values, condition):
            raise client_error("ConditionalCheckFailedException", operation)

    def _holds(self, table: str, values: Request, request: Request) -> bool:
        expression = request.get("ConditionExpression")
        require_used(request)
        if expression is None:
            return True
        found = self._table(table, "PutItem")
        item = found.items.get(found.identity(values), {})
        names, given = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        return holds(expression, item, names, given)

    def _call(self, operation: str, **request: Any) -> "_Call":
        return _Call(self, operation, request)


def _below(condition: Request) -> int | None:
    """Return the version below which the item that is there must be, whatever it is called in the condition."""
    marks = [mark for mark, name in condition.get("ExpressionAttributeNames", {}).items() if name == VERSION_ATTRIBUTE]
    return int(condition["ExpressionAttributeValues"][f":{marks[0][1:]}"]["N"]) if marks else None


class _Call:
    """One call, with whatever becomes of it."""

    def __init__(self, tables: FakeTables, operation: str, request: Request) -> None:
        self._tables, self._operation, self._request = tables, operation, request

    def __enter__(self) -> Fault:
        self._tables._lock.acquire()
        # What a caller changes of a request later must not change what was recorded.
        self._tables.calls.append((self._operation, deepcopy(self._request)))
        self._fault = self._tables.next_fault(self._operation)
        if self._fault.code:
            self._tables._lock.release()
            raise client_error(self._fault.code, self._operation, self._fault.status)
        return self._fault

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._tables._lock.release()
        if self._fault.loses_answer:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
