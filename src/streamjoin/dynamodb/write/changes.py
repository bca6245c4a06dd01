"""Changes of items: what is put, what is deleted, and which of several changes of one item count."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

from streamjoin.dynamodb.service import Item

VERSION_ATTRIBUTE: Final = "_binlog"
"""The attribute, a number, that says how new an item is."""

JOB_ATTRIBUTE: Final = "_binlog_job"
"""The attribute, a text, that says which job an item is of; one without it is of the table's owner."""

# Source: docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_VERSIONS: Final = 10**38


@dataclass(frozen=True, slots=True)
class PutCondition:
    """What must hold of the item that is there, or of none, for a put to be written; else the put is needless.

    Args:
        expression: `ConditionExpression`.
        names: `ExpressionAttributeNames`.
        values: `ExpressionAttributeValues`.
        kept_version: What an item that is older than this gets for its version when it is kept because the condition
            doesn't hold: it is then not taken for one whose row is gone. None: it is left as it is.
    """

    expression: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Item = field(default_factory=dict)
    kept_version: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """An item that is written whole.

    Args:
        table: The table's name.
        key: The item's key attributes.
        item: All its attributes, in DynamoDB's own form, without `VERSION_ATTRIBUTE`.
        version: How new it is.
        condition: Under which it is written; it then doesn't take the place of older changes of its item.
    """

    table: str
    key: Item
    item: Item
    version: int
    condition: PutCondition | None = None

    def __post_init__(self) -> None:
        _require_version(self)

    @property
    def versioned(self) -> dict[str, Mapping[str, Any]]:
        """The item as it is stored."""
        return {**self.item, VERSION_ATTRIBUTE: {"N": str(self.version)}}


@dataclass(frozen=True, slots=True)
class Delete:
    """An item that is deleted, whether it is there or not.

    Args:
        table: The table's name.
        key: The item's key attributes.
        version: How new the deletion is.
    """

    table: str
    key: Item
    version: int

    def __post_init__(self) -> None:
        _require_version(self)


ItemChange: TypeAlias = Put | Delete


def _require_version(change: ItemChange) -> None:
    if not 0 <= change.version < _VERSIONS:
        message = (
            f"table '{change.table}': version {change.version} of {named(change)} isn't a whole number of 38 digits"
        )
        raise ValueError(message)


def needed(changes: Iterable[ItemChange]) -> list[list[ItemChange]]:
    """Return for each item the changes that count, one after the other.

    That is the newest, of equally new ones the last. If it has a condition, it is what came before as well, back to
    the last change that has none: whatever was there before that one, is gone with it.
    """
    found: dict[tuple[Any, ...], list[ItemChange]] = {}
    for change in changes:
        found.setdefault(_identity(change), []).append(change)
    for of_item in found.values():
        if len(of_item) > 1:
            of_item.sort(key=lambda change: change.version)
            last = max((index for index, change in enumerate(of_item) if condition_of(change) is None), default=0)
            del of_item[:last]
    return list(found.values())


def condition_of(change: ItemChange) -> PutCondition | None:
    """Return under which condition a change is written, whatever its version."""
    return change.condition if isinstance(change, Put) else None


def named(change: ItemChange) -> str:
    """Return the item's key as text for messages."""
    return ", ".join(f"{name}={next(iter(value.values()))!r}" for name, value in change.key.items())


def _identity(change: ItemChange) -> tuple[Any, ...]:
    """Return what is equal for changes of one item, also if a number is spelled in two ways."""
    return (change.table, *sorted((name, *_content(value)) for name, value in change.key.items()))


def _content(value: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, content),) = value.items()
    if kind == "N":
        return kind, Decimal(content)
    return kind, content if kind == "S" else bytes(content)
