"""Partition values of changes: from any attribute, whether it has a column or not, or from the change's own time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from streamjoin.dynamodb.attribute_types import Value, exact
from streamjoin.dynamodb.service import Item
from streamjoin.hudi.partition import ESCAPED, PartitionColumn
from streamjoin.moments import FIRST_US, LAST_US, epoch_us, iso_us
from streamjoin.records.change_columns import CHANGED_AT

_ESCAPED: Final = re.compile(ESCAPED)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PartitionSource:
    """What one partition column is made of.

    Args:
        partition: The column.
        attribute: Whose value it is made of; None: the change's time.
    """

    partition: PartitionColumn
    attribute: str | None

    @property
    def is_instant(self) -> bool:
        """Whether `value` is a time, to be formatted, rather than text."""
        return self.partition.format is not None

    def value(self, item: Item, created_us: int) -> str | int | None:
        """Return the text, or the time in microseconds since 1970; None if the item has no such value."""
        if self.attribute is None:
            return created_us if self.is_instant else _iso_text(created_us)
        value = item.get(self.attribute)
        if value is None:
            return None
        return instant_us(value) if self.is_instant else _text(value)


def partition_source(partition: PartitionColumn, attribute: str) -> PartitionSource:
    """Return what `partition` is made of.

    Args:
        partition: The column.
        attribute: The attribute that its source names, by its own name or by its column's.
    """
    source = partition.source or partition.name
    return PartitionSource(partition, None if source == CHANGED_AT else attribute)


def instant_us(value: Value) -> int | None:
    """Return the time that a value tells, in microseconds since 1970, or None.

    A number is an epoch in s, ms or microseconds, by its magnitude; a text is a date or a time of ISO 8601, in UTC
    if it names no zone.
    """
    if "N" in value:
        found = epoch_us(exact(value["N"]))
        return found if FIRST_US <= found <= LAST_US else None
    return iso_us(value["S"]) if "S" in value else None


def folder_bytes(name: str, text: str) -> int:
    """Return how many bytes the folder `name=text` takes, escaped."""
    return len(name.encode()) + 1 + len(text.encode()) + 2 * len(_ESCAPED.findall(text))


def _iso_text(created_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=created_us)).isoformat()


def _text(value: Mapping[str, object]) -> str | None:
    for kind in ("S", "N"):
        if kind in value:
            return str(value[kind]) or None
    return str(value["BOOL"]).lower() if "BOOL" in value else None
