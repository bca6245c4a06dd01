import pyarrow as pa
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from streamjoin.errors import SchemaError
from streamjoin.schema.columns import (
    RECORD_ARROW_SCHEMA,
    RECORD_FIELDS,
    RECORD_SCHEMA,
    arrow_schema,
    parse_schema,
    schema_from_columns,
    schema_from_glue,
    to_ddl,
)

SIMPLE = [
    *(T.StringType(), T.BooleanType(), T.ByteType(), T.ShortType(), T.IntegerType(), T.LongType()),
    *(T.FloatType(), T.DoubleType(), T.DateType(), T.TimestampType(), T.BinaryType()),
]
decimals = st.integers(1, 38).flatmap(lambda p: st.builds(T.DecimalType, st.just(p), st.integers(0, p)))
plain_names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
any_names = plain_names | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def structs(types: st.SearchStrategy[T.DataType], names: st.SearchStrategy[str]) -> st.SearchStrategy[T.StructType]:
    fields = st.lists(
        st.builds(T.StructField, names, types), min_size=1, max_size=4, unique_by=lambda f: f.name.lower()
    )
    return fields.map(T.StructType)


def types(names: st.SearchStrategy[str]) -> st.SearchStrategy[T.DataType]:
    return st.recursive(
        st.sampled_from(SIMPLE) | decimals,
        lambda inner: (
            st.builds(T.ArrayType, inner) | st.builds(T.MapType, st.just(T.StringType()), inner) | structs(inner, names)
        ),
        max_leaves=6,
    )


@given(structs(types(any_names), any_names))
def test_what_is_written_as_ddl_is_parsed_back(schema):
    assert parse_schema(to_ddl(schema)) == schema


@given(structs(types(plain_names), plain_names))
def test_what_spark_writes_as_its_simple_string_is_parsed(schema):
    columns = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in schema.fields)
    assert parse_schema(columns) == schema
    assert parse_schema(schema.simpleString().removeprefix("struct<").removesuffix(">")) == schema


@given(st.text(st.sampled_from("ab int,:<>()`0 \n-struct"), max_size=30))
def test_any_text_is_a_schema_or_a_schema_error(text):
    try:
        assert parse_schema(text).fields
    except SchemaError as error:
        assert str(error).startswith("character ")


@given(structs(types(plain_names), plain_names))
def test_arrow_types_are_those_that_spark_expects(schema):
    assert arrow_schema(schema) == to_arrow_schema(schema)


def test_case_and_spelling_of_types_do_not_matter():
    assert parse_schema("a INTEGER, b Long,\n c DECIMAL ( 5 , 2 ), d decimal, e: Array < STRING >") == T.StructType(
        [
            T.StructField("a", T.IntegerType()),
            T.StructField("b", T.LongType()),
            T.StructField("c", T.DecimalType(5, 2)),
            T.StructField("d", T.DecimalType(10, 0)),
            T.StructField("e", T.ArrayType(T.StringType())),
        ]
    )


def test_names_in_back_quotes_may_hold_anything():
    assert parse_schema("`order-id` string, `a``b` int").names == ["order-id", "a`b"]
    assert parse_schema("s struct<`x y`:int>")["s"].dataType.names == ["x y"]
    assert parse_schema("struct int, `int` string, map bigint").names == ["struct", "int", "map"]


@pytest.mark.parametrize(
    ("ddl", "message"),
    [
        ("", "character 1: found the end; expected a column's name"),
        ("a", "character 2: found the end; expected a type: string, boolean, tinyint"),
        ("a itn", "character 3: found 'itn'; expected a type: did you mean 'int'? Allowed: string"),
        ("a int,", "character 7: found the end; expected a column's name"),
        ("a int, , b int", "character 8: found ','; expected a column's name"),
        ("a int b string", "character 7: found 'b'; expected ','"),
        (
            "a int not null",
            "character 7: found 'not'; expected ',': a column is a name and a type only, and",
        ),
        ("a int, A string", "character 8: found 'A'; expected another name than 'A', which is declared twice"),
        ("a struct<b:int,b:int>", "character 16: found 'b'; expected another name than 'b'"),
        ("a array<int", "character 12: found the end; expected '>'"),
        ("a array", "character 8: found the end; expected '<'"),
        ("a struct<>", "character 10: found '>'; expected a column's name"),
        ("a map<int,string>", "character 7: found 'int'; expected 'string': the keys of a map are strings"),
        ("a decimal(39,2)", "character 11: found '39'; expected a number from 1 to 38"),
        ("a decimal(5,6)", "character 13: found '6'; expected a number from 0 to 5"),
        ("a decimal(0)", "character 11: found '0'; expected a number from 1 to 38"),
        ("a-b int", "character 2: found '-'; expected a name"),
        ("`a int", "character 1: found '`'"),
        ("a `int`", "character 3: found 'int'; expected a type"),
        ("a int)", "character 6: found ')'; expected ','"),
        ("a " + "array<" * 60 + "int" + ">" * 60, "expected at most 50 levels of nesting"),
    ],
)
def test_a_wrong_schema_is_placed_and_explained(ddl, message):
    with pytest.raises(SchemaError) as caught:
        parse_schema(ddl)
    assert message in str(caught.value)


def test_a_list_of_columns_is_a_schema():
    columns = [{"name": "order-id", "type": "string"}, {"name": "b", "type": "array<decimal(5,2)>"}]
    assert schema_from_columns(columns) == parse_schema("`order-id` string, b array<decimal(5,2)>")


def test_every_wrong_column_of_a_list_is_named():
    columns = [
        {"name": "a", "type": "strin"},
        {"name": "b"},
        {"name": "c", "type": "int, d int"},
        {"name": "e", "type": "int"},
        {"name": "E", "type": "int"},
        "f int",
        {"name": "", "type": "int"},
    ]
    with pytest.raises(SchemaError) as caught:
        schema_from_columns(columns)
    problems = str(caught.value).split("; ")
    starts = ["column 'a':", "column 2:", "column 'c':", "column 'E':", "column 6:", "column 7:"]
    assert [start for start in starts if any(problem.startswith(start) for problem in problems)] == starts
    with pytest.raises(SchemaError, match="no columns"):
        schema_from_columns([])


class GlueClient:
    """Stands in for Glue's client: one answer, or one failure."""

    def __init__(self, columns=(), error=None):
        self._columns, self._error = columns, error

    def get_table(self, **request):
        assert request == {"DatabaseName": "sales", "Name": "orders"}
        if self._error:
            raise self._error
        columns = [{"Name": name, "Type": kind} for name, kind in self._columns]
        keys = [{"Name": "dt", "Type": "string"}]
        return {"Table": {"StorageDescriptor": {"Columns": columns}, "PartitionKeys": keys}}


def denied(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "GetTable")


def test_a_catalog_table_is_a_schema_without_its_partition_keys():
    columns = [("uuid", "varchar(36)"), ("n", "bigint"), ("s", "struct<a:char(2),b:array<int>>")]
    found = schema_from_glue(GlueClient(columns), "sales", "orders")
    assert found == parse_schema("uuid string, n bigint, s struct<a:string,b:array<int>>")


@pytest.mark.parametrize(
    ("client", "message", "retryable"),
    [
        (
            GlueClient(error=denied("EntityNotFoundException")),
            "of this name (EntityNotFoundException: because). Check payload",
            False,
        ),
        (
            GlueClient(error=denied("AccessDeniedException")),
            "was denied (AccessDeniedException: because). Allow glue:G",
            False,
        ),
        (GlueClient(error=denied("ThrottlingException")), "was throttled", True),
        (GlueClient(error=EndpointConnectionError(endpoint_url="http://x")), "could not reach the service", True),
        (GlueClient(), "no columns", False),
        (GlueClient([("a", "interval")]), "column 'a': character 1: found 'interval'", False),
    ],
)
def test_a_catalog_table_that_can_not_be_used_is_explained(client, message, retryable):
    with pytest.raises(SchemaError) as caught:
        schema_from_glue(client, "sales", "orders")
    assert str(caught.value).startswith("Glue catalog table 'sales.orders': ")
    assert message in str(caught.value)
    assert caught.value.retryable is retryable


def test_a_type_without_a_place_in_a_payload_is_refused():
    with pytest.raises(SchemaError, match="type 'void': not a type that a payload can have"):
        arrow_schema(T.StructType([T.StructField("a", T.NullType())]))


def test_a_record_is_the_same_in_spark_and_in_arrow():
    assert tuple(RECORD_SCHEMA.names) == RECORD_FIELDS == tuple(RECORD_ARROW_SCHEMA.names)
    assert RECORD_ARROW_SCHEMA.field("approximate_arrival_timestamp").type == pa.timestamp("us", tz="UTC")
    assert RECORD_ARROW_SCHEMA.field("data").type == pa.binary()
    assert RECORD_ARROW_SCHEMA == to_arrow_schema(RECORD_SCHEMA)
