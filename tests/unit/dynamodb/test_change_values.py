import base64
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dynamodb.change_values import Digits, NotAnItemError, is_number, read_item
from tests.item_values import ITEMS, NUMBERS


@given(ITEMS)
def test_every_item_is_read_from_its_json(item: dict[str, Any]) -> None:
    assert read_item(msgspec.json.decode(msgspec.json.encode(item)), "NewImage") == item


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        _nested := lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS", "a"]), inner)
        ),
    )
)
def test_whatever_is_no_item_is_refused_and_nothing_else_is_raised(found: Any) -> None:
    try:
        item = read_item(copy.deepcopy(found), "Keys")
    except NotAnItemError as error:
        assert str(error).startswith("Keys: ")
    else:
        assert all(len(value) == 1 for value in item.values())


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("x", "expected an object with one type name"),
        ({}, "expected an object with one type name"),
        ({"S": "x", "N": "1"}, "expected an object with one type name"),
        ({"X": "x"}, "no type of DynamoDB's"),
        ({"S": 1}, "S: expected text"),
        ({"S": Digits("1.5")}, "S: expected text"),
        ({"N": 1}, "N: expected text that is a number of at most 38 digits"),
        ({"N": "NaN"}, "N: expected text that is a number of at most 38 digits"),
        ({"N": "1" * 39}, "N: expected text that is a number of at most 38 digits"),
        ({"BOOL": "true"}, "BOOL: expected true or false"),
        ({"NULL": False}, "NULL: expected true"),
        ({"B": "not base64!"}, "expected base64 text"),
        ({"B": "AA"}, "expected base64 text"),
        ({"L": {}}, "L: expected an array"),
        ({"L": [{"S": None}]}, "S: expected text"),
        ({"M": []}, "M: expected an object"),
        ({"SS": []}, "SS: expected an array with elements"),
        ({"SS": ["a", "a"]}, "SS: an element is there twice"),
        ({"NS": ["1", "1.0"]}, "NS: an element is there twice"),
        ({"NS": ["x"]}, "NS: expected numbers"),
        ({"BS": ["?"]}, "BS: expected base64 text"),
    ],
)
def test_a_value_that_dynamodb_has_not_is_refused_by_its_attribute(value: Any, problem: str) -> None:
    with pytest.raises(NotAnItemError) as raised:
        read_item({"good": {"S": "x"}, "a": value}, "OldImage")

    assert str(raised.value) == f"OldImage: attribute 'a': {problem}"


def test_what_is_nested_too_deeply_is_refused_before_python_gives_up() -> None:
    value: Any = {"L": []}
    for _ in range(200):
        value = {"L": [value]}

    with pytest.raises(NotAnItemError, match="nested too deeply"):
        read_item({"a": value}, "NewImage")


def test_binary_is_decoded_wherever_it_is() -> None:
    text = base64.b64encode(b"\x00\xff").decode()
    item = read_item({"a": {"M": {"b": {"L": [{"B": text}, {"BS": [text]}]}}}}, "NewImage")

    assert item == {"a": {"M": {"b": {"L": [{"B": b"\x00\xff"}, {"BS": [b"\x00\xff"]}]}}}}


@given(NUMBERS)
def test_every_number_of_the_service_is_one(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "٣", "0x1", "1e", "1e9999999999", "1E+126", "1E-131", "--1", "Infinity"]
)
def test_other_texts_are_no_numbers(text: str) -> None:
    assert not is_number(text)
