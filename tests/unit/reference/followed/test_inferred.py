"""Types that no schema declares, and what the values become in them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dynamodb.attribute_types import converter
from streamjoin.reference.followed.inferred import NOTHING_KNOWN, Uses, infer_types
from streamjoin.reference.followed.layout import lay_out
from streamjoin.schema.ddl import parse_type, to_ddl, type_text

NUMBERS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
    st.integers(0, 1),
    st.integers(0, 10**38 - 1),
    st.integers(-100, 80),
)
LAYOUT = lay_out({"event": "key"}, {"a": "a"})


def inferred(*values, uses=NOTHING_KNOWN):
    schema = infer_types([{"a": value} for value in values], LAYOUT, uses)
    convert = converter(schema)
    return type_text(schema.field("a").type), [convert({"a": value})[0] for value in values]


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        ([{"S": "x"}, {"S": ""}], "string", ["x", ""]),
        ([{"N": "1"}, {"N": "-9223372036854775808"}], "decimal(38,18)", [Decimal(1), Decimal(-(2**63))]),
        ([{"N": "1E+21"}], "decimal(38,16)", [Decimal("1E+21")]),
        ([{"N": "1E+37"}], "decimal(38,0)", [Decimal("1E+37")]),
        ([{"N": "1.5"}, {"N": "2"}], "decimal(38,18)", [Decimal("1.5"), Decimal("2.0")]),
        ([{"N": "0.1"}, {"N": "1E+36"}], "decimal(38,1)", [Decimal("0.1"), Decimal("1E+36")]),
        ([{"N": "0.1"}, {"N": "1E+37"}], "string", ["0.1", "1E+37"]),
        ([{"N": "1E-130"}], "string", ["1E-130"]),
        ([{"N": "9.9E+125"}], "string", ["9.9E+125"]),
        ([{"BOOL": True}, {"BOOL": False}], "boolean", [True, False]),
        ([{"B": b"\x00\xff"}, {"B": b""}], "binary", [b"\x00\xff", b""]),
        ([{"NULL": True}, {"S": "x"}], "string", [None, "x"]),
        ([{"NULL": True}, {"N": "1"}], "decimal(38,18)", [None, 1]),
        ([{"NULL": True}], "string", [None]),
        ([], "string", []),
        ([{"S": "Bharat"}, {"N": "5"}, {"NULL": True}], "string", ["Bharat", "5", None]),
        ([{"S": "x"}, {"B": b"\x00\xff"}], "string", ["x", "AP8="]),
        ([{"S": "x"}, {"M": {"a": {"S": "y"}}}, {"L": []}], "string", ["x", '{"a":"y"}', "[]"]),
        ([{"BOOL": True}, {"N": "1.10"}], "string", ["true", "1.10"]),
        ([{"SS": ["b", "a"]}], "string", ['["a","b"]']),
        ([{"NS": ["10", "9"]}], "string", ["[9,10]"]),
        ([{"BS": [b"\xff", b"\x00"]}], "string", ['["AA==","/w=="]']),
        ([{"L": [{"S": "x"}, {"NULL": True}, {"L": []}]}], "string", ['["x",null,[]]']),
        ([{"M": {"b": {"N": "1.10"}, "a": {"M": {}}}}], "string", ['{"a":{},"b":1.10}']),
    ],
)
def test_the_inferred_type_holds_all_values_exactly_and_no_text_gets_quotes(values, type_, expected):
    assert inferred(*values) == (type_, expected)


def test_whole_numbers_that_keys_order_or_partitions_are_made_of_stay_integers():
    uses = Uses(identifying=frozenset({"a"}))

    assert inferred({"N": "1"}, {"N": "1E+2"}, uses=uses) == ("bigint", [1, 100])
    assert inferred({"N": "9223372036854775808"}, uses=uses) == ("decimal(38,0)", [Decimal(2**63)])
    assert inferred({"N": "1.5"}, uses=uses)[0] == "decimal(38,18)"


def test_a_missing_attribute_is_null_and_doesnt_count_in_inference():
    schema = infer_types([{"a": {"N": "1"}}, {}], LAYOUT, NOTHING_KNOWN)

    assert to_ddl(schema) == "a decimal(38,18), key string"
    assert converter(schema)({}) == (None, None)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_every_number_survives_inference_digit_for_digit(numbers):
    type_, values = inferred(*({"N": str(number)} for number in numbers))

    if type_ == "string":
        assert values == [str(number) for number in numbers]
    assert [Decimal(value) for value in values] == numbers
    assert not any(isinstance(value, float) for value in values)


TEXT, NUMBER, FRACTION, FLAG, BYTES, MAP = (
    {"S": "x"}, {"N": "5"}, {"N": "1.5"}, {"BOOL": True}, {"B": b"x"}, {"M": {}},
)  # fmt: skip


@pytest.mark.parametrize(
    ("event", "values", "type_"),
    [
        # one type alone counts, whatever the event has
        (None, [NUMBER], "bigint"),
        ("string", [NUMBER], "bigint"),
        # of numbers a text is compared with whole ones alone
        ("string", [FRACTION], "string"),
        ("string", [NUMBER, FRACTION, MAP], "string"),
        ("string", [{"N": "9223372036854775808"}], "string"),
        ("string", [], "string"),
        # of several that of the event, however few
        ("string", [TEXT, NUMBER, NUMBER, MAP], "string"),
        ("string", [NUMBER, FLAG], "string"),
        ("int", [TEXT, TEXT, NUMBER], "bigint"),
        ("decimal(9,2)", [TEXT, NUMBER, FRACTION], "decimal(38,18)"),
        ("boolean", [TEXT, TEXT, FLAG], "boolean"),
        ("binary", [TEXT, TEXT, BYTES], "binary"),
        # else the most frequent that can be compared; of equally many the text
        (None, [TEXT, NUMBER], "string"),
        (None, [TEXT, NUMBER, NUMBER], "bigint"),
        ("date", [TEXT, NUMBER], "string"),
        ("int", [TEXT, FLAG, FLAG], "string"),
        ("int", [FLAG, FLAG], "boolean"),
        (None, [MAP, MAP, FLAG], "boolean"),
        ("string", [MAP, NUMBER], "bigint"),
        (None, [MAP], "string"),
    ],
)
def test_a_join_attribute_of_several_types_has_the_events(event, values, type_):
    uses = NOTHING_KNOWN if event is None else Uses({"event": parse_type(event)})

    schema = infer_types([{"key": value} for value in values], LAYOUT, uses)

    assert to_ddl(schema) == f"a string, key {type_}"
    assert schema.field("key").metadata is None
