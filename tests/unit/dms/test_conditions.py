import pytest

from streamjoin.errors import ConfigError
from tests.unit.dms.rules import mapping, parsed, selection, source


def rule(**keys):
    return mapping(condition_expression={key.replace("_", "-"): value for key, value in keys.items()})


def condition(**keys):
    return parsed(selection(), rule(**keys)).for_table(source()).condition


def problems(**keys):
    with pytest.raises(ConfigError) as error:
        condition(**keys)
    return "\n".join(error.value.problems)


def test_a_condition_is_handed_on_in_dynamodbs_own_words():
    found = condition(
        expression="attribute_not_exists(#i) OR price < :p",
        expression_attribute_names=[{"name": "#i", "value": "id"}],
        expression_attribute_values=[{"name": ":p", "value": {"N": "1.0"}}],
        apply_during_cdc=True,
        apply_during_full_load="false",
    )
    assert found.expression == "attribute_not_exists(#i) OR price < :p"
    assert (found.names, found.values) == ({"#i": "id"}, {":p": {"N": "1"}})
    assert (found.during_full_load, found.during_cdc) == (False, True)


def test_a_condition_is_for_the_full_load_unless_it_says_otherwise():
    found = condition(expression="attribute_not_exists(id)")
    assert (found.during_full_load, found.during_cdc) == (True, False)


def test_a_condition_that_never_applies_is_accepted_and_changes_nothing():
    never = rule(expression="attribute_not_exists(id)", apply_during_cdc=False, apply_during_full_load=False)
    assert parsed(selection(), never).for_table(source()).condition is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"apply_during_cdc": True}, "condition-expression.expression: missing"),
        ({"expression": "x", "apply_during_cdc": 1}, "apply-during-cdc: found 1; allowed: true or false"),
        ({"expression": "x", "expression_attribute_values": [{"name": "p", "value": {"N": "1"}}]}, "begins with ':'"),
        ({"expression": "x", "expression_attribute_names": [{"name": "p", "value": "id"}]}, "begins with '#'"),
        ({"expression": "x", "expression_attribute_names": [{"name": "#p"}]}, "value: missing"),
        ({"expression": "x", "expression_attribute_values": [{"name": ":p", "value": {"N": "${id}"}}]}, "a constant"),
        (
            {"expression": "x", "expression_attribute_values": [{"name": ":p", "value": {"N": "x"}}]},
            "and the text for it is none",
        ),
        ({"expression": "x", "expression_attribute_values": 5}, "found 5; allowed: a list of objects"),
        ({"expression": "x", "expression_attribute_names": [{"name": "#p", "value": "a"}] * 2}, "'#p' is there twice"),
        ({"expression": "x", "when": "always"}, "when: unknown key"),
        ({"expression": "#p < :p"}, "expression: has '#p', which is not in expression-attribute-names"),
        ({"expression": "#p < :p"}, "expression: has ':p', which is not in expression-attribute-values"),
        (
            {"expression": "a < :price", "expression_attribute_values": [{"name": ":p", "value": {"N": "1"}}]},
            "expression: doesn't have ':p', and DynamoDB refuses names and values that aren't used",
        ),
    ],
)
def test_a_condition_that_is_not_documented_is_refused(keys, expected):
    assert expected in problems(**keys)
