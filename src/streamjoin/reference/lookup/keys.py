"""By which key of a table, or of an index, the items of a join key can be fetched."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamjoin.config.stages import ReferenceSettings
from streamjoin.dynamodb.service import Item
from streamjoin.dynamodb.table import IndexDescription, KeyAttribute, TableDescription
from streamjoin.errors import ReferenceTableError
from streamjoin.reference.lookup.key_values import KeyValue, stored_value

# About 0.6 GB in the driver.
SNAPSHOT_ITEMS: Final = 1_000_000

Key = tuple[KeyValue, ...]
"""The values of a key's attributes, each in the one form that `key_values` gives it."""


@dataclass(frozen=True)
class KeyAccess:
    """How the items of a join key are fetched.

    Args:
        hash_keys: The hash key's attributes.
        range_keys: The range key's, if the join key has them too.
        is_unique: Whether the two are the primary key: one item at most, by BatchGetItem. Else Query finds any number.
        index_name: None for the table itself.
        is_consistent: Whether a read sees every write before it; a global index lags behind its table.
    """

    hash_keys: tuple[KeyAttribute, ...]
    range_keys: tuple[KeyAttribute, ...]
    is_unique: bool
    index_name: str | None = None
    is_consistent: bool = True

    @property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """The attributes whose values a key consists of."""
        return self.hash_keys + self.range_keys

    def key_of(self, item: Item) -> Key:
        """Return the key of an item, in the form that an event's key has."""
        return tuple(stored_value(item[each.name]) for each in self.attributes)

    def values(self, key: Key) -> dict[str, dict[str, Any]]:
        """Return a key as the service takes it."""
        return {each.name: {each.type: value} for each, value in zip(self.attributes, key, strict=True)}


def looks_up(settings: ReferenceSettings, description: TableDescription) -> bool:
    """Tell whether items are looked up: with `mode: auto` those of large tables whose keys allow it.

    Args:
        settings: The reference.
        description: Its table.
    """
    if settings.mode != "auto":
        return settings.mode == "lookup"
    if settings.on_change == "rewrite_rows" or description.items <= SNAPSHOT_ITEMS:
        return False
    index = index_of(description, settings.dynamodb.index_name)
    return plan_lookup(description, list(settings.on.values()), index) is not None


def plan_lookup(
    description: TableDescription, on_attributes: Sequence[str], index: IndexDescription | None
) -> KeyAccess | None:
    """Find the key that the join attributes are: the named index's, else the primary key, else its hash key.

    Args:
        description: The table.
        on_attributes: The join attributes, in any order.
        index: The index that the configuration names. It comes first: it may hold fewer items, on purpose.

    Returns:
        None if the join attributes are none of these keys, or more or fewer than one.
    """
    wanted = set(on_attributes)
    if index is not None:
        for range_keys in ((), index.range_keys):
            if wanted == _names((*index.hash_keys, *range_keys)):
                return KeyAccess(index.hash_keys, range_keys, False, index.name, not index.is_global)
    hash_keys = description.key[:1]
    if wanted == _names(description.key):
        return KeyAccess(hash_keys, description.key[1:], True)
    if wanted == _names(hash_keys):
        return KeyAccess(hash_keys, (), False)
    return None


def index_of(table: TableDescription, index_name: str | None) -> IndexDescription | None:
    """Return the secondary index of this name; None if none is named.

    Raises:
        ReferenceTableError: The table has no such index, or not yet.
    """
    if index_name is None:
        return None
    where = f"reference table '{table.table_name}'"
    index = next((each for each in table.indexes if each.name == index_name), None)
    if index is None:
        there = ", ".join(repr(each.name) for each in table.indexes) or "none"
        message = (
            f"{where} has no index '{index_name}'; it has {there}. Correct dynamodb.index_name of the reference, or "
            "leave it out."
        )
        raise ReferenceTableError(message)
    if index.status not in ("ACTIVE", "UPDATING") or not index.is_filled:
        message = (
            f"{where}: index '{index_name}' can't be read while it is {index.status}. Wait until it is ACTIVE, or "
            "leave out dynamodb.index_name of the reference."
        )
        raise ReferenceTableError(message, retryable=index.status == "CREATING")
    return index


def require_projected(index: IndexDescription, table_name: str, attributes: Collection[str]) -> None:
    """Check that an index holds what a reference reads.

    Raises:
        ReferenceTableError: Names the attributes that it doesn't hold.
    """
    if index.attributes is None:
        return
    missing = [each for each in attributes if each not in index.attributes]
    if missing:
        message = (
            f"reference table '{table_name}': index '{index.name}' doesn't project {', '.join(map(repr, missing))}; "
            f"it has {', '.join(map(repr, sorted(index.attributes)))}. Take them out of the reference's `columns`, or "
            "name an index in dynamodb.index_name that projects them."
        )
        raise ReferenceTableError(message)


def no_access(description: TableDescription, on_attributes: Sequence[str], index: IndexDescription | None) -> str:
    """Return why `plan_lookup` found nothing, and what to do."""
    on = ", ".join(map(repr, dict.fromkeys(on_attributes)))
    keys = f"its primary key is {_listed(description.key)}"
    if index is not None:
        keys += f", index '{index.name}' has the hash key {_listed(index.hash_keys)}"
        if index.range_keys:
            keys += f" and the range key {_listed(index.range_keys)}"
    return (
        f"table '{description.table_name}': mode lookup needs a join key that is the table's primary key, or its hash "
        f"key, or an index's; `on` names {on}, {keys}. Set mode: snapshot for the reference, or name a secondary index "
        f"whose hash key is {on} in dynamodb.index_name."
    )


def _names(keys: Sequence[KeyAttribute]) -> set[str]:
    return {each.name for each in keys}


def _listed(keys: Sequence[KeyAttribute]) -> str:
    return " and ".join(f"'{each.name}' ({each.type})" for each in keys)
