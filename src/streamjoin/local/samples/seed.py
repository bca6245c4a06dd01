"""Filling a DynamoDB table with sample items: those of a file, or those that come with the package.

Source: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html: 25 items a call, none of them
twice; what isn't processed has to be sent again.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import Remedies, translated
from streamjoin.dynamodb.table import find
from streamjoin.errors import SinkError
from streamjoin.local.samples.samples import SAMPLES, SampleName
from streamjoin.local.samples.seed_file import read_items
from streamjoin.local.tables import ITEMS_PER_WRITE, Item, create_table, put_items


@dataclass(frozen=True)
class Seeded:
    """What was written: items given, and items of them that a later one of the same key took the place of."""

    items: int
    replaced: int
    created: bool

    def __str__(self) -> str:
        made = ", in a new table" if self.created else ""
        twice = f", {self.replaced:,} of them in place of an earlier one" if self.replaced else ""
        return f"{self.items:,} items written{made}{twice}"


@dataclass(frozen=True)
class Key:
    """The names of a table's key, as the command line has them; None if it doesn't."""

    partition: str | None = None
    sort: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The key's attributes, the partition key first."""
        return tuple(name for name in (self.partition, self.sort) if name is not None)


def seed_table(
    source: str,
    table_name: str,
    *,
    records: int | None = None,
    seed: int = 0,
    create: bool = False,
    key: Key = Key(),
    region: str | None = None,
) -> Seeded:
    """Write items into a table, 25 a call; unprocessed ones are sent again.

    Delivery: each item at least once; writing all of them again leaves the same table. Of two items with one key the
        later one stays.

    Args:
        source: `orders`, `receipts`, or the path of a file: a JSON array of plain items, one a line, or lines of
            `{"Item": {...}}` in DynamoDB JSON.
        table_name: The table.
        records: How many items; of a file the first so many. Default: all of a file, else the sample's own number.
        seed: Another seed makes other samples.
        create: Make the table, on demand and with a stream of new and old images, if it is missing.
        key: Of a table that is made for a file.
        region: Default: the SDK's.

    Raises:
        SinkError: There is no such table and `create` isn't set; or it takes nothing; or the file can't be read.
        AwsSettingsError: No client can be made, as without a region.
    """
    sample = SAMPLES[SampleName(source)] if source in set(SampleName) else None
    items: Iterable[Item]
    if sample is not None:
        items = sample.items(sample.records if records is None else records, seed)
    else:
        items = _first(read_items(source), records)
    client = aws_client("dynamodb", region)
    errors_of = partial(_errors, client, table_name)
    found = find(client, table_name, errors_of)
    is_created = found is None
    if found is not None:
        names = tuple(found.key_types)
    else:
        if not create:
            raise _missing(client, table_name, is_file=sample is None)
        if sample is None:
            # The types of the key are those of the file's first item.
            items, keys = _key_types(iter(items), source, key)
        else:
            keys = dict(sample.keys)
        create_table(client, table_name, keys)
        names = tuple(keys)
    blocks = Blocks(names, source)
    with errors_of("BatchWriteItem"):
        put_items(client, table_name, blocks.each(items))
    return Seeded(blocks.given, blocks.replaced, is_created)


class Blocks:
    """Puts items in an order in which no call has one key twice.

    Args:
        key_names: The attributes of the key.
        source: Where the items come from, for messages.

    Attributes:
        given: Items seen so far.
        replaced: Items that took the place of one in the same call.
    """

    def __init__(self, key_names: tuple[str, ...], source: str) -> None:
        self._key_names, self._source = key_names, source
        self.given = self.replaced = 0

    def each(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; a later one of a key in the same block of 25 takes the place of the one before.

        Raises:
            SinkError: An item has no key.
        """
        block: dict[tuple[Any, ...], Item] = {}
        for item in items:
            self.given += 1
            missing = [name for name in self._key_names if item.get(name) is None]
            if missing:
                message = (
                    f"'{self._source}', item {self.given}: it has no '{missing[0]}', which is part of the table's key"
                )
                raise SinkError(message)
            key = tuple(item[name] for name in self._key_names)
            self.replaced += key in block
            block[key] = item
            if len(block) == ITEMS_PER_WRITE:
                yield from block.values()
                block = {}
        yield from block.values()


def _first(items: Iterator[Item], records: int | None) -> Iterator[Item]:
    for number, item in enumerate(items):
        if records is not None and number >= records:
            return
        yield item


def _key_types(items: Iterator[Item], source: str, key: Key) -> tuple[Iterator[Item], dict[str, str]]:
    """Return the items, and key and types of a table that is made for them."""
    if key.partition is None:
        message = (
            f"'{source}': a table that is made for it needs a key; give --partition-key, and --sort-key if it has one"
        )
        raise SinkError(message)
    first = next(items, None)
    if first is None:
        message = f"'{source}': it has no items, so that the types of the key aren't known"
        raise SinkError(message)

    def all_items() -> Iterator[Item]:
        yield first
        yield from items

    return all_items(), {name: _key_type(source, name, first.get(name)) for name in key.names}


def _key_type(source: str, name: str, value: Any) -> str:
    if isinstance(value, str):
        return "S"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return "N"
    if isinstance(value, bytes):
        return "B"
    message = f"'{source}', item 1: '{name}' can't be a key: expected text, a number or binary"
    raise SinkError(message)


def _missing(client: Any, table_name: str, *, is_file: bool) -> SinkError:
    key = " --partition-key NAME [--sort-key NAME]" if is_file else ""
    return SinkError(
        f"table '{table_name}' isn't there in region '{client.meta.region_name}' at '{client.meta.endpoint_url}'; "
        f"make it with --create{key}, or name another one with --table or --region"
    )


def _errors(client: Any, table_name: str, operation: str) -> AbstractContextManager[None]:
    remedies = Remedies(
        missing="Make the table with --create.",
        denied=f"Allow dynamodb:{operation} on the table.",
        throttled="Raise the table's write capacity.",
        unreachable="Check the network, the credentials, --region and AWS_ENDPOINT_URL.",
    )
    return translated(SinkError, f"table '{table_name}' in region '{client.meta.region_name}': {operation}", remedies)
