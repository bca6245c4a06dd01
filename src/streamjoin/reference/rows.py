"""Scanned items as one row a join key, in Arrow and as a Spark frame: what events are joined with."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from streamjoin.dynamodb import Item
from streamjoin.errors import ReferenceTableError, SchemaError
from streamjoin.frames import frame_of
from streamjoin.reference.table import TableDescription
from streamjoin.reference.types import JSON_TEXT, MisfitError, converter
from streamjoin.schema import arrow_schema

# Below it a local relation is made in less time than Arrow bytes are shipped, and joined 0.03 s faster in each batch.
_FEW_ROWS = 10_000
# Keeps each cell that carries Arrow bytes to the executors far below Spark's 2 GB.
_CHUNK_ROWS = 50_000
_NAMED_MISFITS = 3


@dataclass(frozen=True)
class Layout:
    """Which attributes become which columns.

    Args:
        columns: Column of the rows -> attribute: the output columns, then the join columns that aren't also output.
        on: Event column -> the column of the rows that it is compared with.
        outputs: The columns that the join adds to an event.
    """

    columns: Mapping[str, str]
    on: Mapping[str, str]
    outputs: tuple[str, ...]

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that are read, each once."""
        return tuple(dict.fromkeys(self.columns.values()))

    @property
    def join_attributes(self) -> dict[str, str]:
        """Column of the rows -> attribute, of the join key alone."""
        return {column: self.columns[column] for column in dict.fromkeys(self.on.values())}


@dataclass(frozen=True, eq=False)
class Rows:
    """One row a join key, with what was left out on the way.

    Args:
        table: The rows; columns as `Layout.columns`.
        schema: The same columns as Spark's types.
        duplicates: Join keys that more than one item has.
        misfits: Items that don't fit the schema; they have no row.
        without_key: Items whose join key is missing or null; they have no row, for they match nothing.
        content_hash: Equal for equal rows and types, whatever the order of the scan.
        warnings: What the owner of the table should know.
    """

    table: pa.Table
    schema: T.StructType
    duplicates: int
    misfits: int
    without_key: int
    content_hash: str
    warnings: tuple[str, ...]


def lay_out(on: Mapping[str, str], outputs: Mapping[str, str]) -> Layout:
    """Give every column a name of its own.

    A join column has its attribute's name, unless an output column has taken that name for another attribute.

    Args:
        on: Event column -> attribute.
        outputs: Attribute -> output column.
    """
    columns = {column: attribute for attribute, column in outputs.items()}
    join_columns = {}
    for event_column, attribute in on.items():
        name = attribute
        # Spark takes names that differ by case alone as one; DynamoDB doesn't.
        while any(
            each.casefold() == name.casefold() and (each, columns[each]) != (name, attribute) for each in columns
        ):
            name += "_key"
        columns[name] = attribute
        join_columns[event_column] = name
    return Layout(columns=columns, on=join_columns, outputs=tuple(outputs.values()))


def build_rows(
    items: Iterable[Item],
    description: TableDescription,
    layout: Layout,
    types: T.StructType,
    *,
    fail_on_duplicate: bool,
) -> Rows:
    """Convert the items and keep, of those with one join key, the one with the lowest primary key.

    Args:
        items: Raw items in any order.
        description: The items' table.
        layout: Which columns to make.
        types: The attributes' types, declared or inferred.
        fail_on_duplicate: Whether two items with one join key are an error.

    Raises:
        ReferenceTableError: There are duplicates and they are not allowed.
    """
    by_name = {field.name: field for field in types.fields}
    convert = converter(T.StructType([by_name[attribute] for attribute in layout.columns.values()]))
    positions = [list(layout.columns).index(column) for column in layout.join_attributes]

    chosen: dict[tuple[Any, ...], tuple[Item, tuple[Any, ...]]] = {}
    duplicates: dict[tuple[Any, ...], Item] = {}
    misfits: list[str] = []
    without_key = 0
    for item in items:
        try:
            row = convert(item)
        except MisfitError as error:
            misfits.append(f"{description.name_item(item)}: {error}")
            continue
        key = tuple(row[position] for position in positions)
        if None in key:
            without_key += 1
            continue
        other = chosen.get(key)
        if other is None:
            chosen[key] = (item, row)
            continue
        passed_over = item
        if description.rank(item) < description.rank(other[0]):
            chosen[key], passed_over = (item, row), other[0]
        if fail_on_duplicate:
            raise ReferenceTableError(_duplicate_error(description, layout, key, chosen[key][0], passed_over))
        duplicates.setdefault(key, passed_over)

    warnings = _misfit_warnings(misfits) + _duplicate_warnings(description, layout, duplicates, chosen)
    rows = [row for _, row in chosen.values()]
    schema = T.StructType([T.StructField(column, by_name[name].dataType) for column, name in layout.columns.items()])
    return Rows(
        table=_to_arrow(rows, schema),
        schema=schema,
        duplicates=len(duplicates),
        misfits=len(misfits),
        without_key=without_key,
        content_hash=_digest(rows, schema),
        warnings=warnings,
    )


def check_types(layout: Layout, types: T.StructType, name: str) -> None:
    """Check a declared schema against what a reference reads.

    Raises:
        SchemaError: It lacks an attribute, has a type that no item can have, or a join attribute's can't be compared.
    """
    converter(types)
    by_name = {field.name: field for field in types.fields}
    missing = [attribute for attribute in layout.attributes if attribute not in by_name]
    if missing:
        message = (
            f"reference '{name}': the schema has no {', '.join(map(repr, missing))}; it has "
            f"{', '.join(map(repr, by_name))}. Add to the reference's schema what `on` and `columns` name (attribute "
            "names differ by case)."
        )
        raise SchemaError(message)
    for attribute in layout.join_attributes.values():
        if isinstance(by_name[attribute].dataType, T.ArrayType | T.MapType | T.StructType):
            message = (
                f"reference '{name}': join attribute '{attribute}' is {by_name[attribute].dataType.simpleString()}, "
                "which can't be compared with an event's column. Join on an attribute of a simple type."
            )
            raise SchemaError(message)


def json_key_warnings(layout: Layout, types: T.StructType) -> tuple[str, ...]:
    """Name the join attributes whose inferred text is JSON: with its quotes, it equals no event's text."""
    as_json = [field.name for field in types.fields if field.metadata == JSON_TEXT]
    return tuple(
        f"join attribute '{attribute}' has values of several or nested types, so that its JSON text is compared, which "
        "has quotes around texts; declare the reference's schema"
        for attribute in layout.join_attributes.values()
        if attribute in as_json
    )


def to_frame(spark: SparkSession, rows: Rows) -> DataFrame:
    """Ship the rows to Spark: few as a local relation, which no job is needed to broadcast; many persisted.

    Columns out: those of `rows.schema`.
    """
    table = rows.table
    nested = any(isinstance(f.dataType, T.ArrayType | T.MapType | T.StructType) for f in rows.schema)
    if table.num_rows < _FEW_ROWS and not nested:
        return frame_of(spark, table, rows.schema)
    chunks = [(_ipc(table.slice(start, _CHUNK_ROWS)),) for start in range(0, table.num_rows, _CHUNK_ROWS)]
    return spark.createDataFrame(chunks, "ipc binary").mapInArrow(_from_ipc, rows.schema).persist()


def _from_ipc(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for cell in batch.column(0):
            yield from pa.ipc.open_stream(cell.as_buffer())


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _to_arrow(rows: Sequence[tuple[Any, ...]], schema: T.StructType) -> pa.Table:
    fields = arrow_schema(schema)
    columns = zip(*rows, strict=True) if rows else [()] * len(fields)
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, fields, strict=True)], schema=fields)


def _digest(rows: Iterable[tuple[Any, ...]], schema: T.StructType) -> str:
    # Converted values have one text each (decimals have their column's scale, sets and maps are sorted), on every
    # version of Python; the order of the rows is the scan's and must not count.
    whole = hashlib.blake2b(schema.json().encode(), digest_size=16)
    for digest in sorted(hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in rows):
        whole.update(digest)
    return whole.hexdigest()


def _name_key(layout: Layout, key: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in zip(layout.join_attributes.values(), key, strict=True))


def _duplicate_error(
    description: TableDescription, layout: Layout, key: tuple[Any, ...], first: Item, second: Item
) -> str:
    return (
        f"reference table '{description.table_name}': join key {_name_key(layout, key)} has more than one item: "
        f"{description.name_item(first)} and {description.name_item(second)}. Remove one, add an attribute to the "
        "reference's `on`, or set on_duplicate: first."
    )


def _duplicate_warnings(
    description: TableDescription,
    layout: Layout,
    duplicates: Mapping[tuple[Any, ...], Item],
    chosen: Mapping[tuple[Any, ...], tuple[Item, tuple[Any, ...]]],
) -> tuple[str, ...]:
    if not duplicates:
        return ()
    key, other = next(iter(duplicates.items()))
    return (
        f"{len(duplicates)} join keys have more than one item; the one with the lowest primary key is used: "
        f"{_name_key(layout, key)} has {description.name_item(chosen[key][0])} before {description.name_item(other)}",
    )


def _misfit_warnings(misfits: Sequence[str]) -> tuple[str, ...]:
    if not misfits:
        return ()
    return (
        f"{len(misfits)} items do not fit the schema and match no event: {'; '.join(misfits[:_NAMED_MISFITS])}"
        f"{'; …' if len(misfits) > _NAMED_MISFITS else ''}",
    )
