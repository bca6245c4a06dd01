"""Schemas: what a record is, and the text, column list or catalog table that says what a payload is.

Pure Python: nothing here starts a JVM, so that a configuration is checked in milliseconds.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import types as T

from streamjoin.aws.errors import Remedies, translated
from streamjoin.errors import SchemaError
from streamjoin.schema.ddl import ALLOWED_TYPES, parse_schema, parse_type, to_ddl

__all__ = [
    "RECORD_ARROW_SCHEMA",
    "RECORD_FIELDS",
    "RECORD_SCHEMA",
    "SEQUENCE_NUMBER_DIGITS",
    "arrow_schema",
    "parse_schema",
    "parse_type",
    "schema_from_columns",
    "schema_from_glue",
    "to_ddl",
]

RECORD_SCHEMA: Final = T.StructType(
    [
        T.StructField("stream", T.StringType()),
        T.StructField("shard_id", T.StringType()),
        T.StructField("sequence_number", T.StringType()),
        T.StructField("sub_sequence_number", T.LongType()),
        T.StructField("partition_key", T.StringType()),
        T.StructField("approximate_arrival_timestamp", T.TimestampType()),
        T.StructField("data", T.BinaryType()),
    ]
)
# Sequence numbers are decimal strings of up to 56 digits, of differing width: padded to one, text order is their order.
SEQUENCE_NUMBER_DIGITS: Final = 64
RECORD_FIELDS: Final = tuple(RECORD_SCHEMA.names)

_GLUE_REMEDIES: Final = Remedies(
    missing="Check payload.schema.glue_catalog and the region.",
    denied="Allow glue:GetTable on it, its database and the catalog.",
    throttled="Start the job again.",
    unreachable="Check the network, the credentials, the region and AWS_ENDPOINT_URL.",
)


def schema_from_columns(columns: Sequence[Mapping[str, str]]) -> T.StructType:
    """Return the struct type of a list of `{name, type}`.

    Raises:
        SchemaError: Names every column that can't be used.
    """
    fields, problems, seen = [], [], set()
    for index, column in enumerate(columns):
        if not isinstance(column, Mapping) or set(column) != {"name", "type"}:
            problems.append(f"column {index + 1}: expected a mapping with the keys name and type, and no other")
            continue
        name, text = column["name"], column["type"]
        if not isinstance(name, str) or not name or not isinstance(text, str):
            problems.append(f"column {index + 1}: name and type must be text")
            continue
        if name.lower() in seen:
            problems.append(f"column '{name}': declared twice (upper and lower case count as one)")
        seen.add(name.lower())
        try:
            fields.append(T.StructField(name, parse_type(text)))
        except SchemaError as error:
            problems.append(f"column '{name}': {error}")
    if not columns:
        problems.append("no columns; declare at least one")
    if problems:
        raise SchemaError("; ".join(problems))
    return T.StructType(fields)


def schema_from_glue(client: Any, database: str, table: str) -> T.StructType:
    """Return the columns of a table of the Glue Data Catalog, without its partition keys.

    Args:
        client: boto3's Glue client.
        database: Name of the catalog's database.
        table: Name of the table.

    Raises:
        SchemaError: No such table, access denied, or a column of a type that a payload can't have.
    """
    where = f"Glue catalog table '{database}.{table}'"
    with translated(SchemaError, f"{where}: GetTable", _GLUE_REMEDIES):
        answer = client.get_table(DatabaseName=database, Name=table)
    columns = answer["Table"].get("StorageDescriptor", {}).get("Columns", [])
    try:
        return schema_from_columns([{"name": c["Name"], "type": _without_length(c["Type"])} for c in columns])
    except SchemaError as error:
        message = f"{where}: {error}"
        raise SchemaError(message) from error


def arrow_schema(schema: T.StructType) -> pa.Schema:
    """Return the Arrow schema of `schema`; timestamps are microseconds in UTC.

    Raises:
        SchemaError: A type that has no place in a payload.
    """
    return pa.schema(_arrow_fields(schema))


def _without_length(text: str) -> str:
    # Hive's varchar(n) and char(n); Spark reads both as string.
    return re.sub(r"\b(?:var)?char\s*\(\s*\d+\s*\)", "string", text, flags=re.IGNORECASE)


_ARROW: Final[dict[type[T.DataType], pa.DataType]] = {
    T.StringType: pa.string(),
    T.BooleanType: pa.bool_(),
    T.ByteType: pa.int8(),
    T.ShortType: pa.int16(),
    T.IntegerType: pa.int32(),
    T.LongType: pa.int64(),
    T.FloatType: pa.float32(),
    T.DoubleType: pa.float64(),
    T.DateType: pa.date32(),
    T.TimestampType: pa.timestamp("us", tz="UTC"),
    T.TimestampNTZType: pa.timestamp("us"),
    T.BinaryType: pa.binary(),
}


def _arrow_fields(struct: T.StructType) -> "list[pa.Field[Any]]":
    return [pa.field(field.name, _arrow_type(field.dataType), field.nullable) for field in struct.fields]


def _arrow_type(data_type: T.DataType) -> pa.DataType:
    match data_type:
        case T.DecimalType():
            return pa.decimal128(data_type.precision, data_type.scale)
        case T.ArrayType():
            return pa.list_(_arrow_type(data_type.elementType))
        case T.MapType():
            return pa.map_(_arrow_type(data_type.keyType), _arrow_type(data_type.valueType))
        case T.StructType():
            return pa.struct(_arrow_fields(data_type))
    if type(data_type) not in _ARROW:
        message = f"type '{data_type.simpleString()}': not a type that a payload can have; allowed: {ALLOWED_TYPES}"
        raise SchemaError(message)
    return _ARROW[type(data_type)]


RECORD_ARROW_SCHEMA: Final = arrow_schema(RECORD_SCHEMA)
