"""Write items to DynamoDB tables so that the newest of each stays, whatever is repeated."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any, Final

from streamjoin.dynamodb.read.pages import projection, scan_pages
from streamjoin.dynamodb.table import TableDescription
from streamjoin.dynamodb.threads import in_threads
from streamjoin.dynamodb.write.calls import ItemCalls, ItemClient, WriteCounts
from streamjoin.dynamodb.write.changes import (
    JOB_ATTRIBUTE,
    VERSION_ATTRIBUTE,
    Delete,
    ItemChange,
    Put,
    PutCondition,
    condition_of,
    needed,
)
from streamjoin.dynamodb.write.requests import BATCH, TRANSACTION, divide

__all__ = [
    "JOB_ATTRIBUTE",
    "VERSION_ATTRIBUTE",
    "Delete",
    "ItemChange",
    "ItemWriter",
    "Put",
    "PutCondition",
    "WriteCounts",
]

log = logging.getLogger(__name__)


_OWN_ATTRIBUTES: Final = {VERSION_ATTRIBUTE, JOB_ATTRIBUTE}


def _version_and_job(item: Mapping[str, Any]) -> tuple[int | None, str | None]:
    version = item.get(VERSION_ATTRIBUTE, {}).get("N")
    return None if version is None else int(Decimal(version)), item.get(JOB_ATTRIBUTE, {}).get("S")


def _nothing() -> None:
    """Let everything be written."""


class ItemWriter:
    """Writes items of any tables of one region, a number of calls at a time.

    Delivery: each item carries its version. A conditional write never replaces an item that is as new or newer, so it
    may be repeated as often as one likes; a put that is older than a deletion brings the item back until the deletion
    is repeated too, so a process that goes back must go through all that followed. A plain write replaces whatever is
    there: it is for changes that are newer than all that was written. After an error any part of a write may have
    happened, and none of it is still under way but what the network delays.

    Args:
        client: boto3's DynamoDB client; it is shared by the threads.
        threads: How many calls are made at the same time.
        sleep: Waits a number of seconds.
        jitter: Gives numbers in [0, 1) that spread the tries of several threads.
        check: Called before each call; raises when nothing may be written any more, as `ControlTable.check` does.
    """

    def __init__(
        self,
        client: ItemClient,
        *,
        threads: int = 8,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        check: Callable[[], None] = _nothing,
    ) -> None:
        self._client, self._threads = client, threads
        self._calls = ItemCalls(client, sleep, jitter, check)

    def write(self, changes: Sequence[ItemChange], *, conditional: bool) -> WriteCounts:
        """Write the newest change of each item; returns when all are written.

        A conditional write costs twice as many write units, for it is made of transactions: one call for 100 items
        instead of 100 calls. Puts that have a condition of their own are a call each, after all that have none; those
        of one item in their order, as any of them may hold.

        Args:
            changes: In any order; of equally new changes of one item the last counts.
            conditional: Whether only if nothing is as new.

        Raises:
            SinkError: Any part of the changes may not be written.
        """
        of_items = needed(changes)
        counts = WriteCounts(superseded=len(changes) - sum(map(len, of_items)))
        first = [of_item.pop(0) for of_item in of_items if condition_of(of_item[0]) is None]
        write_first = self._calls.write_newer if conditional else self._calls.write
        counts += self._in_threads(write_first, list(divide(first, TRANSACTION if conditional else BATCH)))
        in_turn = [list(chain.from_iterable(of_items[n :: self._threads])) for n in range(self._threads)]
        write_in_turn = partial(self._calls.write_in_turn, conditional=conditional)
        return counts + self._in_threads(write_in_turn, [part for part in in_turn if part])

    def _in_threads(
        self, write_part: Callable[[list[ItemChange], threading.Event], WriteCounts], parts: list[list[ItemChange]]
    ) -> WriteCounts:
        return sum(in_threads(write_part, parts, self._threads, "items"), WriteCounts())

    def delete_older(self, table: str, version: int, mark: str | None) -> int:
        """Delete a job's items that are older than `version`; return how many.

        Items without a version were written by another program: they stay, and a warning says how many there are.

        Args:
            table: The table's name.
            version: Of what stays.
            mark: What the job's items have in `JOB_ATTRIBUTE`; None if they don't have it.

        Raises:
            SinkError: Items may be left that are older.
        """
        deleted = others = 0
        for page in self._pages(table):
            older = []
            for item in page:
                found, job = _version_and_job(item)
                if found is None:
                    others += 1
                elif job == mark and found < version:
                    key = {name: value for name, value in item.items() if name not in _OWN_ATTRIBUTES}
                    older.append(Delete(table, key, version))
            deleted += self.write(older, conditional=True).deletes
        if others:
            log.warning(
                "table '%s': %d items without a number '%s' weren't written by this job: they are left as they are",
                table,
                others,
                VERSION_ATTRIBUTE,
            )
        return deleted

    def has_unmarked(self, table: str) -> bool:
        """Tell whether a table has items with a version that don't say of which job they are.

        Raises:
            SinkError: The table can't be read.
        """
        return any(version is not None and job is None for version, job in self.versions(table))

    def versions(self, table: str) -> Iterator[tuple[int | None, str | None]]:
        """Yield of each item its version and the job that it says it is of; None if it doesn't.

        Raises:
            SinkError: The table can't be read.
        """
        return map(_version_and_job, chain.from_iterable(self._pages(table)))

    def _pages(self, table: str) -> Iterator[list[dict[str, Any]]]:
        """Read keys, versions and jobs of all items, page by page."""
        tries = self._calls.new_tries()

        def call(operation: str, made: Callable[..., Mapping[str, Any]], **request: Any) -> Mapping[str, Any]:
            answer = None
            while answer is None:
                answer = self._calls.call(table, operation, partial(made, **request), tries)
            tries.start_over()
            return answer

        key = TableDescription.of(table, call("DescribeTable", self._client.describe_table, TableName=table)).key_types
        request = {"TableName": table, "ConsistentRead": True, **projection([VERSION_ATTRIBUTE, JOB_ATTRIBUTE, *key])}
        for page in scan_pages(partial(call, "Scan", self._client.scan), request):
            yield [dict(item) for item in page.items]
