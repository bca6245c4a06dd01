"""BatchGetItem and Query for a number of keys: paged, tried again within bounds, and paid for.

A call takes 100 keys, each once. An answer has 16 MB at most, 1 MB of it from one partition: what is beyond comes back
in UnprocessedKeys, as do keys that were throttled.
Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
"""

import heapq
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from streamjoin.aws.backoff import Tries
from streamjoin.aws.errors import code_of
from streamjoin.dynamodb.read.pages import projection
from streamjoin.dynamodb.read_pace import BYTES_PER_UNIT, ReadUnits
from streamjoin.dynamodb.service import Item
from streamjoin.dynamodb.table import KeyAttribute, TableErrors
from streamjoin.errors import ReferenceTableError
from streamjoin.reference.lookup.keys import Key, KeyAccess

KEYS_PER_CALL = 100
# Of items with one join key the one with the lowest primary key counts; the others only if it doesn't fit the types.
ITEMS_PER_KEY = 100
TRIES_WITHOUT_PROGRESS = 5


class ItemClient(Protocol):
    """The two calls of boto3's DynamoDB client that fetching needs."""

    def batch_get_item(self, **request: Any) -> Mapping[str, Any]:
        """Call BatchGetItem."""

    def query(self, **request: Any) -> Mapping[str, Any]:
        """Call Query."""


@dataclass(frozen=True)
class Target:
    """What is fetched from where. Travels to executors.

    Args:
        table_name: The table.
        region: Its region.
        role_arn: A role to assume, for a table of another account.
        access: By which key.
        primary_key: The table's.
        attributes: What to fetch of an item; the attributes of both keys come along.
        item_bytes: How large an item is on average; 0 if that isn't known.
    """

    table_name: str
    region: str
    role_arn: str | None
    access: KeyAccess
    primary_key: tuple[KeyAttribute, ...]
    attributes: tuple[str, ...]
    item_bytes: float = 0.0

    def rank(self, item: Item) -> tuple[Any, ...]:
        """Return what orders items by primary key."""
        return tuple(each.rank(item) for each in self.primary_key)

    def errors_of(self, operation: str) -> AbstractContextManager[None]:
        """Return what turns the SDK's errors of a call into a ReferenceTableError that says what to do."""
        index = f" and on its index '{self.access.index_name}'" if self.access.index_name else ""
        return TableErrors(
            ReferenceTableError,
            str(self),
            "dynamodb.{} of the reference",
            missing="Set dynamodb.table_name, region and index_name of the reference to what is there.",
            throttled=_THROTTLED,
            resource=f"the table{index}",
        ).of(operation)

    def __str__(self) -> str:
        index = f" index '{self.access.index_name}'" if self.access.index_name else ""
        return f"reference table '{self.table_name}'{index} in region '{self.region}'"


_THROTTLED = (
    "Raise the read capacity of the table (or index), or lower max_read_units_per_second of the reference or "
    "limits.max_records_per_batch."
)


@dataclass
class Answer:
    """What became of some keys.

    Args:
        found: Items of each key that was read, lowest primary key first; none if there is no item.
        unread: Keys that were not.
        error: Why; None also if another call's error ended this one.
        consumed_read_units: What it cost, also what failed in the end.
        calls: How many calls it took.
    """

    found: dict[Key, list[Item]] = field(default_factory=dict)
    unread: list[Key] = field(default_factory=list)
    error: ReferenceTableError | None = None
    consumed_read_units: float = 0.0
    calls: int = 0


class ItemReader:
    """Reads the items of keys. Its methods may run in several threads at once.

    Args:
        target: What to read.
        client: boto3's DynamoDB client.
        sleep: Waits a number of seconds.
        jitter: Gives numbers in [0, 1) that spread the tries of several readers.
    """

    def __init__(
        self,
        target: Target,
        client: ItemClient,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._target = target
        self._client = client
        self._new_tries = partial(Tries, TRIES_WITHOUT_PROGRESS, sleep, jitter)
        keys = (*target.access.attributes, *target.primary_key)
        self._projection = projection([*target.attributes, *(each.name for each in keys)])

    def divide(self, keys: Sequence[Key], pace: ReadUnits) -> list[Sequence[Key]]:
        """Return the keys in parts that `read` takes: as many as fit a call that costs a second's units at most."""
        size = 1
        if self._target.access.is_unique:
            # Of each item at least one unit is consumed, also of one that isn't there.
            size = min(KEYS_PER_CALL, pace.page_limit(max(self._target.item_bytes, BYTES_PER_UNIT)) or KEYS_PER_CALL)
        return [keys[start : start + size] for start in range(0, len(keys), size)]

    def read(self, keys: Sequence[Key], pace: ReadUnits, stop: threading.Event) -> Answer:
        """Read one part of `divide`; an error is in the answer, beside what was read before it.

        Args:
            keys: Distinct keys.
            pace: Holds the reading back.
            stop: Set when what is still unread isn't wanted any more.
        """
        answer = Answer(unread=list(keys))
        try:
            if self._target.access.is_unique:
                self._batch_get(pace, stop, answer)
            else:
                for key in keys:
                    self._query(key, pace, stop, answer)
        except ReferenceTableError as error:
            answer.error = error
        return answer

    def _batch_get(self, pace: ReadUnits, stop: threading.Event, answer: Answer) -> None:
        table_name, access = self._target.table_name, self._target.access
        tries = self._new_tries()
        while answer.unread and not stop.is_set():
            left = answer.unread
            wanted = {"Keys": [access.values(key) for key in left], "ConsistentRead": True, **self._projection}
            request = {"RequestItems": {table_name: wanted}, "ReturnConsumedCapacity": "TOTAL"}
            page = self._call("BatchGetItem", partial(self._client.batch_get_item, **request), pace, answer, tries)
            if page is None:
                continue
            rest = (page.get("UnprocessedKeys") or {}).get(table_name) or {"Keys": ()}
            answer.unread = [access.key_of(key) for key in rest["Keys"]]
            refused = set(answer.unread)
            answer.found.update({key: [] for key in left if key not in refused})
            for item in (page.get("Responses") or {}).get(table_name, ()):
                answer.found.setdefault(access.key_of(item), []).append(item)
            if refused:
                message = (
                    f"{self._target}: BatchGetItem left {len(refused)} keys unprocessed time and again. {_THROTTLED}"
                )
                error = ReferenceTableError(message, retryable=True)
                tries.wait(error, progressed=len(refused) < len(left))

    def _query(self, key: Key, pace: ReadUnits, stop: threading.Event, answer: Answer) -> None:
        by_index = self._target.access.index_name is not None
        request = self._query_request(key, pace)
        items: list[Item] = []
        tries = self._new_tries()
        while not stop.is_set():
            page = self._call("Query", partial(self._client.query, **request), pace, answer, tries)
            if page is None:
                continue
            tries.start_over()
            items.extend(page.get("Items", ()))
            # The table gives a hash key's items in the order of their primary keys; an index in that of its own key.
            is_enough = not by_index and len(items) >= ITEMS_PER_KEY
            items = heapq.nsmallest(ITEMS_PER_KEY, items, key=self._target.rank)
            if is_enough or not page.get("LastEvaluatedKey"):
                answer.found[key] = items
                answer.unread.remove(key)
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _query_request(self, key: Key, pace: ReadUnits) -> dict[str, Any]:
        target, access = self._target, self._target.access
        placeholders = {name: placeholder for placeholder, name in self._projection["ExpressionAttributeNames"].items()}
        values = access.values(key)
        request: dict[str, Any] = {
            "TableName": target.table_name,
            "KeyConditionExpression": " AND ".join(f"{placeholders[n]} = :v{i}" for i, n in enumerate(values)),
            "ExpressionAttributeValues": {f":v{i}": value for i, value in enumerate(values.values())},
            "ConsistentRead": access.is_consistent,
            "ReturnConsumedCapacity": "TOTAL",
            **self._projection,
        }
        limit = pace.page_limit(target.item_bytes, is_consistent=access.is_consistent)
        if access.index_name is not None:
            request["IndexName"] = access.index_name
        else:
            limit = min(limit or ITEMS_PER_KEY, ITEMS_PER_KEY)
        return request if limit is None else request | {"Limit": limit}

    def _call(
        self,
        operation: str,
        call: Callable[[], Mapping[str, Any]],
        pace: ReadUnits,
        answer: Answer,
        tries: Tries,
    ) -> Mapping[str, Any] | None:
        """Return a call's answer, when it is paid for; None when it was refused for the moment, after a pause.

        Raises:
            ReferenceTableError: It failed, or was refused often enough.
        """
        started_at = pace.now()
        answer.calls += 1
        try:
            with self._target.errors_of(operation):
                page = call()
        except ReferenceTableError as error:
            # What can't be reached has been waited for long enough; the service's own failures pass.
            if not (error.retryable and code_of(error)):
                raise
            tries.wait(error)
            return None
        consumed = page.get("ConsumedCapacity") or ()
        parts = [consumed] if isinstance(consumed, Mapping) else consumed
        units = sum(float(each.get("CapacityUnits", 0)) for each in parts)
        answer.consumed_read_units += units
        pace.spend(units, started_at=started_at)
        return page
