import json
from datetime import UTC, date, datetime
from decimal import Decimal, getcontext

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dynamodb.attribute_types import MisfitError, converter, exact, json_text
from streamjoin.errors import SchemaError
from streamjoin.schema.ddl import parse_schema

NUMBERS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 1),
    st.integers(0, 10**38 - 1),
    st.integers(-100, 80),
)


def converted(type_, value):
    return converter(parse_schema(f"a {type_}"))({"a": value})[0]


@given(st.integers(0, 38).flatmap(lambda scale: st.tuples(st.just(scale), st.integers(-(10**38) + 1, 10**38 - 1))))
def test_38_digits_survive_a_declared_decimal(scale_and_digits):
    scale, digits = scale_and_digits
    number = Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -scale))

    value = converted(f"decimal(38,{scale})", {"N": str(number)})

    assert value.as_tuple().exponent == -scale
    assert value == number


@given(NUMBERS)
def test_exact_strips_zeros_only(number):
    getcontext().prec = 5  # a notebook may set this; nothing here may round by it
    try:
        found = exact(str(number))
    finally:
        getcontext().prec = 28

    assert found == number
    assert not found or found.as_tuple().digits[-1] != 0


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("string", {"S": ""}, ""),
        ("string", {"N": "1.10"}, "1.10"),
        ("string", {"BOOL": False}, "false"),
        ("string", {"L": [{"S": "x"}]}, '["x"]'),
        ("boolean", {"BOOL": False}, False),
        ("tinyint", {"N": "-128"}, -128),
        ("smallint", {"N": "32767"}, 32767),
        ("int", {"N": "1E+3"}, 1000),
        ("bigint", {"N": "9223372036854775807"}, 2**63 - 1),
        ("double", {"N": "0.1"}, 0.1),
        ("double", {"N": "0"}, 0.0),
        ("double", {"N": "-1E+100"}, -1e100),
        ("decimal(5,2)", {"N": "999.9"}, Decimal("999.90")),
        ("decimal(5,2)", {"N": "-0"}, Decimal("0.00")),
        ("date", {"S": "2026-01-31"}, date(2026, 1, 31)),
        ("timestamp", {"S": "2026-01-31T01:02:03.000004+01:00"}, datetime(2026, 1, 31, 0, 2, 3, 4, tzinfo=UTC)),
        ("timestamp", {"S": "2026-01-31 01:02:03"}, datetime(2026, 1, 31, 1, 2, 3, tzinfo=UTC)),
        ("binary", {"B": b"\x00"}, b"\x00"),
        ("array<bigint>", {"L": [{"N": "2"}, {"NULL": True}, {"N": "1"}]}, [2, None, 1]),
        ("array<bigint>", {"NS": ["10", "9"]}, [9, 10]),
        ("array<string>", {"SS": ["b", "a"]}, ["a", "b"]),
        ("array<binary>", {"BS": [b"b", b"a"]}, [b"a", b"b"]),
        ("map<string,int>", {"M": {"b": {"N": "1"}, "a": {"NULL": True}}}, [("a", None), ("b", 1)]),
        ("struct<x:int,y:string>", {"M": {"x": {"N": "1"}, "z": {"S": "undeclared"}}}, {"x": 1, "y": None}),
        ("struct<x:array<decimal(3,1)>>", {"M": {"x": {"L": [{"N": "1.5"}]}}}, {"x": [Decimal("1.5")]}),
        ("int", {"NULL": True}, None),
    ],
)
def test_a_value_that_fits_its_declared_type_is_exact(type_, value, expected):
    found = converted(type_, value)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        ("string", {"B": b"\x00"}, "attribute 'a' of type B does not fit string: binary is not text"),
        ("boolean", {"S": "true"}, "attribute 'a' of type S does not fit boolean: only BOOL does"),
        ("tinyint", {"N": "128"}, "out of range"),
        ("bigint", {"N": "9223372036854775808"}, "out of range"),
        ("bigint", {"N": "1.5"}, "fraction"),
        ("bigint", {"S": "1"}, "only N does"),
        ("double", {"N": "12345678901234567890"}, "digits would change"),
        ("double", {"N": "0.12345678901234567891"}, "digits would change"),
        ("float", {"N": "16777217"}, "digits would change"),
        ("float", {"N": "1E+39"}, "out of range"),
        ("decimal(5,2)", {"N": "1000"}, "4 digits before the point and 0 after it"),
        ("decimal(5,2)", {"N": "0.001"}, "0 digits before the point and 3 after it"),
        ("date", {"S": "2026-02-30"}, "yyyy-MM-dd"),
        ("date", {"S": "20260131"}, "yyyy-MM-dd"),
        ("timestamp", {"S": "2022-13-24T02:27:41Z"}, "no time such as"),
        ("timestamp", {"S": "0001-01-01T00:00:00+01:00"}, "no time such as"),
        ("timestamp", {"N": "1"}, "only S does"),
        ("binary", {"S": "AA=="}, "only B does"),
        ("array<int>", {"L": [{"N": "1"}, {"S": "x"}]}, r"attribute 'a\[\]' of type S does not fit int"),
        ("array<int>", {"M": {}}, "only L, SS, NS and BS do"),
        ("map<string,int>", {"L": []}, "only M does"),
        ("struct<x:int>", {"M": {"x": {"S": "1"}}}, "attribute 'a.x' of type S does not fit int"),
    ],
)
def test_a_value_that_doesnt_fit_its_declared_type_is_a_misfit_never_null(type_, value, text):
    with pytest.raises(MisfitError, match=text):
        converted(type_, value)


def test_a_misfit_doesnt_tell_the_value():
    with pytest.raises(MisfitError) as raised:
        converted("int", {"S": "secret"})

    assert "secret" not in str(raised.value)


@given(NUMBERS)
def test_a_declared_double_gives_the_digits_back_or_is_a_misfit(number):
    try:
        value = converted("double", {"N": str(number)})
    except MisfitError:
        return
    digits = len(exact(str(number)).as_tuple().digits)
    assert Decimal(f"{value:.{digits - 1}e}") == number


def test_a_type_that_no_item_can_have_is_refused():
    with pytest.raises(SchemaError, match="'a': no DynamoDB value can be timestamp_ntz"):
        converter(pa.schema([pa.field("a", pa.timestamp("us"))]))


JSON_VALUES = st.recursive(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"])).map(lambda text: {"S": text}),
        NUMBERS.map(lambda number: {"N": str(number)}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
        st.just({"NULL": True}),
        st.sets(st.text(alphabet="abc"), min_size=1).map(lambda texts: {"SS": list(texts)}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: {"L": values}),
        st.dictionaries(st.text(alphabet='ab"\\'), inner, max_size=3).map(lambda values: {"M": values}),
    ),
    max_leaves=8,
)


def plain(value):
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return Decimal(content)
        case "NULL":
            return None
        case "L":
            return [plain(each) for each in content]
        case "M":
            return {name: plain(each) for name, each in content.items()}
        case "SS":
            return sorted(content)
    return content


@given(JSON_VALUES)
def test_json_text_is_json_with_every_digit(value):
    assert json.loads(json_text(value), parse_float=Decimal, parse_int=Decimal) == plain(value)


def test_a_number_that_json_cant_write_is_rewritten_with_the_same_value():
    assert json_text({"N": "+1"}) == "1"
    assert json_text({"N": ".5"}) == "0.5"
