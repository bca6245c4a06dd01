import pyarrow as pa
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import SchemaError
from streamjoin.schema.columns import RECORD_FIELDS, RECORD_SCHEMA, schema_from_columns, schema_from_glue
from streamjoin.schema.ddl import parse_schema, parse_type, to_ddl, type_text
from tests.schemas import ANY_NAMES, schemas


@given(schemas(ANY_NAMES))
def test_what_is_written_as_ddl_is_parsed_back(schema):
    assert parse_schema(to_ddl(schema)) == schema
    assert [parse_type(type_text(field.type)) for field in schema] == schema.types


@given(st.text(st.sampled_from("ab int,:<>()`0 \n-struct"), max_size=30))
def test_any_text_is_a_schema_or_a_schema_error(text):
    try:
        assert len(parse_schema(text))
    except SchemaError as error:
        assert str(error).startswith("character ")


def test_case_and_spelling_of_types_do_not_matter():
    assert parse_schema("a INTEGER, b Long,\n c DECIMAL ( 5 , 2 ), d decimal, e: Array < STRING >") == pa.schema(
        [
            ("a", pa.int32()),
            ("b", pa.int64()),
            ("c", pa.decimal128(5, 2)),
            ("d", pa.decimal128(10, 0)),
            ("e", pa.list_(pa.string())),
        ]
    )


def test_names_in_back_quotes_may_hold_anything():
    assert parse_schema("`order-id` string, `a``b` int").names == ["order-id", "a`b"]
    assert parse_schema("s struct<`x y`:int>").field("s").type.names == ["x y"]
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


def test_a_record_has_its_time_in_utc_and_its_data_as_bytes():
    assert tuple(RECORD_SCHEMA.names) == RECORD_FIELDS
    assert RECORD_SCHEMA.field("approximate_arrival_timestamp").type == pa.timestamp("us", tz="UTC")
    assert RECORD_SCHEMA.field("data").type == pa.binary()
