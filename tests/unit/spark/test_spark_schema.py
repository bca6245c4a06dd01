import pyarrow as pa
import pytest
from hypothesis import given
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from streamjoin.errors import SchemaError
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import parse_schema, to_ddl
from streamjoin.spark.schema import RECORD_STRUCT, declared, to_arrow, to_spark
from tests.schemas import ANY_NAMES, PLAIN_NAMES, schemas


@given(schemas(ANY_NAMES))
def test_a_schema_that_went_to_spark_comes_back(schema):
    assert to_arrow(to_spark(schema)) == schema


@given(schemas(PLAIN_NAMES))
def test_types_have_the_names_that_spark_gives_them(schema):
    spark = to_spark(schema)
    assert to_ddl(schema) == ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in spark.fields)
    assert parse_schema(spark.simpleString().removeprefix("struct<").removesuffix(">")) == schema


@given(schemas(PLAIN_NAMES))
def test_arrow_types_are_those_that_spark_expects(schema):
    assert schema == to_arrow_schema(to_spark(schema))


def test_a_columns_metadata_and_whether_it_may_be_null_are_kept():
    schema = pa.schema([pa.field("a", pa.string(), nullable=False, metadata={"b": "c"}), pa.field("d", pa.int8())])
    spark = to_spark(schema)
    assert spark.fields == [T.StructField("a", T.StringType(), False, {"b": "c"}), T.StructField("d", T.ByteType())]
    assert to_arrow(spark).equals(schema, check_metadata=True)


def test_a_schema_may_be_declared_in_three_ways():
    arrow = parse_schema("a int, b array<string>")
    assert declared("a int, b array<string>") == declared(arrow) == declared(to_spark(arrow)) == arrow


def test_a_time_without_zone_is_another_type():
    arrow = pa.schema([pa.field("a", pa.timestamp("us"))])
    assert to_spark(arrow) == T.StructType([T.StructField("a", T.TimestampNTZType())])
    assert to_ddl(to_arrow(to_spark(arrow))) == "a timestamp_ntz"


def test_a_type_without_a_place_in_a_payload_is_refused():
    with pytest.raises(SchemaError, match="column 'a': type 'void': not a type that a payload can have"):
        to_arrow(T.StructType([T.StructField("a", T.NullType())]))


def test_a_record_is_the_same_in_spark_and_in_arrow():
    assert to_arrow_schema(RECORD_STRUCT) == RECORD_SCHEMA
