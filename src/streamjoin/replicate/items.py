"""Rows to changes of items: pure, but for the targets that a new table's mapping makes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from streamjoin.dms import ItemMapping
from streamjoin.dms.rejected import RowRejected
from streamjoin.dynamodb.service import Item
from streamjoin.dynamodb.write.items import JOB_ATTRIBUTE, Delete, Put, PutCondition
from streamjoin.mysql.changes import BinlogPosition, LoadedChunk, Row, RowChange
from streamjoin.replicate.job import version_of
from streamjoin.replicate.letters import RejectedRow
from streamjoin.replicate.routes import Routes


@dataclass
class Items:
    """What rows became.

    Args:
        changes: Puts and deletes, in the order of the rows.
        rejected: Rows that can't be items. The item of what they were before, if any, is deleted: the target has what
            a full load would give.
        left_out: Changes of tables that are left out.
    """

    changes: list[Put | Delete] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    left_out: int = 0


# Of a target table: what its items have in `JOB_ATTRIBUTE`; None: nothing.
Mark: TypeAlias = Callable[[str], str | None]


def items_of_changes(rows: Iterable[RowChange], routes: Routes, generation: int, mark: Mark) -> Items:
    """Return what changed rows make of items: an update of key columns deletes the old item and puts the new one."""
    items = Items()
    for change in rows:
        mapping = routes.mapping(change.table)
        if mapping is None:
            items.left_out += 1
            continue
        version = version_of(generation, change.position, change.row)
        old = _key_or_none(mapping, change.before)
        new = None
        if change.after is not None:
            try:
                key, item = mapping.key(change.after), _item(mapping, change.after, mark)
                new = Put(mapping.target_table, key, item, version, _condition_of_changes(mapping))
            except RowRejected as error:
                items.rejected.append(RejectedRow.of_change(change, error))
        if old is not None and (new is None or old != new.key):
            items.changes.append(Delete(mapping.target_table, old, version))
        if new is not None:
            items.changes.append(new)
    return items


def items_of_chunk(
    chunk: LoadedChunk, mapping: ItemMapping, generation: int, since: BinlogPosition, mark: Mark
) -> Items:
    """Return the items of loaded rows.

    Args:
        chunk: The rows.
        mapping: Of their table.
        generation: Of the load.
        since: From where the binlog is followed after the load, or later, but not later than the chunk's own position.
        mark: As `Targets.mark`.
    """
    items = Items()
    version = version_of(generation, chunk.position)
    condition = _condition_of_load(mapping, version_of(generation, since))
    for row in chunk.rows:
        try:
            item = _item(mapping, row, mark)
            items.changes.append(Put(mapping.target_table, mapping.key(row), item, version, condition))
        except RowRejected as error:
            items.rejected.append(RejectedRow.of_load(mapping.source, row, chunk.position, error))
    return items


def _item(mapping: ItemMapping, row: Row, mark: Mark) -> Item:
    item, job = mapping.item(row), mark(mapping.target_table)
    return item if job is None else {**item, JOB_ATTRIBUTE: {"S": job}}


def _condition_of_changes(mapping: ItemMapping) -> PutCondition | None:
    found = mapping.condition
    return PutCondition(found.expression, found.names, found.values) if found and found.during_cdc else None


def _condition_of_load(mapping: ItemMapping, since_version: int) -> PutCondition | None:
    """Return under which condition loaded rows are written.

    What it keeps from being replaced is the item of a row that is there, so that it must not be deleted with what is
    older than the load; and yet it is older than all changes that are followed after it.
    """
    found = mapping.condition
    if not found or not found.during_full_load:
        return None
    return PutCondition(found.expression, found.names, found.values, kept_version=since_version)


def _key_or_none(mapping: ItemMapping, row: Row | None) -> Item | None:
    if row is None:
        return None
    try:
        return mapping.key(row)
    except RowRejected:
        return None  # it never was an item
