import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dms import RowRejected, TableMappings
from streamjoin.errors import ConfigError
from tests.unit.dms.rules import (
    TEXT_ROW,
    attribute,
    column_rule,
    file_of,
    mapping,
    selection,
    source,
    table_rule,
)

WHOLE = json.loads(
    file_of(
        selection("shop", "person", "explicit", filters=[], **{"load-order": "1"}),
        selection("shop", "p[a-z]%"),
        selection("tmp", "%", "exclude"),
        mapping(
            partition_key_name="name",
            sort_key_name="id",
            exclude_columns=["first", "last"],
            attribute_mappings=[
                attribute("name", "${first} ${last}"),
                attribute("size", "${id}", "number"),
                attribute("raw", "${first}", "binary"),
                attribute("map", {"M": {"a": {"S": "${first}"}, "b": {"BOOL": True}}}, "dynamodb-map"),
                attribute("list", {"L": [{"N": "${id}"}, {"NULL": True}]}, "dynamodb-list"),
                attribute("set", {"SS": ["${first}", "x"]}, "dynamodb-set"),
            ],
            condition_expression={
                "expression": "id < :a",
                "expression-attribute-values": [{"name": ":a", "value": {"N": "5"}}],
                "apply-during-full-load": False,
            },
        ),
        column_rule("rename", "phone", value="telephone"),
        column_rule("change-data-type", "%", "other", data_type={"type": "int4"}),
        table_rule("replace-prefix", "other", value="x", old_value="y"),
    )
)
WORDS = st.sampled_from(["rules", "M", "L", "S", "N", "SS", "value", "name", "rule-type", "object-locator"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["${", "%", "[", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(node, path=()):
    """Yield the path of everything in a JSON value."""
    yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


PLACES = list(places(WHOLE))


def changed(path, change):
    whole = {"file": copy.deepcopy(WHOLE)}
    *parents, last = ("file", *path)
    at = whole
    for key in parents:
        at = at[key]
    change(at, last)
    return json.dumps(whole.get("file"))


def problems(text):
    with pytest.raises(ConfigError) as error:
        TableMappings.parse(text, "mappings.json")
    return "\n".join(error.value.problems)


def use(text):
    """Do all that can be done with a file; the errors that are meant are none."""
    try:
        mappings = TableMappings.parse(text, "mappings.json")
        mappings.selects("shop", "person")
        mappings.for_table(source(), missing_as_null=True).item(TEXT_ROW)
        mappings.for_tables([source(), source("other")]).mappings[0].item(TEXT_ROW)
    except (ConfigError, RowRejected) as error:
        assert str(error)


@given(st.text() | JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text):
    use(text)


@given(st.sampled_from(PLACES), JSON)
def test_a_file_with_anything_in_any_place_is_read_or_refused(path, value):
    use(changed(path, lambda at, last: at.__setitem__(last, value)))


@given(st.sampled_from([path for path in PLACES if path]))
def test_a_file_with_anything_left_out_is_read_or_refused(path):
    use(changed(path, lambda at, last: at.__delitem__(last)))


@given(st.sampled_from(PLACES), st.text(min_size=1))
def test_a_key_that_is_not_documented_is_never_ignored(path, key):
    at = WHOLE
    for part in path:
        at = at[part]
    in_document = "M" in path or path[-1:] == ("M",)
    if not isinstance(at, dict) or key in at or in_document:
        return
    with pytest.raises(ConfigError):
        TableMappings.parse(changed((*path, key), lambda at, last: at.__setitem__(last, "x")), "mappings.json")


def test_the_file_that_is_changed_in_these_tests_is_right():
    item = TableMappings.parse(json.dumps(WHOLE), "mappings.json").for_table(source()).item({**TEXT_ROW, "phone": "5"})
    assert sorted(item) == ["id", "list", "map", "name", "raw", "set", "size", "telephone"]


def test_every_problem_of_a_file_is_told_with_its_rule_and_key():
    rules = [
        selection("shop", "person", "includes"),
        {**mapping(partition_key="id", sort_key_name="x"), "target-table-name": "a b"},
        {"rule-type": "selections", "rule-id": "1"},
    ]
    assert problems(file_of(*rules)).splitlines() == [
        "rules[0] (rule-id 1): rule-action: found 'includes'; did you mean 'include'? allowed: include, "
        "exclude, explicit",
        "rules[1] (rule-id 2): target-table-name: 'a b' can't be a DynamoDB table; allowed: 3 to 255 of the characters "
        "a-z, A-Z, 0-9, '_', '-', '.'",
        "rules[1] (rule-id 2): mapping-parameters.sort-key-name: needs partition-key-name beside it",
        "rules[1] (rule-id 2): mapping-parameters.partition-key: not supported: it belongs to a Kinesis or Kafka "
        "target",
        "rules[2] (rule-id 1): rule-id: another rule has it; each has a number of its own",
        "rules[2] (rule-id 1): rule-type: found 'selections'; did you mean 'selection'? allowed: selection, "
        "object-mapping, transformation, table-settings",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file can't be read as JSON: Expecting value"),
        ("{} x", "the file can't be read as JSON: Extra data"),
        ('{"rules": NaN}', "NaN is no JSON"),
        ('{"rules": [], "rules": []}', "the key 'rules' is in one object twice"),
        ("[" * 100_000, "the file is nested too deeply"),
        ("9" * 5000, "the file can't be read as JSON"),
        (" " * (2 * 1024 * 1024 + 1), "the file has 2097153 bytes; DMS takes up to 2097152"),
        ("[]", "the whole file: found a list; allowed: an object with the key rules"),
        ("{}", "rules: there are none; add a selection rule"),
        ('{"rules": {"a": 1}}', "rules: found an object; allowed: a list of objects"),
        ('{"rules": [1]}', "rules[0]: found 1; allowed: an object"),
        ('{"rule": [1]}', "rule: unknown key; did you mean 'rules'?"),
        ('{"rules": [{}]}', "rules[0].rule-id: missing"),
        ('{"rules": [{"rule-id": "one"}]}', "rule-id: found 'one'; allowed: a whole number"),
        ('{"rules": [{"rule-id": 1, "rule-name": "\\ud800"}]}', "rule-name: found '"),
    ],
)
def test_a_file_that_can_not_be_read_says_why(text, expected):
    assert expected in problems(text)


@pytest.mark.parametrize("key", ["rule-id", "rule-name"])
def test_two_rules_of_one_id_or_name_are_refused(key):
    rules = [{**selection(), key: "7"}, {**selection(), key: "7"}]
    assert f"rules[1] (rule-id {'7' if key == 'rule-id' else '2'}): {key}: " in problems(file_of(*rules))


def test_rules_of_other_types_are_refused_by_name():
    found = problems(file_of(selection(), {"rule-type": "post-processing"}))
    assert "rule-type: 'post-processing' is not supported: DMS documents it for S3 targets" in found


@pytest.mark.parametrize("action", ["map-record-to-records", "explicit"])
def test_an_object_mapping_of_another_action_is_refused(action):
    found = problems(file_of(selection(), {**mapping(), "rule-action": action}))
    assert f"rule-action: found '{action}'; " in found
    assert "allowed: map-record-to-record, map-record-to-document" in found


@pytest.mark.parametrize("name", ["%", "per%", "p[ae]rson"])
def test_an_object_mapping_is_for_one_table(name):
    assert f"table-name: '{name}' has wildcards" in problems(file_of(selection(), mapping(name)))


def test_two_object_mappings_of_one_table_are_refused():
    found = problems(file_of(selection(), mapping(target="aaa"), mapping(target="bbb")))
    assert found == "rules 2 and 3 both map the table 'shop.person'"


def test_two_object_mappings_with_one_target_are_refused():
    found = problems(file_of(selection(), mapping("person"), mapping("animal")))
    assert found.startswith(
        "rules 2 and 3 both have the target 'people'; DMS takes one table for each target table; a job"
    )


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"partition_key_name": "a", "sort_key_name": "a"}, "sort-key-name: 'a' is the partition key already"),
        ({"partition_key_name": "a" * 256}, "partition-key-name: has 256 bytes; allowed: up to 255"),
        ({"partition_key_name": ["a"]}, "partition-key-name: found a list; allowed: text"),
        ({"exclude_columns": "a"}, "exclude-columns: found 'a'; allowed: a list of names"),
        ({"exclude_columns": ["a", "a"]}, "exclude-columns: 'a' is in the list twice"),
        ({"attribute_mappings": [attribute("", "x")]}, "target-attribute-name: found an empty text"),
        (
            {"partition_key_name": "a", "attribute_mappings": [attribute("a", {"L": []}, "dynamodb-list")]},
            "partition-key-name: 'a' is made a document; a key is a string, a number or binary",
        ),
        (
            {"attribute_mappings": [{**attribute("a", "x"), "attribute-type": "structure"}]},
            "attribute-type: found 'structure'; allowed: scalar, document",
        ),
        ({"partition_key_type": "x"}, "partition-key-type: not supported: it belongs to a Kinesis or Kafka target"),
    ],
)
def test_mapping_parameters_that_are_not_documented_are_refused(parameters, expected):
    assert expected in problems(file_of(selection(), mapping(**parameters)))


def test_a_document_is_not_mapped_beside_the_map_of_the_columns():
    found = problems(file_of(selection(), mapping(document=True, attribute_mappings=[attribute("_doc", "x")])))
    assert "'_doc' is what map-record-to-document makes of the columns" in found
