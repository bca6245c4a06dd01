import math
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import SchemaError
from streamjoin.reference.lookup.key_values import check_key, event_values, key_converter, stored_value
from streamjoin.schema.ddl import parse_type


def key_of(value, event, found, key_type, max_bytes=2048):
    return key_converter(parse_type(event), parse_type(found), key_type, max_bytes)(value)


@pytest.mark.parametrize(
    ("event", "found", "key_type", "value", "key"),
    [
        ("string", "string", "S", "India", "India"),
        ("string", "string", "S", "007", "007"),
        ("bigint", "string", "S", 7, "7"),
        ("int", "string", "S", -7, "-7"),
        ("date", "date", "S", "2026-01-31", "2026-01-31"),
        ("binary", "binary", "B", b"\x00\xff", b"\x00\xff"),
        # numbers by value
        ("bigint", "bigint", "N", 1500, "1500"),
        ("bigint", "decimal(38,18)", "N", -3, "-3"),
        ("decimal(10,2)", "bigint", "N", Decimal("7.00"), "7"),
        ("decimal(10,2)", "decimal(38,18)", "N", Decimal("7.50"), "7.5"),
        ("decimal(10,2)", "decimal(38,18)", "N", Decimal("-0.00"), "0"),
        ("decimal(38,0)", "decimal(38,0)", "N", Decimal(10**38 - 1), "9" * 38),
        ("double", "bigint", "N", 7.0, "7"),
        ("double", "double", "N", 0.1, "0.1"),
        ("double", "decimal(38,18)", "N", 1e-7, "0.0000001"),
        ("double", "double", "N", 1e22, "1" + "0" * 22),
        ("double", "double", "N", -0.0, "0"),
        # as the join compares them: a float beside a double is what it is, beside a float its own shortest text
        ("float", "float", "N", 0.10000000149011612, "0.1"),
        ("float", "double", "N", 0.10000000149011612, "0.10000000149011612"),
        ("float", "bigint", "N", 16777216.0, "16777216"),
        ("double", "float", "N", 0.5, "0.5"),
        ("bigint", "double", "N", 9007199254740993, "9007199254740992"),
        ("decimal(38,18)", "double", "N", Decimal("0.100000000000000001"), "0.1"),
        # a text and a number: the number's own text alone
        ("string", "bigint", "N", "7", "7"),
        ("string", "bigint", "N", "-7", "-7"),
        ("string", "string", "N", "7.5", "7.5"),
        ("string", "string", "N", "1e3", "1000"),
        ("bigint", "string", "N", 7, "7"),
    ],
)
def test_an_events_value_is_the_key_that_the_join_finds_equal(event, found, key_type, value, key):
    assert key_of(value, event, found, key_type) == key


@pytest.mark.parametrize(
    ("event", "found", "key_type", "value"),
    [
        ("string", "string", "S", ""),
        ("string", "string", "S", "x" * 2049),
        ("string", "string", "S", "é" * 1025),
        ("binary", "binary", "B", b""),
        ("binary", "binary", "B", b"x" * 2049),
        ("double", "double", "N", math.nan),
        ("double", "bigint", "N", math.inf),
        ("float", "float", "N", -math.inf),
        ("double", "double", "N", 1e126),
        ("double", "double", "N", 1e-131),
        ("string", "bigint", "N", "007"),
        ("string", "bigint", "N", "7.0"),
        ("string", "bigint", "N", "-0"),
        ("string", "bigint", "N", "+7"),
        ("string", "bigint", "N", " 7"),
        ("string", "bigint", "N", "7\n"),
        ("string", "bigint", "N", "\u0667"),
        ("string", "bigint", "N", ""),
        ("string", "bigint", "N", "1" * 39),
        ("string", "string", "N", "seven"),
        ("string", "string", "N", "Infinity"),
        ("string", "string", "N", "1e126"),
        ("string", "string", "N", "0." + "0" * 130 + "1"),
        ("string", "string", "N", "1." + "1" * 38),
        ("string", "string", "N", "1e999999999"),
        ("string", "string", "N", "1" * 100_000),
    ],
)
def test_what_no_key_can_be_is_never_sent(event, found, key_type, value):
    assert key_of(value, event, found, key_type) is None


def test_the_longest_keys_are_sent():
    assert key_of("é" * 1024, "string", "string", "S") == "é" * 1024
    assert key_of("x" * 1024, "string", "string", "S", 1024) == "x" * 1024
    assert key_of("x" * 1025, "string", "string", "S", 1024) is None
    assert key_of(b"x" * 2048, "binary", "binary", "B") == b"x" * 2048
    assert key_of("1e125", "string", "string", "N") == "1" + "0" * 125
    assert key_of(1e-130, "double", "double", "N") == "0." + "0" * 129 + "1"


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15))
def test_equal_numbers_are_one_key_whatever_their_digits(number):
    from_event = key_of(number, "decimal(38,18)", "decimal(38,18)", "N")

    assert Decimal(from_event) == number
    assert from_event == stored_value({"N": str(number)}) == stored_value({"N": f"{number:E}"})


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100))
def test_a_double_is_the_key_of_its_shortest_text(number):
    key = key_of(number, "double", "double", "N")

    assert key is None or float(key) == number
    assert (key is None) == (0 < abs(number) < 1e-130)


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_of_a_text_are_a_value_or_none(content):
    column = pa.StringArray.from_buffers(
        1, pa.array([0, len(content)], pa.int32()).buffers()[1], pa.py_buffer(content or b"\0")
    )

    (value,) = event_values(column)

    assert value is None or value.encode() == content


def test_dates_beyond_pythons_are_none():
    days = pa.array([0, -719162, -719163, 2932896, 2932897, None], pa.int32()).cast(pa.date32())

    assert event_values(days) == ["1970-01-01", "0001-01-01", None, "9999-12-31", None, None]
    assert date(9999, 12, 31).isoformat() == "9999-12-31"


def check(event, found, key_type):
    check_key("country", "c", "code", parse_type(event), parse_type(found), key_type)


@pytest.mark.parametrize(
    ("event", "found", "key_type"),
    [
        ("string", "string", "S"),
        ("bigint", "string", "S"),
        ("date", "date", "S"),
        ("string", "bigint", "N"),
        ("double", "decimal(10,2)", "N"),
        ("string", "string", "N"),
        ("smallint", "string", "N"),
        ("binary", "binary", "B"),
    ],
)
def test_types_that_tell_a_key_pass(event, found, key_type):
    check(event, found, key_type)


@pytest.mark.parametrize(
    ("event", "found", "key_type"),
    [
        ("string", "decimal(10,2)", "N"),
        ("string", "double", "N"),
        ("double", "string", "S"),
        ("string", "binary", "B"),
        ("string", "date", "S"),
        ("timestamp", "string", "S"),
        ("boolean", "bigint", "N"),
    ],
)
def test_types_that_the_join_cant_compare_are_refused_as_the_join_refuses_them(event, found, key_type):
    with pytest.raises(SchemaError, match=r"join c = code: the event's .* can't be compared with the reference's"):
        check(event, found, key_type)


@pytest.mark.parametrize(
    ("event", "found", "key_type", "suitable"),
    [
        ("timestamp", "timestamp", "S", "string or date"),
        ("bigint", "bigint", "S", "string or date"),
        ("date", "date", "N", "a number or string"),
        ("boolean", "boolean", "N", "a number or string"),
        ("string", "string", "B", "binary"),
        ("binary", "binary", "S", "string or date"),
    ],
)
def test_types_that_no_key_has_are_refused_with_those_that_it_may_have(event, found, key_type, suitable):
    with pytest.raises(SchemaError, match=rf"key attribute 'code' is of type {key_type}.*Declare it as {suitable}"):
        check(event, found, key_type)
