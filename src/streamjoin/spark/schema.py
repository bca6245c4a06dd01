"""Arrow's schemas as Spark's, and back: where a frame is made, and where the columns of one are looked at.

Declared schemas are Arrow's, so that a configuration is checked, and a payload decoded, without Spark. Not by the
functions of `pyspark.sql.pandas.types`: they are pyspark's own, drop a field's metadata, and need `distutils`.
"""

from typing import Any, Final

import pyarrow as pa
from pyspark.sql import types as T

from streamjoin.errors import SchemaError
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import ALLOWED_TYPES, TIMESTAMP, parse_schema

_SPARK: Final[dict[pa.DataType, T.DataType]] = {
    pa.string(): T.StringType(),
    pa.bool_(): T.BooleanType(),
    pa.int8(): T.ByteType(),
    pa.int16(): T.ShortType(),
    pa.int32(): T.IntegerType(),
    pa.int64(): T.LongType(),
    pa.float32(): T.FloatType(),
    pa.float64(): T.DoubleType(),
    pa.date32(): T.DateType(),
    TIMESTAMP: T.TimestampType(),
    pa.timestamp("us"): T.TimestampNTZType(),
    pa.binary(): T.BinaryType(),
}
_ARROW: Final = {type(spark): arrow for arrow, spark in _SPARK.items()}


def declared(schema: str | pa.Schema | T.StructType) -> pa.Schema:
    """Return a schema that is DDL text, Arrow's or Spark's as Arrow's.

    Raises:
        SchemaError: The text can't be parsed, or a type has no place in a payload.
    """
    if isinstance(schema, str):
        return parse_schema(schema)
    return to_arrow(schema) if isinstance(schema, T.StructType) else schema


def to_spark(schema: pa.Schema) -> T.StructType:
    """Return `schema` as Spark's, the metadata of its columns included."""
    return T.StructType([_spark_field(field) for field in schema])


def to_arrow(schema: T.StructType) -> pa.Schema:
    """Return `schema` as Arrow's, the metadata of its columns included; timestamps are microseconds in UTC.

    Raises:
        SchemaError: A type that has no place in a payload.
    """
    return pa.schema([_arrow_field(field) for field in schema.fields])


def to_spark_type(data_type: pa.DataType) -> T.DataType:
    """Return `data_type` as Spark's."""
    match data_type:
        case pa.Decimal128Type():
            return T.DecimalType(data_type.precision, data_type.scale)
        case pa.ListType():
            return T.ArrayType(to_spark_type(data_type.value_type))
        case pa.MapType():
            return T.MapType(to_spark_type(data_type.key_type), to_spark_type(data_type.item_type))
        case pa.StructType():
            return T.StructType([_spark_field(field) for field in data_type])
    return _SPARK[data_type]


def to_arrow_type(data_type: T.DataType) -> pa.DataType:
    """Return `data_type` as Arrow's.

    Raises:
        SchemaError: It has no place in a payload.
    """
    match data_type:
        case T.DecimalType():
            return pa.decimal128(data_type.precision, data_type.scale)
        case T.ArrayType():
            return pa.list_(to_arrow_type(data_type.elementType))
        case T.MapType():
            return pa.map_(to_arrow_type(data_type.keyType), to_arrow_type(data_type.valueType))
        case T.StructType():
            return pa.struct([_arrow_field(field) for field in data_type.fields])
    if type(data_type) not in _ARROW:
        message = f"type '{data_type.simpleString()}': not a type that a payload can have; allowed: {ALLOWED_TYPES}"
        raise SchemaError(message)
    return _ARROW[type(data_type)]


def _spark_field(field: "pa.Field[Any]") -> T.StructField:
    metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    return T.StructField(field.name, to_spark_type(field.type), field.nullable, metadata)


def _arrow_field(field: T.StructField) -> "pa.Field[Any]":
    metadata = {key: value for key, value in field.metadata.items() if isinstance(value, str)}
    try:
        return pa.field(field.name, to_arrow_type(field.dataType), field.nullable, metadata or None)
    except SchemaError as error:
        message = f"column '{field.name}': {error}"
        raise SchemaError(message) from error


RECORD_STRUCT: Final = to_spark(RECORD_SCHEMA)
"""The columns of a record."""
