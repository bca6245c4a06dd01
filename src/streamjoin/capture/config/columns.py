"""Which columns a captured table has, and which keys of its entry name one that it can't have.

As in `checks`, an entry may have holes here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa

from streamjoin.capture.config.tables import CHANGED_AT, DAY_OF_CHANGE, CaptureTableSettings
from streamjoin.config.catalog_stages import comment_problems
from streamjoin.config.hudi_options import service_problems
from streamjoin.config.problems import dotted
from streamjoin.config.stage_columns import TIME_TYPES, Column, Columns
from streamjoin.config.values import did_you_mean, reserved_problem
from streamjoin.schema.names import STORABLE_NAME, nested_problems

CHANGE_COLUMNS: Final = frozenset({"_attributes", "_change", "_change_id", "_item_key", "_order", "_table"})
"""Columns that every captured table has, or that a change has on its way there."""
CHANGELOG_COLUMNS: Final = ("operation", "changed_at", "keys", "new_image", "old_image", "removed_by")
"""Columns that a changelog has beside the declared ones."""


def table_problems(table: CaptureTableSettings, at: str) -> list[str]:
    """Return what is wrong with the columns of a table.

    Args:
        table: Its entry, or a draft of it.
        at: The entry's key.
    """
    columns = Columns()
    return [
        *_declared(table, at, columns),
        *_drop(table, at),
        *_rename(table, at),
        *_record_key(table, at, columns),
        *_partitions(table, at, columns),
        *_expired(table, at),
        *service_problems(table.sink.hudi.options, table.sink.hudi.table_services, f"{at}.sink.hudi"),
        *_moving(table, at),
        *_comments(table, at, columns),
    ]


def _comments(table: CaptureTableSettings, at: str, columns: Columns) -> Iterator[str]:
    for partition in table.sink.hudi.partition_by or []:
        if partition.name is not None:
            columns.add(Column(partition.name, None, "sink.hudi.partition_by", ""))
    # Then each attribute becomes a column.
    columns.complete = table.undeclared in ("keep", "drop")
    own = frozenset({*CHANGE_COLUMNS, *CHANGELOG_COLUMNS, DAY_OF_CHANGE})
    yield from comment_problems(table.sink.hudi.glue, columns, own, f"{at}.sink.hudi")


def _expired(table: CaptureTableSettings, at: str) -> Iterator[str]:
    if table.expired == "keep" and table.layout == "changelog":
        yield f"{at}.expired: found keep with layout changelog, which keeps every change; allowed with current only"


def _moving(table: CaptureTableSettings, at: str) -> Iterator[str]:
    if table.layout == "changelog" and table.sink.hudi.partitions == "may_move":
        yield f"{at}.sink.hudi.partitions: found may_move with layout changelog, whose rows stay; allowed: fixed"


def declared_columns(table: CaptureTableSettings) -> Columns:
    """Return the columns that the entry declares, also those that it can't have."""
    columns = Columns()
    list(_declared(table, "", columns))
    return columns


def _declared(table: CaptureTableSettings, at: str, columns: Columns) -> Iterator[str]:
    rename = _renamed(table)
    for field in _fields(table):
        name, key = rename.get(field.name, field.name), f"{at}.schema"
        if field.name in rename:
            key = f"{at}.{dotted(('rename', field.name))}"
        # `rename` checks its own names as any column's.
        reserved = _reserved(table, name) or (reserved_problem(name) if field.name not in rename else None)
        other = columns.like(name)
        if reserved:
            yield f"{key}: {reserved}{_by_rename(field.name)}"
        elif not STORABLE_NAME.fullmatch(name):
            yield f"{key}: Hudi can't store a column named '{name}'{_by_rename(field.name)}"
        elif other:
            yield f"{key}: the column '{name}' is that of {other.origin} already; give each attribute its own column"
        for problem in nested_problems(field):
            yield f"{at}.schema: {problem}; declare '{field.name}' as string, its JSON text"
        columns.add(Column(name, field.type, f"the attribute '{field.name}'", key))


def _by_rename(attribute: str) -> str:
    free = re.sub(r"[^A-Za-z0-9_]", "_", attribute)
    free = free if STORABLE_NAME.fullmatch(free) and free != attribute else f"item_{free.lstrip('_')}"
    return f"; give it another name: rename: {{{attribute}: {free}}}"


def _reserved(table: CaptureTableSettings, name: str) -> str | None:
    lowered = name.lower()
    if lowered in CHANGE_COLUMNS:
        return f"'{name}' is a column of streamjoin's own"
    if lowered in CHANGELOG_COLUMNS and table.layout == "changelog":
        return f"'{name}' is a column that every changelog has"
    return None


def _drop(table: CaptureTableSettings, at: str) -> Iterator[str]:
    declared = [field.name for field in _fields(table)]
    for index, name in enumerate(table.drop if isinstance(table.drop, list) else []):
        if name in declared:
            yield f"{at}.drop[{index}]: found '{name}', which schema declares as a column; take it out of one of them"
        if name in _renamed(table):
            key = dotted(("rename", name))
            yield f"{at}.{key}: found '{name}' renamed, which drop leaves out; take it out of one of them"


def _rename(table: CaptureTableSettings, at: str) -> Iterator[str]:
    fields = [field.name for field in _fields(table)]
    targets: dict[str, str] = {}
    for attribute, name in _renamed(table).items():
        key = f"{at}.{dotted(('rename', attribute))}"
        if attribute not in fields:
            yield from _rename_of_undeclared(table, attribute, name, key)
        twin = targets.setdefault(name.lower(), attribute)
        if twin != attribute and not {twin, attribute} <= set(fields):
            yield f"{key}: found '{name}', the new name of '{twin}' too; give each attribute its own column"


def _rename_of_undeclared(table: CaptureTableSettings, attribute: str, name: str, key: str) -> Iterator[str]:
    reserved = _reserved(table, name)
    if reserved:
        yield f"{key}: {reserved}; use another name"
        return
    if not STORABLE_NAME.fullmatch(name):
        yield f"{key}: Hudi can't store a column named '{name}'; allowed: letters, digits and _"
        return
    if not isinstance(table.schema_, pa.Schema | None) or attribute in (table.drop or []):
        return
    sources = {partition.from_ or partition.name for partition in table.sink.hudi.partition_by or []}
    used = {*(table.sink.hudi.record_key or []), *sources}
    if table.undeclared in ("keep", "drop") and name not in used:
        names = [field.name for field in _fields(table)]
        yield (
            f"{key}: without effect, for '{attribute}' is not in schema and so has no column; "
            f"{did_you_mean(attribute, names)}declare it, or set undeclared: evolve"
        )


def _record_key(table: CaptureTableSettings, at: str, columns: Columns) -> Iterator[str]:
    rename = _renamed(table)
    partitions = {partition.name for partition in table.sink.hudi.partition_by or []}
    for index, name in enumerate(table.sink.hudi.record_key or []):
        key, like = f"{at}.sink.hudi.record_key[{index}]", columns.like(name)
        reserved = _reserved(table, name) or reserved_problem(name)
        if name in rename and not columns.get(name):
            yield f"{key}: found '{name}', whose column is named '{rename[name]}' by rename; name the column"
        elif reserved:
            yield f"{key}: {reserved}; name columns of the item's own"
        elif like and like.name != name:
            yield f"{key}: found '{name}', but the column is '{like.name}'; write it in the same way"
        elif like and like.is_nested:
            yield f"{key}: found a column of type {like.kind}; allowed: a column of a simple type"
        elif not STORABLE_NAME.fullmatch(name) and name not in (table.drop or []):
            yield f"{key}: Hudi can't store a column named '{name}'{_by_rename(name)}, and name that here"
        elif not like and name not in (table.drop or []) and name not in partitions:
            columns.add(Column(name, pa.string(), "sink.hudi.record_key", key))


def _partitions(table: CaptureTableSettings, at: str, columns: Columns) -> Iterator[str]:
    if table.layout == "changelog" and table.sink.hudi.partition_by == [] and columns.like(DAY_OF_CHANGE):
        other = columns.like(DAY_OF_CHANGE)
        yield (
            f"{at}.sink.hudi.partition_by: missing; without it a changelog's partition is '{DAY_OF_CHANGE}', which is "
            f"the column of {other.origin if other else ''} already; rename that, or give another partition"
        )
    taken: dict[str, int] = {}
    for index, partition in enumerate(table.sink.hudi.partition_by or []):
        key, name = f"{at}.sink.hudi.partition_by[{index}]", partition.name
        if partition.from_ is None and partition.format is not None:
            yield f"{key}.format: found without from; name the column or attribute that the value is made from"
        if isinstance(partition.from_, str):
            found = columns.get(_renamed(table).get(partition.from_, partition.from_))
            yield from _source(table, partition.from_, partition.format, found, key)
        if name is None:
            continue
        first = taken.setdefault(name.lower(), index)
        other = columns.like(name)
        if first != index:
            before = f"{at}.sink.hudi.partition_by[{first}]"
            yield f"{key}.name: found '{name}', which is also the name of {before}; use another"
        else:
            yield from partition_name_problems(table, name, f"{key}.name")
            # A partition's column may replace its own source, but no other column.
            if other and other.name != (partition.from_ or name):
                yield f"{key}.name: the column '{name}' is that of {other.origin} already; use another name"


def _source(table: CaptureTableSettings, name: str, pattern: object, found: Column | None, key: str) -> Iterator[str]:
    if name in CHANGELOG_COLUMNS and name != CHANGED_AT and table.layout == "changelog" and found is None:
        yield f"{key}.from: found '{name}'; allowed: {CHANGED_AT}, or a column or attribute of the item"
    elif isinstance(pattern, str) and found and found.type and found.type not in TIME_TYPES:
        yield f"{key}.format: column '{found.name}' is of type {found.kind}; allowed: a time, or no format"
    elif pattern is None and name == CHANGED_AT and found is None:
        yield f"{key}.format: missing; {CHANGED_AT} needs it, such as yyyyMMdd, or every change has its own partition"


def partition_name_problems(table: CaptureTableSettings, name: str, key: str) -> Iterator[str]:
    """Yield why no partition of the table can have this name."""
    reserved = _reserved(table, name)
    if reserved:
        yield f"{key}: {reserved}; use another name"
    elif not STORABLE_NAME.fullmatch(name):
        yield f"{key}: Hudi can't store a column named '{name}'; use letters, digits and _, and give from"


def _fields(table: CaptureTableSettings) -> "list[pa.Field[Any]]":
    return list(table.schema_) if isinstance(table.schema_, pa.Schema) else []


def _renamed(table: CaptureTableSettings) -> Mapping[str, str]:
    return table.rename if isinstance(table.rename, Mapping) else {}
