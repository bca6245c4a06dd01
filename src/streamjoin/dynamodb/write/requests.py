"""What is sent to DynamoDB to write items, in calls that it takes.

Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html (25 requests, 16 MB over the
network) and API_TransactWriteItems.html (100 actions, items of 4 MB in all).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from streamjoin.dynamodb.service import Item
from streamjoin.dynamodb.write.changes import VERSION_ATTRIBUTE, ItemChange, Put, PutCondition, condition_of

_MARK: Final = "v"


@dataclass(frozen=True)
class CallLimits:
    """What one call takes.

    Args:
        changes: How many at most.
        bytes: How large they may be in all, as compact JSON in UTF-8.
    """

    changes: int
    bytes: int


# The SDK escapes each character beyond ASCII, which makes JSON three times as large at most.
BATCH: Final = CallLimits(25, 16_000_000 // 3)
# JSON is never smaller than what the service counts: names and values, binary as it is.
TRANSACTION: Final = CallLimits(100, 4_000_000)


def divide(changes: Iterable[ItemChange], limits: CallLimits) -> Iterator[list[ItemChange]]:
    """Yield the changes in parts of one table each that fit into a call; a change that is too large has its own."""
    by_table: dict[str, list[ItemChange]] = {}
    for change in changes:
        by_table.setdefault(change.table, []).append(change)
    for of_table in by_table.values():
        part: list[ItemChange] = []
        part_bytes = 0
        for change in of_table:
            size_bytes = _size_bytes(change)
            if part and (len(part) >= limits.changes or part_bytes + size_bytes > limits.bytes):
                yield part
                part, part_bytes = [], 0
            part.append(change)
            part_bytes += size_bytes
        yield part


def _size_bytes(change: ItemChange) -> int:
    return len(msgspec.json.encode(change.versioned if isinstance(change, Put) else change.key))


def batch_request(change: ItemChange) -> dict[str, Any]:
    """Return a request of BatchWriteItem."""
    if isinstance(change, Put):
        return {"PutRequest": {"Item": change.versioned}}
    return {"DeleteRequest": {"Key": change.key}}


def action(change: ItemChange) -> dict[str, Any]:
    """Return an action of TransactWriteItems that is only taken if nothing is as new."""
    kind = "Put" if isinstance(change, Put) else "Delete"
    return {kind: single_request(change, conditional=True)}


def single_request(change: ItemChange, *, conditional: bool) -> dict[str, Any]:
    """Return the arguments of PutItem or DeleteItem.

    Args:
        change: What to write.
        conditional: Whether only if nothing is as new; a put's own condition counts in either case.
    """
    what = {"Item": change.versioned} if isinstance(change, Put) else {"Key": change.key}
    own = condition_of(change)
    if not conditional:
        condition = _expressions(own.expression, own.names, own.values) if own else {}
    else:
        condition = _newer(change.version, own)
    return {"TableName": change.table, **what, **condition}


def renewal_request(put: Put, version: int) -> dict[str, Any]:
    """Return the arguments of UpdateItem that give an item which is there, and older, the version alone."""
    return {
        "TableName": put.table,
        "Key": put.key,
        "UpdateExpression": f"SET #{_MARK} = :{_MARK}",
        **_expressions(f"#{_MARK} < :{_MARK}", {f"#{_MARK}": VERSION_ATTRIBUTE}, {f":{_MARK}": {"N": str(version)}}),
    }


def _newer(version: int, own: PutCondition | None) -> dict[str, Any]:
    """Return a condition that holds if `own` does and nothing is that is as new as `version`.

    An item without a version is older than any.
    """
    mark = _MARK
    while own and (f"#{mark}" in own.expression or f":{mark}" in own.expression):
        mark += _MARK
    names, values = {f"#{mark}": VERSION_ATTRIBUTE}, {f":{mark}": {"N": str(version)}}
    expression = f"attribute_not_exists(#{mark}) OR #{mark} < :{mark}"
    if own is None:
        return _expressions(expression, names, values)
    return _expressions(f"({own.expression}) AND ({expression})", {**own.names, **names}, {**own.values, **values})


def _expressions(expression: str, names: Mapping[str, str], values: Item) -> dict[str, Any]:
    # The service refuses what is empty.
    others = {"ExpressionAttributeNames": dict(names), "ExpressionAttributeValues": dict(values)}
    return {"ConditionExpression": expression, **{key: found for key, found in others.items() if found}}
