"""One change to the values of one row, in plain Python: exact, or rejected with a reason."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa

from streamjoin.capture.changes.partitions import PartitionSource, folder_bytes, partition_source
from streamjoin.capture.changes.read import Images
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.dynamodb.attribute_json import to_json
from streamjoin.dynamodb.attribute_types import MisfitError, Value, converter
from streamjoin.dynamodb.service import Item
from streamjoin.errors import RejectReason
from streamjoin.hudi.partition import MAX_FOLDER_BYTES
from streamjoin.records.change_columns import (
    ATTRIBUTES,
    IS_DELETED,
    KEYS,
    NEW_IMAGE,
    OLD_IMAGE,
    REMOVE,
    REMOVED_BY,
    TTL,
)
from streamjoin.records.values import Rejected
from streamjoin.schema.ddl import TIMESTAMP

INSTANT_PREFIX: Final = "_instant_of_"
"""Before a partition column's name: its time, which is yet to be formatted."""


class RowMaker:
    """Makes of a change what a row has beyond the change's own columns.

    Args:
        layout: The row's.

    Raises:
        SchemaError: A declared column has a type that no DynamoDB value can have.
    """

    def __init__(self, layout: ChangeLayout) -> None:
        self._layout = layout
        fields = layout.value_fields
        self._convert = converter(pa.schema([each.with_name(name) for name, each in fields.items()]))
        self._value_count = len(fields)
        self._key_texts = tuple(layout.key_texts)
        self._placed = frozenset({*fields, *self._key_texts, *layout.drop})
        columns = [*(each.name for each in fields.values()), *layout.key_texts.values()]
        self._key_places = [(columns.index(name), name) for name in layout.record_key if name in columns]
        self._partition_places = [
            (columns.index(each.name), each.name) for each in layout.partitions if each.name in columns
        ]
        self._sources = tuple(map(self._source, layout.text_partitions))
        placed = frozenset({*fields, *self._key_texts})
        self._images = _only(placed - layout.drop) if layout.undeclared == "drop" else _without(layout.drop)
        self.schema = pa.schema([*fields.values(), *self._own_fields()])
        """The columns of what `__call__` returns."""

    def __call__(self, operation: str, created_us: int, images: Images) -> list[Any] | Rejected | None:
        """Return the values of `schema`, or why there is no such row; None if the change leaves the row as it is.

        Args:
            operation: What happened.
            created_us: When.
            images: The item before and after.
        """
        is_removed = operation == REMOVE
        if self._layout.is_current and self._layout.keeps_expired and images.removed_by == TTL:
            return None
        item = images.old_image if is_removed else images.new_image
        if item is None:
            if self._layout.is_current and not is_removed:
                detail = "the record has no new image; the stream's view type must be NEW_IMAGE or NEW_AND_OLD_IMAGES"
                return Rejected(RejectReason.NOT_A_CHANGE, detail)
            item = images.keys
        if self._layout.is_current and is_removed:
            row = self._removed(item)
        else:
            try:
                row = [*self._convert(item), *(_key_text(item, name) for name in self._key_texts)]
            except MisfitError as error:
                return Rejected(RejectReason.WRONG_TYPE, str(error))
            if not is_removed:
                for place, name in self._key_places:
                    if row[place] is None or row[place] == "":
                        detail = f"column '{name}' of the record key is null or empty"
                        return Rejected(RejectReason.MISSING_RECORD_KEY, detail)
        return self._partitioned(row, item, created_us, images, is_removed)

    def _partitioned(
        self, row: list[Any], item: Item, created_us: int, images: Images, is_removed: bool
    ) -> list[Any] | Rejected:
        """Return the whole row."""
        found = [(each.partition.name, each.value(item, created_us)) for each in self._sources]
        for name, value in [*found, *((name, row[place]) for place, name in self._partition_places)]:
            problem = _folder_problem(name, value)
            # What removes an item needs no place of its own if the item's is found by its key.
            needs_none = is_removed and not self._layout.is_fixed
            if problem is not None and not (needs_none and value in (None, "")):
                return Rejected(RejectReason.INVALID_PARTITION, f"partition column '{name}': {problem}")
        row += self._own_values(item, images, is_removed)
        row += self._layout.fixed_partition.values()
        row += [value for _, value in found]
        return row

    def _removed(self, item: Item) -> list[Any]:
        """Return the values of a row that is deleted: none but those that may tell where it is."""
        row: list[Any] = [None] * (self._value_count + len(self._key_texts))
        if self._partition_places:
            try:
                values = self._convert(item)
            except MisfitError:
                return row
            for place, _ in self._partition_places:
                if place < self._value_count:
                    row[place] = values[place]
        return row

    def _own_fields(self) -> "list[pa.Field[Any]]":
        layout = self._layout
        strings = [*layout.key_texts.values(), *([ATTRIBUTES] if layout.keeps_attributes else [])]
        strings += [] if layout.is_current else [KEYS, NEW_IMAGE, OLD_IMAGE, REMOVED_BY]
        return [
            *(pa.field(name, pa.string()) for name in strings),
            *([pa.field(IS_DELETED, pa.bool_())] if layout.is_current else []),
            *(pa.field(name, pa.string()) for name in layout.fixed_partition),
            *map(_source_field, self._sources),
        ]

    def _own_values(self, item: Item, images: Images, is_removed: bool) -> list[Any]:
        if not self._layout.is_current:
            return [
                to_json(images.keys),
                *(None if image is None else to_json(self._images(image)) for image in _both(images)),
                images.removed_by,
            ]
        if not self._layout.keeps_attributes:
            return [is_removed]
        left = {} if is_removed else {name: value for name, value in item.items() if name not in self._placed}
        return [to_json(left) if left else None, is_removed]

    def _source(self, partition: Any) -> PartitionSource:
        return partition_source(partition, self._layout.attribute_of(partition.source or partition.name))


def _both(images: Images) -> tuple[Item | None, Item | None]:
    return images.new_image, images.old_image


def _without(dropped: frozenset[str]) -> Callable[[Item], Item]:
    if not dropped:
        return lambda image: image
    return lambda image: {name: value for name, value in image.items() if name not in dropped}


def _only(kept: frozenset[str]) -> Callable[[Item], Item]:
    return lambda image: {name: value for name, value in image.items() if name in kept}


def _source_field(source: PartitionSource) -> "pa.Field[Any]":
    if source.is_instant:
        return pa.field(INSTANT_PREFIX + source.partition.name, TIMESTAMP)
    return pa.field(source.partition.name, pa.string())


_to_text: Final[Callable[[Mapping[str, Value]], tuple[Any, ...]]] = converter(pa.schema({"value": pa.string()}))


def _key_text(item: Item, name: str) -> str | None:
    value = item.get(name)
    if value is None:
        return None
    if "B" in value:
        return base64.b64encode(value["B"]).decode()
    text: str | None = _to_text({"value": value})[0]
    return text


def _folder_problem(name: str, value: Any) -> str | None:
    """Return why a value is none of a partition's; a time is looked at when it is formatted."""
    if value is None or value == "":
        return "no value can be made of what it is derived from"
    if isinstance(value, str) and (size_bytes := folder_bytes(name, value)) > MAX_FOLDER_BYTES:
        return f"expected a folder of at most {MAX_FOLDER_BYTES} bytes, found {size_bytes}"
    return None
