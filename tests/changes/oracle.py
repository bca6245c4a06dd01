"""Capture over plain lists: what every property is compared with. No Spark, no Hudi, nothing of streamjoin."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """One change, as it happened; its place orders the changes of its item."""

    key: str
    operation: str
    new: Item | None
    old: Item | None
    place: int


@dataclass
class Source:
    """A DynamoDB table: what happens to it, and what it has."""

    items: dict[str, Item] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)

    def put(self, key: str, item: Item) -> Told | None:
        """Write an item; one that is there already is no change."""
        old = self.items.get(key)
        if old == item:
            return None
        self.items[key] = item
        return self._tell(key, "INSERT" if old is None else "MODIFY", item, old)

    def remove(self, key: str) -> Told | None:
        """Delete an item; one that isn't there is no change."""
        old = self.items.pop(key, None)
        return None if old is None else self._tell(key, "REMOVE", None, old)

    def _tell(self, key: str, operation: str, new: Item | None, old: Item | None) -> Told:
        change = Told(key, operation, new, old, len(self.told))
        self.told.append(change)
        return change


def current(delivered: Iterable[Told]) -> dict[str, Item]:
    """Return the items after these changes, in whatever order and however often each comes."""
    newest: dict[str, Told] = {}
    for change in delivered:
        if change.key not in newest or change.place > newest[change.key].place:
            newest[change.key] = change
    return {key: change.new for key, change in newest.items() if change.new is not None}


def changelog(delivered: Iterable[Told]) -> list[Told]:
    """Return each change once, in the order in which they happened."""
    return sorted(set_of(delivered).values(), key=lambda change: change.place)


def set_of(delivered: Iterable[Told]) -> dict[int, Told]:
    """Return each change by its place."""
    return {change.place: change for change in delivered}
