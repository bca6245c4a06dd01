import json
from typing import Any

import pytest
from hypothesis import given

from streamjoin.dynamodb.attribute_json import from_json, to_json
from tests.item_values import ITEMS, unordered


@given(ITEMS)
def test_every_item_comes_back_from_its_text(item: dict[str, Any]) -> None:
    text = to_json(item)

    assert unordered({"M": dict(from_json(text))}) == unordered({"M": item})
    assert to_json(from_json(text)) == text
    json.loads(text)


@given(ITEMS)
def test_the_order_of_names_and_of_sets_changes_nothing(item: dict[str, Any]) -> None:
    def turned(value: Any) -> Any:
        ((kind, content),) = value.items()
        if kind in ("SS", "NS", "BS"):
            return {kind: content[::-1]}
        if kind == "L":
            return {kind: [turned(each) for each in content]}
        return {kind: {n: turned(content[n]) for n in reversed(content)}} if kind == "M" else value

    assert to_json({name: turned(item[name]) for name in reversed(item)}) == to_json(item)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"S": 'é "x"'}, '"é \\"x\\""'),
        ({"N": "1.10"}, "1.10"),
        ({"N": "12345678901234567890123456789012345678"}, "12345678901234567890123456789012345678"),
        ({"N": "1E+2"}, "1E+2"),
        ({"N": "007"}, "7"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, "null"),
        ({"L": [{"N": "1"}, {"S": "1"}]}, '[1,"1"]'),
        ({"M": {"b": {"N": "1"}, "a": {"M": {}}}}, '{"a":{},"b":1}'),
        ({"SS": ["b", "a"]}, '{"SS":["a","b"]}'),
        ({"NS": ["10", "9"]}, '{"NS":["9","10"]}'),
        ({"BS": [b"\xff", b"\x00"]}, '{"BS":["AA==","/w=="]}'),
        ({"B": b"\x00\xff"}, '{"B":"AP8="}'),
        ({"M": {"SS": {"L": []}}}, '{"M":{"SS":[]}}'),
        ({"M": {"M": {"N": "1"}}}, '{"M":{"M":1}}'),
        ({"M": {"S": {"N": "1"}}}, '{"S":1}'),
        ({"M": {"B": {"S": "x"}, "c": {"N": "1"}}}, '{"B":"x","c":1}'),
    ],
)
def test_what_json_has_a_form_for_is_plain_json(value: dict[str, Any], text: str) -> None:
    assert to_json({"a": value}) == f'{{"a":{text}}}'


def test_an_attribute_called_like_a_type_is_plain_too() -> None:
    assert to_json({"B": {"S": "x"}}) == '{"B":"x"}'
    assert from_json('{"B":"x"}') == {"B": {"S": "x"}}
