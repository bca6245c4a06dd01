"""What the rows of a captured table are: which columns, of what, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pyarrow as pa

from streamjoin.hudi.partition import PartitionColumn
from streamjoin.records.change_columns import (
    ATTRIBUTES,
    CHANGE_ID,
    CHANGED_AT,
    CHANGELOG_COLUMNS,
    IS_DELETED,
    ITEM_KEY,
    ORDER,
    RESERVED_FOR_CHANGES,
)
from streamjoin.records.events import RESERVED_COLUMNS
from streamjoin.schema.ddl import TIMESTAMP

_HUDI_PREFIX: Final = "_hoodie_"


@dataclass(frozen=True)
class ChangeLayout:
    """How the changes of one DynamoDB table become the rows of one table of the lake; travels to the executors.

    Args:
        name: `current`: one row an item, that of its newest change. `changelog`: a row a change.
        columns: The declared attributes, by their own names; with `undeclared: evolve` also those found so far.
        undeclared: What becomes of the others in `current`. `keep`: they are in `_attributes`. `evolve`: those are
            that can't be a column. `drop`: they are left out. A changelog has them in its images, whatever this says.
        keeps_expired: Whether `current` keeps the row of an item that expired (Time to Live).
        drop: Attributes that are left out of columns, `_attributes` and images; a changelog's `keys` has the whole key.
        rename: Attribute -> its column.
        record_key: Columns by which users know an item; those not declared are the text of their attribute.
        partition_by: How the partition columns come about; `source` is a column, any attribute, or `changed_at`.
        fixed_partition: Partition columns with one value, in place of `partition_by`.
        is_fixed: Whether the partition of an item never changes: what removes it has to tell it.
    """

    name: Literal["current", "changelog"] = "current"
    columns: pa.Schema = field(default_factory=lambda: pa.schema([]))
    undeclared: Literal["keep", "evolve", "drop"] = "keep"
    keeps_expired: bool = False
    drop: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    record_key: tuple[str, ...] = ()
    partition_by: tuple[PartitionColumn, ...] = ()
    fixed_partition: Mapping[str, str] = field(default_factory=dict)
    is_fixed: bool = False

    @property
    def is_current(self) -> bool:
        """Whether there is one row an item."""
        return self.name == "current"

    @property
    def keeps_attributes(self) -> bool:
        """Whether rows have the column `_attributes`."""
        return self.is_current and self.undeclared != "drop"

    @property
    def partitions(self) -> tuple[PartitionColumn, ...]:
        """The partition columns that a change decides."""
        return () if self.fixed_partition else self.partition_by

    def column_of(self, attribute: str) -> str:
        """Return the name that an attribute's column has, if it has one."""
        return self.rename.get(attribute, attribute)

    def attribute_of(self, column: str) -> str:
        """Return the attribute whose column has this name."""
        return next((attribute for attribute, name in self.rename.items() if name == column), column)

    @property
    def value_fields(self) -> "dict[str, pa.Field[Any]]":
        """Attribute -> its typed column."""
        made = {*self.fixed_partition, *(each.name for each in self.partitions if _is_derived(each))}
        return {
            each.name: each.with_name(self.column_of(each.name)).with_nullable(True)
            for each in self.columns
            if each.name not in self.drop and self.column_of(each.name) not in made
        }

    @property
    def key_texts(self) -> dict[str, str]:
        """Attribute -> column of the record key that is its text, since no column is declared for it."""
        known = {each.name for each in self.value_fields.values()} | set(self.partition_names)
        named = {self.attribute_of(column): column for column in self.record_key if column not in known}
        return {attribute: column for attribute, column in named.items() if attribute not in self.drop}

    @property
    def partition_names(self) -> tuple[str, ...]:
        """The partition columns."""
        return tuple(self.fixed_partition) or tuple(each.name for each in self.partition_by)

    @property
    def text_partitions(self) -> tuple[PartitionColumn, ...]:
        """The partition columns that are made from a change; the others are columns that the row has anyway."""
        valued = {each.name for each in self.value_fields.values()}
        return tuple(each for each in self.partitions if each.name not in valued)

    @property
    def row_schema(self) -> pa.Schema:
        """The columns of the table's rows, in order."""
        strings = [*self.key_texts.values(), *([ATTRIBUTES] if self.keeps_attributes else [])]
        strings += [*self.fixed_partition, *(each.name for each in self.text_partitions)]
        strings += [ITEM_KEY, ORDER] if self.is_current else [ITEM_KEY, CHANGE_ID, ORDER]
        return pa.schema(
            [
                *([] if self.is_current else map(_changelog_field, CHANGELOG_COLUMNS)),
                *self.value_fields.values(),
                *(pa.field(name, pa.string()) for name in strings),
                *([pa.field(IS_DELETED, pa.bool_())] if self.is_current else []),
            ]
        )

    def is_free(self, column: str) -> bool:
        """Return whether a new attribute's column may have this name beside the columns that are no attribute's.

        Upper and lower case count as one, as in Athena.
        """
        valued = {each.name for each in self.value_fields.values()}
        fixed = (name for name in self.row_schema.names if name not in valued)
        taken = {name.lower() for name in (*fixed, *RESERVED_FOR_CHANGES, *RESERVED_COLUMNS)}
        return column.lower() not in taken and not column.lower().startswith(_HUDI_PREFIX)


def _is_derived(partition: PartitionColumn) -> bool:
    return partition.source is not None or partition.format is not None


def _changelog_field(name: str) -> "pa.Field[Any]":
    return pa.field(name, TIMESTAMP if name == CHANGED_AT else pa.string())
