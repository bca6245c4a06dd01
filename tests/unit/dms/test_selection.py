import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dms.patterns import NamePattern
from streamjoin.errors import ConfigError
from tests.unit.dms.rules import mapping, parsed, selection

NAMES = st.text(st.sampled_from("abB_%[]-.\n ä"), min_size=1, max_size=6)


def problems(*rules):
    with pytest.raises(ConfigError) as error:
        parsed(*rules)
    return "\n".join(error.value.problems)


def test_a_table_is_selected_by_the_rule_that_includes_it():
    mappings = parsed(selection("shop", "person"))
    assert mappings.selects("shop", "person")
    assert not mappings.selects("shop", "persons")
    assert not mappings.selects("shops", "person")


def test_an_excluded_table_is_not_selected_whatever_includes_it():
    mappings = parsed(selection("shop", "tmp%", "exclude"), selection("shop", "%"))
    assert mappings.selects("shop", "person")
    assert not mappings.selects("shop", "tmp_person")


def test_an_explicit_rule_selects_one_table_and_takes_an_underscore_as_it_is():
    mappings = parsed(selection("shop", "a_b", "explicit"), selection("shop", "c_d", "explicit"))
    assert mappings.selects("shop", "a_b")
    assert mappings.selects("shop", "c_d")
    assert not mappings.selects("shop", "axb")


@pytest.mark.parametrize("name", ["per%", "per[a-z]on"])
def test_wildcards_in_an_explicit_rule_are_refused(name):
    assert f"object-locator.table-name: '{name}' has wildcards" in problems(selection("shop", name, "explicit"))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("%", ["a", "", "x\ny"], []),
        ("ab%", ["ab", "abc"], ["aab"]),
        ("%b%", ["b", "abc"], ["ac"]),
        ("a_c", ["abc", "a_c"], ["ac", "abbc"]),
        ("a[_]c", ["a_c"], ["abc"]),
        ("[ab]c", ["ac", "bc"], ["cc", "abc"]),
        ("[a-d]x", ["ax", "dx"], ["ex", "-x"]),
        ("[ac-e-]", ["a", "d", "-"], ["b", "f"]),
        ("a.c*", ["a.c*"], ["abc"]),
    ],
)
def test_the_documented_wildcards_match(pattern, matching, others):
    found = NamePattern.parse(pattern)
    assert [name for name in matching if not found.matches(name)] == []
    assert [name for name in others if found.matches(name)] == []


@given(NAMES)
def test_a_name_whose_wildcards_are_in_sets_matches_itself_alone(name):
    quoted = "".join(f"[{character}]" if character in "%_[" else character for character in name)
    pattern = NamePattern.parse(quoted)
    assert pattern.matches(name)
    assert not pattern.matches(name + "x")
    assert not pattern.matches(name.replace(name[0], "Z"))


@pytest.mark.parametrize("pattern", ["a[", "a[b", "[]", "[^a]", "[!a]", "[d-a]"])
def test_a_set_of_characters_that_is_not_documented_is_refused(pattern):
    assert f"object-locator.table-name: '{pattern}' has " in problems(selection("shop", pattern))


def test_names_have_case():
    mappings = parsed(selection("Shop", "Person"))
    assert mappings.selects("Shop", "Person")
    assert not mappings.selects("shop", "person")


def test_names_have_no_case_if_the_server_has_none():
    mappings = parsed(selection("Shop", "Per%")).ignoring_case()
    assert mappings.selects("shop", "person")


@pytest.mark.parametrize("order", [7, "7"])
def test_the_load_order_of_a_table_is_the_highest_of_its_rules(order):
    mappings = parsed(selection("shop", "%", **{"load-order": 2}), selection("shop", "person", **{"load-order": order}))
    assert mappings.load_order("shop", "person") == 7
    assert mappings.load_order("shop", "order") == 2
    assert mappings.load_order("other", "order") == 0


@pytest.mark.parametrize("order", [0, -1, 2_147_483_648, "first", True, 1.5])
def test_a_load_order_that_dms_would_not_take_is_refused(order):
    assert "load-order: found " in problems(selection(**{"load-order": order}))


def test_source_filters_are_refused():
    found = [{"filter-type": "source", "column-name": "id", "filter-conditions": []}]
    assert "filters: not supported: source filters" in problems(selection(filters=found))


def test_keys_without_a_value_are_as_good_as_absent():
    assert parsed(selection(filters=[], **{"load-order": None})).selects("shop", "person")


@pytest.mark.parametrize("kind", ["view", "all"])
def test_views_are_refused(kind):
    rule = selection()
    rule["object-locator"]["table-type"] = kind
    assert f"table-type: '{kind}' is not supported: a view has no changes in the binlog" in problems(rule)


def test_the_type_table_is_accepted():
    rule = selection()
    rule["object-locator"]["table-type"] = "table"
    assert parsed(rule).selects("shop", "person")


def test_a_file_that_selects_nothing_is_refused():
    assert "no selection rule includes a table" in problems(selection(action="exclude"))


def test_a_table_that_is_selected_explicitly_and_excluded_is_refused():
    found = problems(selection("shop", "person", "explicit"), selection("shop", "p%", "exclude"))
    assert "rule 1 selects 'shop.person' explicitly, and rule 2 excludes it" in found


def test_a_mapping_of_a_table_that_is_not_selected_is_refused():
    found = problems(selection("shop", "person"), mapping("order", "orders"))
    assert "rule 2 maps the table 'shop.order', which no selection rule selects" in found
