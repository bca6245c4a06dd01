"""What a variant is given, batch by batch, and what its table must hold afterwards.

The process that measures and the one that checks make it both from the same few numbers, so that neither has to hold
what the other needs: not the items of the reference, and not the rows.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from expectation import country_item

from streamjoin.local.samples.orders import COUNTRY_REFERENCE, orders
from streamjoin.local.tables import Item, create_table, put_items

# The emulator sorts all keys for every page, in one thread: segments would wait for each other until they time out.
SCAN_SEGMENTS = 1

Row = tuple[str, str | None]
"""The country of an order, and the combined name that its row must have."""


@dataclass(frozen=True)
class Workload:
    """The events of one stream and the changes of one reference table.

    Args:
        stream_name: Where the events are put.
        table_name: The reference table.
        items: Items of the reference table.
        records: Events of a batch.
        all_items: Whether every event's country is drawn from all items; else it is one of the few of `orders`.
        changes: How many items change right before each batch; batches beyond the last are without a change.
    """

    stream_name: str
    table_name: str
    items: int
    records: int
    all_items: bool = False
    changes: Sequence[int] = ()

    def events(self, batch: int) -> Iterator[dict[str, str]]:
        """Yield the events of batch number `batch`, counted from 0."""
        start = batch * self.records
        for index, event in enumerate(islice(orders(start=start), self.records), start):
            yield event | {"country": self._country(index)} if self.all_items else event

    def changed(self, batch: int) -> list[Item]:
        """Return the new versions of the items that change right before a batch; the first is one that it uses."""
        count = self.changes[batch] if batch < len(self.changes) else 0
        first = self._drawn(batch * self.records) if self.all_items else 0
        return [changed_item((first + offset) % self.items, f"batch {batch}") for offset in range(count)]

    def expected(self, batches: int) -> dict[str, Row]:
        """Return, by uuid, what the rows of so many batches must be: a plain join with the items as of each batch."""
        combined = {item["countryname"]: item["combinedname"] for item in map(country_item, range(self.items))}
        rows: dict[str, Row] = {}
        for batch in range(batches):
            combined |= {item["countryname"]: item["combinedname"] for item in self.changed(batch)}
            rows |= {event["uuid"]: (event["country"], combined.get(event["country"])) for event in self.events(batch)}
        return rows

    def rows_of_changes(self, batch: int) -> int:
        """Return how many events of a batch have a country that changed right before it."""
        names = {item["countryname"] for item in self.changed(batch)}
        return sum(event["country"] in names for event in self.events(batch)) if names else 0

    def _country(self, index: int) -> str:
        return str(country_item(self._drawn(index))["countryname"])

    def _drawn(self, index: int) -> int:
        """Return the number of the item that event number `index` uses: the same in every process."""
        return int.from_bytes(hashlib.blake2b(b"item of %d" % index, digest_size=8).digest()) % self.items


def changed_item(number: int, change: str) -> Item:
    """Return a new version of an item, which says which change it is."""
    item = country_item(number)
    return {**item, "combinedname": f"{item['combinedname']}, changed: {change}"}


def fill(client: Any, table_name: str, items: int) -> None:
    """Create a reference table with so many items and a stream that knows nothing of their being put.

    A table that has been there for a day is like that; and an emulator slows with the records that a stream holds.
    """
    create_table(client, table_name, COUNTRY_REFERENCE.keys)
    client.update_table(TableName=table_name, StreamSpecification={"StreamEnabled": False})
    put_items(client, table_name, map(country_item, range(items)))
    enable_stream(client, table_name)


def enable_stream(client: Any, table_name: str) -> None:
    """Give the table a new stream."""
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.update_table(TableName=table_name, StreamSpecification=stream)


def table_bytes(items: int) -> int:
    """Return what the items of a reference table weigh, as the service counts: UTF-8 of names and texts."""
    attributes = (each for number in range(items) for each in country_item(number).items())
    return sum(len(name.encode()) + len(text.encode()) for name, text in attributes)
