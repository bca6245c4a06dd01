from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeDeserializer

from streamjoin.dms import RowRejected
from streamjoin.errors import ConfigError
from tests.unit.dms.rules import K, attribute, mapping, parsed, selection, source

TABLE = source(
    id=K.INTEGER, name=K.TEXT, price=K.DECIMAL, ratio=K.FLOAT, photo=K.BINARY, note=K.TEXT, on=K.INTEGER, born=K.DATE
)
ROW = {
    "id": 1,
    "name": "Ada",
    "price": Decimal("1.50"),
    "ratio": 5.0,
    "photo": b"\xff",
    "note": None,
    "on": 1,
    "born": "1815-12-10",
}


def made(value, sub_type="string", row=ROW):
    rule = mapping(attribute_mappings=[attribute("a", value, sub_type)])
    return parsed(selection(), rule).for_table(TABLE).item(row).get("a")


def problems(value, sub_type="string"):
    with pytest.raises(ConfigError) as error:
        made(value, sub_type)
    return "\n".join(error.value.problems)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${name}", "Ada"),
        ("${id}", "1"),
        ("${price}", "1.50"),
        ("${ratio}", "5"),
        ("${name},${id}", "Ada,1"),
        ("<${born}>", "<1815-12-10>"),
        ('{"Name": "${name}"}', '{"Name": "Ada"}'),
        ("$name {id} $", "$name {id} $"),
        ("constant", "constant"),
        ("", ""),
        ("${name}-${note}", "Ada-"),
    ],
)
def test_a_scalar_string_is_the_text_with_the_columns_put_in(value, expected):
    assert made(value) == {"S": expected}


@pytest.mark.parametrize("value", ["${note}", "(${note})"])
@pytest.mark.parametrize("sub_type", ["string", "number", "binary"])
def test_an_attribute_of_nothing_but_null_is_left_out(value, sub_type):
    assert made(value, sub_type) is None


@pytest.mark.parametrize(("value", "expected"), [("${price}", "1.5"), ("${id}0", "10"), ("${ratio}", "5"), ("7", "7")])
def test_a_scalar_number_is_a_number(value, expected):
    assert made(value, "number") == {"N": expected}


def test_text_that_is_no_number_is_rejected_if_one_is_wanted():
    with pytest.raises(RowRejected, match="NOT_A_NUMBER"):
        made("${name}", "number")


@pytest.mark.parametrize(("value", "expected"), [("${photo}", b"\xff"), ("${name}!", b"Ada!"), ("${id}", b"1")])
def test_a_scalar_binary_is_a_binary_column_or_text_as_utf_8(value, expected):
    assert made(value, "binary") == {"B": expected}


@pytest.mark.parametrize(
    ("value", "sub_type"), [("${photo}", "string"), ("${photo}", "number"), ("x${photo}", "binary")]
)
def test_a_binary_column_is_not_made_text(value, sub_type):
    assert "attribute 'a': column 'photo' is binary, which becomes binary alone" in problems(value, sub_type)


def test_a_document_map_has_its_members_and_leaves_out_those_that_are_null():
    value = {"M": {"Name": {"S": "${name}"}, "Note": {"S": "${note}"}, "More": {"M": {"Id": {"N": "${id}"}}}}}
    assert made(value, "dynamodb-map") == {"M": {"Name": {"S": "Ada"}, "More": {"M": {"Id": {"N": "1"}}}}}


def test_a_document_list_has_its_members_and_leaves_out_those_that_are_null():
    value = {"L": [{"N": "${id}"}, {"S": "${note}"}, {"S": "${name} ${born}"}, {"L": []}]}
    assert made(value, "dynamodb-list") == {"L": [{"N": "1"}, {"S": "Ada 1815-12-10"}, {"L": []}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"SS": ["${name}", "${note}", "b", "${name}"]}, {"SS": ["Ada", "b"]}),
        ({"NS": ["${id}", "1.0", "${price}"]}, {"NS": ["1", "1.5"]}),
        ({"BS": ["${photo}", "x"]}, {"BS": [b"\xff", b"x"]}),
        ({"SS": ["${note}"]}, None),
    ],
)
def test_a_document_set_has_each_member_once_and_is_left_out_when_empty(value, expected):
    assert made(value, "dynamodb-set") == expected


def test_documents_may_hold_all_types_of_dynamodb():
    value = {
        "M": {
            "s": {"S": "x"},
            "n": {"N": "1"},
            "b": {"B": "${photo}"},
            "t": {"BOOL": "${on}"},
            "f": {"BOOL": False},
            "z": {"NULL": True},
            "l": {"L": [{"M": {}}]},
            "ss": {"SS": ["a"]},
            "ns": {"NS": ["1"]},
            "bs": {"BS": ["a"]},
        }
    }
    read = TypeDeserializer().deserialize(made(value, "dynamodb-map"))
    assert (read["t"], read["f"], read["z"], read["l"], read["ns"]) == (True, False, None, [{}], {1})


def test_a_boolean_of_other_text_is_rejected():
    with pytest.raises(RowRejected, match="NOT_A_BOOLEAN"):
        made({"M": {"t": {"BOOL": "${name}"}}}, "dynamodb-map")


def test_a_rejected_member_is_named_by_its_place():
    with pytest.raises(RowRejected, match=r"attribute 'a\.list\[1\]' is a number") as error:
        made({"M": {"list": {"L": [{"N": "1"}, {"N": "${name}"}]}}}, "dynamodb-map")
    assert "Ada" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "sub_type", "expected"),
    [
        ("${name", "string", "value: '${name' has a '${' without its '}'"),
        ("${}", "string", "value: '${}' has '${}' without the name of a column"),
        (5, "number", "value: found 5; allowed: text, with ${column}"),
        (None, "string", "value: missing"),
        ("${name}", "json", "'json' is not supported: it belongs to a Kinesis or Kafka target"),
        ("${name}", "boolean", "attribute-sub-type: found 'boolean'; allowed: string, number, binary"),
        ("${name}", "dynamodb-map", "value: found '${name}'; allowed: an object with one key, the type: M"),
        ({"L": []}, "dynamodb-map", "value: found an object with the keys 'L'; allowed: an object with one key"),
        ({"M": []}, "dynamodb-map", "value.M: found a list; allowed: an object of members"),
        ({"L": {}}, "dynamodb-list", "value.L: found an object; allowed: a list of members"),
        ({"SS": []}, "dynamodb-set", "value.SS: found a list; allowed: a list of texts"),
        ({"SS": [1]}, "dynamodb-set", "value.SS[0]: found 1; allowed: text"),
        ({"M": {"a": {"X": "1"}}}, "dynamodb-map", "value.M.a: found an object with the keys 'X'"),
        ({"M": {"a": {"NULL": False}}}, "dynamodb-map", "value.M.a.NULL: found false; allowed: true"),
        ("x", "number", "value: found 'x': attribute 'value' is a number, and the text for it is none"),
        ({"NS": ["${id}", "y"]}, "dynamodb-set", "value.NS[1]: found 'y': "),
        ({"M": {"a": {"N": 1}}}, "dynamodb-map", "value.M.a.N: found 1; allowed: text"),
    ],
)
def test_a_value_that_is_not_documented_is_refused(value, sub_type, expected):
    assert expected in problems(value, sub_type)


def test_a_document_that_is_too_deep_is_refused():
    value = {"S": "x"}
    for _ in range(33):
        value = {"M": {"a": value}}
    assert "is deeper than 32 levels" in problems(value, "dynamodb-map")


def test_an_attribute_that_is_mapped_twice_is_refused():
    rule = mapping(attribute_mappings=[attribute("a", "x"), attribute("a", "y")])
    with pytest.raises(ConfigError, match="target-attribute-name: 'a' is mapped twice"):
        parsed(selection(), rule)


def test_the_attribute_that_the_sink_needs_is_refused():
    rule = mapping(partition_key_name="_binlog", attribute_mappings=[attribute("_binlog", "x")])
    with pytest.raises(ConfigError) as error:
        parsed(selection(), rule)
    assert [line.partition("mapping-parameters.")[2].partition(":")[0] for line in error.value.problems] == [
        "partition-key-name",
        "attribute-mappings[0].target-attribute-name",
    ]
