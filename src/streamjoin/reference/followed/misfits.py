"""Values of items that don't fit their columns' types: counted by column, and named by their items."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

# As `index.Rank`, which needs this file.
_Rank = tuple[Any, ...]

_NAMED = 3


class Misfits:
    """The misfits of one reference: values that are null, and items without a row because of their join key.

    Args:
        key_columns: The columns of the join key.
        name_item: Returns the primary key of an item that is there, for messages.
    """

    def __init__(self, key_columns: Collection[str], name_item: Callable[[_Rank], str]) -> None:
        self._key_columns, self._name_item = frozenset(key_columns), name_item
        self._nulls: dict[_Rank, Mapping[str, str]] = {}
        self._keyless: dict[_Rank, Mapping[str, str]] = {}
        self._counts: Counter[str] = Counter()

    @property
    def items(self) -> int:
        """Items without a row."""
        return len(self._keyless)

    @property
    def values(self) -> dict[str, int]:
        """Column -> values that don't fit its type, if there are any."""
        return {column: count for column, count in sorted(self._counts.items()) if count}

    def has_key(self, reasons: Mapping[str, str]) -> bool:
        """Say whether an item with these misfits has a join key.

        Args:
            reasons: Column -> why its value doesn't fit.
        """
        return not reasons or self._key_columns.isdisjoint(reasons)

    def add(self, rank: _Rank, reasons: Mapping[str, str]) -> None:
        """Count the misfits of an item, which has none yet."""
        if reasons:
            (self._nulls if self.has_key(reasons) else self._keyless)[rank] = reasons
            self._counts.update(reasons.keys())

    def discard(self, rank: _Rank) -> bool:
        """Take back what `add` did; say whether the item had a join key."""
        nulls, keyless = self._nulls.pop(rank, {}), self._keyless.pop(rank, {})
        self._counts.subtract([*nulls, *keyless])
        return not keyless

    def error(self, table_name: str) -> str:
        """Return what to say if every value must fit."""
        rank, reasons = next(iter((self._keyless or self._nulls).items()))
        return (
            f"reference table '{table_name}': {self._named(rank, reasons)}. Mend the item, declare a type that holds "
            "its values in the reference's schema, or set on_misfit: null_value."
        )

    def warnings(self) -> list[str]:
        """Return what the owner of the table should know."""
        found = []
        if self._keyless:
            found.append(f"{self.items} items do not fit the schema and match no event: {self._listed(self._keyless)}")
        if self._nulls:
            found.append(
                f"values of {len(self._nulls)} items do not fit their columns and are null: {self._listed(self._nulls)}"
                "; declare types that hold them in the reference's schema"
            )
        return found

    def _listed(self, misfits: Mapping[_Rank, Mapping[str, str]]) -> str:
        shown = [self._named(*each) for each in islice(misfits.items(), _NAMED)]
        return "; ".join([*shown, *(["…"] if len(misfits) > _NAMED else [])])

    def _named(self, rank: _Rank, reasons: Mapping[str, str]) -> str:
        # One attribute may be two columns.
        return f"{self._name_item(rank)}: {', '.join(dict.fromkeys(reasons.values()))}"
