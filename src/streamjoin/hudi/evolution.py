"""Wider types for a table's columns. A new column that may be null needs nothing: an upsert that has it adds it.

Hudi 1.0.2 takes int to bigint by itself, but hudi-rs then can't read a merge-on-read table; bigint to decimal and
decimals of another scale it refuses. So the rows are written again, in one commit that replaces all files of the table.
That is as rare as a number that is larger than all before it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from streamjoin.aws.storage import open_path
from streamjoin.errors import SchemaError, SinkError
from streamjoin.hudi.late_deletes import NEWEST_ORDER, newest_order
from streamjoin.hudi.stored import stored_rows
from streamjoin.hudi.timeline import Timeline
from streamjoin.hudi.write import HudiTable, has_commit, root_cause, write
from streamjoin.records.change_columns import IS_DELETED
from streamjoin.schema.ddl import type_text
from streamjoin.schema.names import nested_problems
from streamjoin.schema.widening import as_stored, holds
from streamjoin.spark.schema import to_arrow, to_spark

WIDENED: Final = "widened"
"""Under this key such a commit says which columns it gave which type; JSON."""

_HUDI_COLUMNS: Final = "_hoodie_"


def widen(
    spark: SparkSession,
    table: HudiTable,
    new: T.StructType,
    *,
    commit_metadata: Mapping[str, str],
    settle: Callable[[SparkSession], None] = lambda spark: None,
) -> None:
    """Give the table's columns the types that they have in `new`, so that rows of both can be in it.

    Delivery: one commit that replaces every file, or none; readers see the table before it or after it. A repeat finds
        the types that it wants, and does nothing. The commit has the batch's id, and nothing else of its metadata: of
        its rows it has none.

    Args:
        spark: The session.
        table: The table; no other process may be writing it.
        new: Its columns as they are to be; those that it lacks are added by the upsert that has them.
        commit_metadata: Of the batch that needs it: its `batch_id`.
        settle: Called before all files are replaced: carries out what services have planned for them.

    Raises:
        SchemaError: A value has no place in the wider type. Nothing was written.
        SinkError: The table can't be read or written. Whether the commit happened is known only from the timeline.
    """
    if not has_commit(table.base_path):
        return
    try:
        stored = stored_rows(spark, table.base_path)
        wanted = _changed(stored.schema, new)
        if not wanted:
            return
        settle(spark)
        stored = stored_rows(spark, table.base_path)
        _check_values(stored, wanted, table)
        partitions = stored.rdd.getNumPartitions()
    except (PySparkException, Py4JError) as error:
        message = f"table '{table.table_name}' at {table.base_path}: it can't be read: {root_cause(error)}"
        raise SinkError(message, retryable=True) from error
    own = [name for name in stored.columns if not name.startswith(_HUDI_COLUMNS) or name == IS_DELETED]
    rows = stored.select(*(_cast(name, wanted[name]) if name in wanted else F.col(f"`{name}`") for name in own))
    options = {
        **table.writer_options(max(2, partitions)),
        "hoodie.datasource.write.operation": "insert_overwrite_table",
        "hoodie.combine.before.insert": "false",
        # Otherwise Hudi compares the types with those of files that are about to go.
        "hoodie.datasource.write.schema.allow.auto.evolution.column.drop": "true",
    }
    known = newest_order(Timeline.read(*open_path(table.base_path)))
    metadata = {
        "batch_id": f"widen-{commit_metadata.get('batch_id', '')}",
        WIDENED: json.dumps({name: data_type.simpleString() for name, data_type in wanted.items()}, sort_keys=True),
        **({NEWEST_ORDER: known} if known is not None else {}),
    }
    write(rows, table, options, metadata)


def check_columns(table: HudiTable, stored: T.StructType | None, new: T.StructType) -> None:
    """Make sure that rows with the columns `new` can be in the table, which may have to be widened for them.

    Args:
        table: The table.
        stored: Its columns; None: it isn't there.
        new: The columns of rows that are to be written.

    Raises:
        SchemaError: Names each column that can't be stored, that has a type which doesn't hold all values of the
            table's, or that is called like another one but for case.
    """
    columns = as_stored(to_arrow(new))
    problems = [
        problem for column in columns for problem in nested_problems(column, read_as_avro=table.keeps_avro_rows)
    ]
    there = {} if stored is None else {field.name.lower(): field for field in to_arrow(stored)}
    for column in columns:
        before = there.get(column.name.lower(), column)
        if before.name != column.name:
            problems.append(f"column '{column.name}' differs from the table's '{before.name}' in case only")
        elif not holds(column.type, before.type):
            types = type_text(before.type), type_text(column.type)
            problems.append(
                f"column '{column.name}' is {types[0]} in the table, {types[1]} by the configuration, which doesn't "
                f"hold all values of {types[0]}"
            )
    if problems:
        remedy = (
            "Give it another type or name, or leave it out."
            if stored is None
            else "Take the change back, or give the column another name (output.derive, references[].columns): the old "
            "one stays."
        )
        message = (
            f"table '{table.table_name}' at {table.base_path}: {'; '.join(problems)}. Nothing was written. {remedy}"
        )
        raise SchemaError(message)


def _changed(stored: T.StructType, new: T.StructType) -> dict[str, T.DataType]:
    """Return the types that columns of the table are to get and don't have."""
    there = {field.name: field.dataType.simpleString() for field in stored.fields}
    return {
        field.name: field.dataType
        for field in to_spark(as_stored(to_arrow(new))).fields
        if there.get(field.name, field.dataType.simpleString()) != field.dataType.simpleString()
    }


def _check_values(stored: DataFrame, wanted: Mapping[str, T.DataType], table: HudiTable) -> None:
    """Raise if the cast of a value is not that value: 38 digits hold no 38 digits and a scale."""
    changes = {name: F.count_if(_is_changed(stored.schema[name], wanted[name])) for name in wanted}
    found = stored.agg(*(count.alias(name) for name, count in changes.items())).head()
    for name, count in found.asDict().items() if found else ():
        if count:
            before = stored.schema[name].dataType.simpleString()
            message = (
                f"table '{table.table_name}' at {table.base_path}: column '{name}' can't go from {before} to "
                f"{wanted[name].simpleString()}: {count} of its values have no place in that. Nothing was written. "
                "Give the attribute another column by rename."
            )
            raise SchemaError(message)


def _is_changed(field: T.StructField, wanted: T.DataType) -> Column:
    before, after = F.col(f"`{field.name}`"), _cast(field.name, wanted)
    is_lost = before.isNotNull() & after.isNull()
    if isinstance(field.dataType, T.NumericType) and isinstance(wanted, T.NumericType):
        return is_lost | ~after.cast(field.dataType).eqNullSafe(before)
    return is_lost


def _cast(name: str, wanted: T.DataType) -> Column:
    return F.col(f"`{name}`").cast(wanted).alias(name)
