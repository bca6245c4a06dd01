"""Files as the DMS console writes them: keys without a value, and keys that only tune DMS."""

import json

import pytest

from streamjoin.dms import TableMappings
from streamjoin.errors import ConfigError
from tests.unit.dms.rules import column_rule, file_of, mapping, parsed, selection, source, table_rule

CONSOLE_FILE = """
{"rules": [{"rule-type": "selection", "rule-id": "1", "rule-name": "1",
  "object-locator": {"schema-name": "film", "table-name": "ratings"},
  "rule-action": "include", "filters": [], "parallel-load": null, "isAutoSegmentationChecked": false}]}
"""
SCHEMA_RULE = {
    "rule-type": "transformation",
    "rule-target": "schema",
    "object-locator": {"schema-name": "film"},
    "rule-action": "rename",
    "value": "movies",
    "old-value": None,
}


def problems(*rules):
    with pytest.raises(ConfigError) as error:
        parsed(*rules)
    return "\n".join(error.value.problems)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_of_the_console_that_says_nothing_special_is_taken_without_a_word(mark):
    mappings = TableMappings.parse(mark + CONSOLE_FILE, "mappings.json")
    assert mappings.selects("film", "ratings")
    assert mappings.notes == ()


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_a_key_with_nothing_in_it_is_as_good_as_absent_wherever_it_stands(nothing):
    keys = ("parallel-load", "filters", "load-order", "lob-settings", "kafka-target-topic", "whatever")
    empty = dict.fromkeys(keys, nothing)
    chosen = selection(**empty)
    chosen["object-locator"] |= {"table-type": nothing, "column-name": nothing}
    mapped = mapping(condition_expression=nothing, attribute_mappings=nothing, exclude_columns=nothing) | empty
    renamed = column_rule("convert-uppercase", value=nothing, old_value=nothing, data_type=nothing) | empty
    mappings = parsed(chosen, mapped, renamed)
    assert mappings.for_table(source()).target_table == "people"
    assert mappings.notes == ()


def test_what_only_tunes_dms_is_taken_and_named_once():
    settings = {
        "rule-type": "table-settings",
        "object-locator": {"schema-name": "shop", "table-name": "person"},
        "parallel-load": {"type": "ranges", "columns": ["id"], "boundaries": [["5"]]},
        "lob-settings": {"mode": "unlimited"},
    }
    chosen = selection(isAutoSegmentationChecked=True, **{"parallel-load": {"type": "partitions-auto"}})
    assert parsed(chosen, settings).notes == (
        "rules[0] (rule-id 1): isAutoSegmentationChecked: only tunes DMS",
        "rules[0] (rule-id 1): parallel-load: only tunes DMS",
        "rules[1] (rule-id 2): lob-settings: only tunes DMS",
        "rules[1] (rule-id 2): parallel-load: only tunes DMS",
    )


def test_names_that_only_other_targets_have_change_nothing_and_are_named_once():
    spaces = [
        {**table_rule("rename", value="x"), "rule-target": target}
        for target in ("table-tablespace", "index-tablespace")
    ]
    mappings = parsed(selection(), SCHEMA_RULE, *spaces)
    assert mappings.for_table(source()).target_table == "person"
    assert mappings.notes == (
        "rules[1] (rule-id 2): rule-target: a DynamoDB table has no schema",
        "rules[2] (rule-id 3): rule-target: a DynamoDB table has no table-tablespace",
        "rules[3] (rule-id 4): rule-target: a DynamoDB table has no index-tablespace",
    )


def test_a_mapping_may_say_that_it_is_for_a_table_and_nothing_else():
    mappings = parsed(selection(), mapping() | {"rule-target": "table"})
    assert mappings.for_table(source()).target_table == "people"
    assert mappings.notes == ("rules[1] (rule-id 2): rule-target: an object-mapping rule is for a table anyway",)
    found = problems(selection(), mapping() | {"rule-target": "column"})
    assert "rules[1] (rule-id 2): rule-target: found 'column'; allowed: table" in found


def test_ids_and_names_may_be_numbers():
    rules = [{**selection(), "rule-id": 7, "rule-name": 7}, {**mapping(), "rule-id": "8", "rule-name": 8}]
    assert parsed(*rules).object_mappings[0].rule_id == 8
    twice = json.loads(file_of({**selection(), "rule-name": 7}, {**mapping(), "rule-name": "7"}))
    with pytest.raises(ConfigError, match="'7': another rule has it"):
        TableMappings.parse(json.dumps(twice), "mappings.json")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (selection(filters=[{"filter-type": "source"}]), "filters: not supported"),
        (selection(parallelload={"type": "none"}), "parallelload: unknown key; did you mean 'parallel-load'?"),
        (selection(isAutoSegmentation=False), "isAutoSegmentation: unknown key"),
        ({**SCHEMA_RULE, "expression": "$x"}, "expression: not supported"),
        ({**SCHEMA_RULE, "rule-action": "remove-column"}, "rule-action: found 'remove-column'"),
        (
            {
                "rule-type": "table-settings",
                "object-locator": {"schema-name": "shop", "table-name": "person"},
                "lob-settings": {"mode": "limited", "bulk-max-size": "16"},
            },
            "lob-settings.mode: 'limited' is not supported: values are never cut",
        ),
    ],
)
def test_what_would_change_a_result_is_still_refused_by_name(rule, expected):
    assert expected in problems(selection(), rule)
