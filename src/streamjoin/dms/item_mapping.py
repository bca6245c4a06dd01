"""How the rows of one table become items of one DynamoDB table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from streamjoin.dms.condition import Condition
from streamjoin.dms.document import Document, Row, Scalar
from streamjoin.dms.item_size import MAX_ITEM_BYTES, item_bytes, utf8_bytes
from streamjoin.dms.object_mapping import RESERVED_ATTRIBUTES
from streamjoin.dms.rejected import RowRejected, RowRejectReason
from streamjoin.dms.source_table import SourceTable

# Source: DynamoDB's limits for the values of a partition key and of a sort key.
_MAX_PARTITION_KEY_BYTES: Final = 2048
_MAX_SORT_KEY_BYTES: Final = 1024
_RESERVED_BYTES: Final = item_bytes(RESERVED_ATTRIBUTES)


@dataclass(frozen=True)
class ItemMapping:
    """What `TableMappings.for_table` found for a table. Rows become items by it alone: pure, safe in threads.

    Args:
        source: The table.
        target_table: The DynamoDB table.
        partition_key: Attribute.
        sort_key: Attribute, if the key has two.
        attributes: What makes each attribute, by name; those of the key are of the type S, N or B.
        absent: Columns that the rules name and the table, as it was then, did not have; NULL in each row.
        condition: Under which rows are written.
    """

    source: SourceTable
    target_table: str
    partition_key: str
    sort_key: str | None
    attributes: Mapping[str, Document]
    absent: frozenset[str] = frozenset()
    condition: Condition | None = None

    @cached_property
    def key_types(self) -> Mapping[str, str]:
        """Each attribute of the key with its type S, N or B: partition key, then sort key."""
        names = (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)
        return {name: made.type for name in names if isinstance(made := self.attributes[name], Scalar)}

    @cached_property
    def one_item_a_row(self) -> bool:
        """Whether the item's key has all columns of the primary key; else two rows can be one item, as DMS allows."""
        in_key = {
            column
            for name in self.key_types
            for _, made in self.attributes[name].templates()
            for column in made.columns
        }
        return bool(self.source.primary_key) and in_key >= set(self.source.primary_key)

    @cached_property
    def is_keyless(self) -> bool:
        """Whether no row has a key, as the table, as it was then, did not have the columns that make it."""
        made = (self.attributes[name].templates() for name in self.key_types)
        columns = ({column for _, template in templates for column in template.columns} for templates in made)
        return any(each and each <= self.absent for each in columns)

    def item(self, row: Row) -> dict[str, dict[str, Any]]:
        """Return the row as an item in DynamoDB's own form, such as `{"code": {"S": "IN"}}`.

        Args:
            row: A value for each column of the source.

        Raises:
            RowRejected: The row can't be an item.
        """
        row = self._whole(row)
        item = self._key(row)
        for name, document in self._others:
            value = document.build(row, name)
            if value is not None:
                item[name] = value
        size = self._measured(item)
        if size > MAX_ITEM_BYTES - _RESERVED_BYTES:
            problem = f"the item of {self._named} has about {size} bytes; allowed: {MAX_ITEM_BYTES - _RESERVED_BYTES}"
            raise RowRejected(RowRejectReason.ITEM_TOO_LARGE, f"{problem}. Leave columns out with exclude-columns")
        return item

    def key(self, row: Row) -> dict[str, dict[str, Any]]:
        """Return the key of the row's item, as `item` has it.

        Raises:
            RowRejected: The row has no key.
        """
        return self._key(self._whole(row))

    @cached_property
    def _others(self) -> list[tuple[str, Document]]:
        return [(name, made) for name, made in self.attributes.items() if name not in self.key_types]

    @property
    def _named(self) -> str:
        return f"table '{self.source}' for '{self.target_table}'"

    def _whole(self, row: Row) -> Row:
        return {**dict.fromkeys(self.absent), **row} if self.absent else row

    def _key(self, row: Row) -> dict[str, dict[str, Any]]:
        key: dict[str, dict[str, Any]] = {}
        for name, kind in self.key_types.items():
            value = self.attributes[name].build(row, name)
            if value is None:
                problem = f"key attribute '{name}' of {self._named} is NULL; allowed: a value in every row"
                raise RowRejected(RowRejectReason.MISSING_KEY, problem)
            key[name] = value
            self._check_length(name, kind, value)
        return key

    def _check_length(self, name: str, kind: str, value: Mapping[str, Any]) -> None:
        if kind == "N":
            return
        allowed = _MAX_PARTITION_KEY_BYTES if name == self.partition_key else _MAX_SORT_KEY_BYTES
        length = self._measured({name: value}) - utf8_bytes(name)
        if length == 0:
            problem = f"key attribute '{name}' of {self._named} is empty, which DynamoDB doesn't take"
            raise RowRejected(RowRejectReason.EMPTY_KEY, problem)
        if length > allowed:
            problem = f"key attribute '{name}' of {self._named} has {length} bytes; allowed: {allowed}"
            raise RowRejected(RowRejectReason.KEY_TOO_LONG, problem)

    def _measured(self, item: Mapping[str, Mapping[str, Any]]) -> int:
        try:
            return item_bytes(item)
        except UnicodeEncodeError as error:
            problem = f"a text of {self._named} has half a character, which UTF-8 has no form for"
            raise RowRejected(RowRejectReason.NOT_TEXT, problem) from error
