"""Rows with the columns of the table that they go to."""

from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from streamjoin.records.change_columns import IS_DELETED
from streamjoin.schema.ddl import type_text
from streamjoin.spark.schema import to_arrow, to_spark_type


def is_same(one: "pa.Field[Any]", other: "pa.Field[Any]") -> bool:
    """Say whether two columns have one type."""
    # Whether nested values may be null isn't told by all that read a table.
    return type_text(one.type) == type_text(other.type)


def differs(old: pa.Schema, new: pa.Schema) -> bool:
    """Say whether a column that is there gets another type."""
    return any(not is_same(old.field(field.name), field) for field in new if field.name in old.names)


def fitted(rows: DataFrame, target: pa.Schema) -> DataFrame:
    """Return `rows` with the columns of `target`, and whether each is deleted."""
    found = to_arrow(rows.schema)
    deletion = [F.col(IS_DELETED)] if IS_DELETED in rows.columns else []
    return rows.select(*(_value(each, found) for each in target), *deletion)


def _value(field: "pa.Field[Any]", rows: pa.Schema) -> Column:
    found = F.col(f"`{field.name}`") if field.name in rows.names else F.lit(None)
    if field.name in rows.names and is_same(rows.field(field.name), field):
        return found
    return found.cast(to_spark_type(field.type)).alias(field.name)
