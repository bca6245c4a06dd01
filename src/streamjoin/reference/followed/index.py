"""Which item is the row of each join key: kept true under changes of single items, without looking at the others."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import not_
from typing import Any, NamedTuple

import pyarrow as pa

from streamjoin.dynamodb.attribute_types import MisfitError, value_reader
from streamjoin.dynamodb.service import Item, unpack
from streamjoin.dynamodb.table import TableDescription
from streamjoin.reference.followed.layout import Layout
from streamjoin.reference.followed.misfits import Misfits
from streamjoin.reference.probe import key_text
from streamjoin.spark.schema import to_spark

Rank = tuple[Any, ...]
"""An item's primary key, as `TableDescription.rank` gives it: equal for one item, and in the service's order."""
Row = tuple[Any, ...]

_CHUNK_ROWS = 50_000
_HASH_BYTES = 16
_NAMED = 3


class ItemChange(NamedTuple):
    """What became of one item: packed before and after, None if it was not there."""

    rank: Rank
    old: bytes | None
    new: bytes | None


@dataclass(frozen=True)
class RowChange:
    """A join key whose row changed; None if there was, or is, no row."""

    before: Row | None
    after: Row | None

    @property
    def any_row(self) -> Row:
        """The row as it is, or else as it was: both have the join key."""
        row = self.before if self.after is None else self.after
        assert row is not None  # noqa: S101  (a change has one of them)
        return row


class JoinIndex:
    """The rows of one reference, a join key each: of several items with one key, that with the lowest primary key.

    A value that doesn't fit its column's type is null and counted; one of the join key leaves its item without a row.

    Invariant: `_winners` has the lowest rank of each join key that an item has; `_rivals` has all ranks of those keys
    that several items have; `_sum` is the sum of the digests of the winners' rows; `misfits` are those of all items.

    Args:
        layout: Which columns a row has.
        types: The attributes' types.
        description: The table.
        items: The table's items, packed, by rank. Not copied: what changes it calls `apply` right after.
    """

    def __init__(
        self, layout: Layout, types: pa.Schema, description: TableDescription, items: Mapping[Rank, bytes]
    ) -> None:
        chosen = [types.field(attribute) for attribute in layout.columns.values()]
        self.schema = pa.schema([(column, each.type) for column, each in zip(layout.columns, chosen, strict=True)])
        keys = frozenset(layout.on.values())
        self._readers: list[tuple[str, Callable[[Item], Any]]] = [
            (column, value_reader(each, is_key=column in keys))
            for column, each in zip(layout.columns, chosen, strict=True)
        ]
        self._key_places = [list(layout.columns).index(column) for column in layout.on.values()]
        self._join_attributes = [layout.columns[column] for column in layout.on.values()]
        self._items = items
        self._description = description
        self._winners: dict[str, Rank] = {}
        self._rivals: dict[str, set[Rank]] = {}
        self.misfits = Misfits(keys, self._name)
        self.without_key = 0
        self._sum = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._winners)

    @property
    def duplicates(self) -> int:
        """Join keys that several items have."""
        return len(self._rivals)

    @property
    def content_hash(self) -> str:
        """Equal for equal rows and types, whatever the order in which they came."""
        types = hashlib.blake2b(to_spark(self.schema).json().encode(), digest_size=_HASH_BYTES).digest()
        return f"{(self._sum + int.from_bytes(types)) % (1 << 8 * _HASH_BYTES):032x}"

    def load(self) -> tuple[list[str], pa.Table]:
        """Take in all items; return join keys and rows, in the same order."""
        keys: list[str] = []
        ranks: list[Rank] = []
        chunks: list[pa.Table] = []
        rows: list[Row] = []
        for rank, packed in self._items.items():
            placed = self._place(rank, packed)
            if placed is None:
                continue
            key, row = placed
            self._add(key, rank)
            keys.append(key)
            ranks.append(rank)
            rows.append(row)
            self._sum += _digest(row)
            if len(rows) == _CHUNK_ROWS:
                chunks.append(as_table(rows, self.schema))
                rows = []
        chunks.append(as_table(rows, self.schema))
        table = pa.concat_tables(chunks)
        if self._rivals:
            is_row = [self._winners[key] == rank for key, rank in zip(keys, ranks, strict=True)]
            self._sum -= sum(_digest(self._row(self._items[rank])) for rank in compress(ranks, map(not_, is_row)))
            keys, table = list(compress(keys, is_row)), table.filter(pa.array(is_row))
        return keys, table

    def rows(self) -> tuple[list[str], pa.Table]:
        """Return the join keys and the rows as they are now, in the same order."""
        found = [self._row(self._items[rank]) for rank in self._winners.values()]
        return list(self._winners), as_table(found, self.schema)

    def apply(self, changes: Sequence[ItemChange]) -> dict[str, RowChange]:
        """Follow what became of items, at most one change each; return the join keys whose row is another now."""
        old_items = {change.rank: change.old for change in changes}
        before: dict[str, Row | None] = {}
        moves: list[tuple[Rank, str | None, str | None]] = []
        for rank, old, new in changes:
            left, entered = self._key_of(rank, old, is_new=False), self._key_of(rank, new, is_new=True)
            moves.append((rank, left, entered))
            for key in (left, entered):
                if key is not None and key not in before:
                    winner = self._winners.get(key)
                    packed = None if winner is None else old_items.get(winner, self._items.get(winner))
                    before[key] = None if winner is None or packed is None else self._row(packed)
        for rank, left, entered in moves:
            if left != entered:
                if left is not None:
                    self._remove(left, rank)
                if entered is not None:
                    self._add(entered, rank)
        changed = {}
        for key, row in before.items():
            winner = self._winners.get(key)
            after = None if winner is None else self._row(self._items[winner])
            if row != after:
                changed[key] = RowChange(row, after)
                self._sum += (0 if after is None else _digest(after)) - (0 if row is None else _digest(row))
        return changed

    def join_key(self, row: Row) -> Row:
        """Return the values of the row's join columns, in the order of `on`."""
        return tuple(row[place] for place in self._key_places)

    def row_of(self, item: Item) -> Row | None:
        """Return the row that an item makes; None if its join key doesn't fit its type."""
        row, reasons = self._read(item)
        return row if self.misfits.has_key(reasons) else None

    def duplicate_error(self) -> str:
        """Return what to say if two items may not have one join key."""
        key, items = self._duplicate()
        return (
            f"reference table '{self._description.table_name}': join key {key} has more than one item: "
            f"{' and '.join(items)}. Remove one, add an attribute to the reference's `on`, or set on_duplicate: first."
        )

    def warnings(self) -> tuple[str, ...]:
        """Return what the owner of the table should know."""
        found = self.misfits.warnings()
        if self._rivals:
            key, items = self._duplicate()
            found.append(
                f"{len(self._rivals)} join keys have more than one item; the one with the lowest primary key is used: "
                f"{key} has {' before '.join(items)}"
            )
        return tuple(found)

    def _duplicate(self) -> tuple[str, list[str]]:
        """Return one join key that several items have, and which they are, the one in use first."""
        ranks = sorted(next(iter(self._rivals.values())))[:_NAMED]
        values = self.join_key(self._row(self._items[ranks[0]]))
        key = ", ".join(f"{name}={value!r}" for name, value in zip(self._join_attributes, values, strict=True))
        return key, [self._name(rank) for rank in ranks]

    def _place(self, rank: Rank, packed: bytes) -> tuple[str, Row] | None:
        """Return join key and row of an item; None, and remembered why, if it has none."""
        row, reasons = self._read(unpack(packed))
        self.misfits.add(rank, reasons)
        if not self.misfits.has_key(reasons):
            return None
        key = key_text(self.join_key(row))
        if key is None:
            self.without_key += 1
            return None
        return key, row

    def _key_of(self, rank: Rank, packed: bytes | None, *, is_new: bool) -> str | None:
        """Return the join key of an item as it was, or now is; keep count of those without a row."""
        if packed is None:
            return None
        if is_new:
            placed = self._place(rank, packed)
            return None if placed is None else placed[0]
        if not self.misfits.discard(rank):
            return None
        key = key_text(self.join_key(self._row(packed)))
        if key is None:
            self.without_key -= 1
        return key

    def _row(self, packed: bytes) -> Row:
        return self._read(unpack(packed))[0]

    def _read(self, item: Item) -> tuple[Row, dict[str, str]]:
        """Return an item's row, null where a value doesn't fit, and why, by column."""
        values, reasons = [], {}
        for column, read in self._readers:
            try:
                values.append(read(item))
            except MisfitError as error:
                values.append(None)
                reasons[column] = str(error)
        return tuple(values), reasons

    def _name(self, rank: Rank) -> str:
        return self._description.name_item(unpack(self._items[rank]))

    def _add(self, key: str, rank: Rank) -> None:
        winner = self._winners.get(key)
        if winner is None:
            self._winners[key] = rank
            return
        self._rivals.setdefault(key, {winner}).add(rank)
        self._winners[key] = min(winner, rank)

    def _remove(self, key: str, rank: Rank) -> None:
        rivals = self._rivals.get(key)
        if rivals is None:
            del self._winners[key]
            return
        rivals.discard(rank)
        self._winners[key] = min(rivals)
        if len(rivals) == 1:
            del self._rivals[key]


def as_table(rows: Iterable[Row], schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table of `schema`'s columns."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, schema, strict=True)], schema=schema)


def _digest(row: Row) -> int:
    # Converted values have one text each (decimals have their column's scale, sets and maps are sorted).
    return int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=_HASH_BYTES).digest())
