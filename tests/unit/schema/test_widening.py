"""Which types hold all values of others."""

import pytest

from streamjoin.schema.ddl import parse_schema, parse_type
from streamjoin.schema.widening import as_stored, holds

WIDER = [
    ("tinyint", "smallint"),
    ("int", "bigint"),
    ("bigint", "decimal(19,0)"),
    ("decimal(10,2)", "decimal(14,4)"),
    ("float", "double"),
    ("int", "double"),
    ("smallint", "float"),
    ("array<int>", "array<bigint>"),
    ("map<string,struct<a:array<float>>>", "map<string,struct<a:array<double>>>"),
]
APART = [
    ("bigint", "double"),
    ("bigint", "decimal(18,0)"),
    ("decimal(10,2)", "decimal(10,4)"),
    ("decimal(10,0)", "bigint"),
    ("int", "string"),
    ("date", "timestamp"),
    ("struct<a:int>", "struct<a:int,b:int>"),
    ("struct<a:int,b:int>", "struct<b:int,a:int>"),
    ("array<int>", "int"),
]


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_wider_type_holds_the_narrower_one_and_not_the_other_way_round(narrow: str, wide: str) -> None:
    assert holds(parse_type(wide), parse_type(narrow))
    assert not holds(parse_type(narrow), parse_type(wide))
    assert holds(parse_type(wide), parse_type(wide))


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_holds_not_every_value_is_no_wider_type(one: str, other: str) -> None:
    assert not holds(parse_type(other), parse_type(one))


def test_a_table_has_small_whole_numbers_as_int_at_any_depth() -> None:
    small = "a tinyint, b smallint, c array<tinyint>, d map<string,struct<x:array<smallint>,y:string>>, e bigint"
    stored = "a int, b int, c array<int>, d map<string,struct<x:array<int>,y:string>>, e bigint"
    assert as_stored(parse_schema(small)) == parse_schema(stored)
