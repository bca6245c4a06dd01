"""Rules against the tables that there are: keys, columns that don't exist, several tables for one target."""

import pytest

from streamjoin.dms import RowRejected
from streamjoin.dms.source_table import schema_and_table, table_name
from streamjoin.errors import ConfigError
from tests.unit.dms.rules import TEXT_ROW, K, attribute, column_rule, mapping, parsed, selection, source


def problems(table, *rules, **options):
    with pytest.raises(ConfigError) as error:
        parsed(*rules).for_table(table, **options)
    assert str(error.value).startswith("mappings.json: ")
    return "\n".join(error.value.problems)


def test_a_table_without_a_primary_key_needs_a_stated_one():
    found = problems(source(primary_key=()), selection())
    assert found.startswith(
        "table 'shop.person': it has no primary key, and DMS takes one column for an item's key; state"
    )
    stated = parsed(selection(), mapping(partition_key_name="id")).for_table(source(primary_key=()))
    assert stated.partition_key == "id"


def test_a_primary_key_of_several_columns_needs_a_stated_one():
    found = problems(source(primary_key=("id", "first")), selection())
    assert "it has a primary key of 2 columns (id, first)" in found


def test_a_primary_key_that_is_excluded_is_refused():
    assert "its primary key 'id' is left out by a rule" in problems(
        source(), selection(), mapping(exclude_columns=["id"])
    )


def test_a_key_that_no_rule_makes_is_refused():
    found = problems(source(), selection(), mapping(partition_key_name="ID"))
    assert (
        found
        == "table 'shop.person': the key attribute 'ID' is none that the rules make; they make first, id, last, phone"
    )


def test_a_key_that_is_a_boolean_is_refused():
    to_boolean = column_rule("change-data-type", "id", data_type={"type": "boolean"})
    assert "the key attribute 'id' is no string, number or binary" in problems(source(), selection(), to_boolean)


def test_columns_that_do_not_exist_are_refused_wherever_they_are_named():
    rules = [
        selection(),
        mapping(exclude_columns=["nick"], attribute_mappings=[attribute("name", "${firstname}")]),
        column_rule("rename", "lastname", value="surname"),
    ]
    found = problems(source(), *rules)
    assert "attribute 'name' (rule 2): the table has no column 'firstname'; it has id, first, last, phone" in found
    assert "exclude-columns (rule 2): the table has no column 'nick'" in found
    assert "transformation (rule 3): the table has no column 'lastname'" in found


def test_a_column_that_a_table_did_not_have_yet_counts_as_null():
    rules = [selection(), mapping(exclude_columns=["nick"], attribute_mappings=[attribute("name", "${first} ${nick}")])]
    item = parsed(*rules).for_table(source(), missing_as_null=True).item(TEXT_ROW)
    assert item["name"] == {"S": "Ada "}


def test_a_row_of_a_table_that_did_not_have_its_key_yet_is_rejected():
    found = parsed(selection(), mapping(partition_key_name="code")).for_table(source(), missing_as_null=True)
    with pytest.raises(RowRejected, match="MISSING_KEY"):
        found.item(TEXT_ROW)


@pytest.mark.parametrize(("attributes", "is_keyless"), [([], True), ([attribute("code", "x-${code}")], True),
                                                        ([attribute("code", "${id}-${code}")], False)])  # fmt: skip
def test_no_row_has_a_key_if_all_columns_that_make_it_were_not_there_yet(attributes, is_keyless):
    mappings = parsed(selection(), mapping(partition_key_name="code", attribute_mappings=attributes))
    assert mappings.for_table(source(), missing_as_null=True).is_keyless is is_keyless


@pytest.mark.parametrize("name", ["_binlog", "_binlog_job"])
def test_a_column_of_a_name_that_the_sink_needs_is_refused_unless_it_gets_another(name):
    table = source(**{"id": K.INTEGER, name: K.TEXT})
    assert f"column '{name}' becomes the attribute '{name}', where streamjoin keeps" in problems(table, selection())
    excluding = parsed(selection(), mapping(exclude_columns=[name]))
    assert excluding.for_table(table).item({"id": 1, name: "x"}) == {"id": {"N": "1"}}
    renaming = parsed(selection(), column_rule("rename", name, value="log"))
    assert renaming.for_table(table).item({"id": 1, name: "x"})["log"] == {"S": "x"}


@pytest.mark.parametrize("name", ["ab", "two words", "x" * 256])
def test_a_name_that_dynamodb_does_not_take_is_refused(name):
    assert "can't be a DynamoDB table" in problems(source(name), selection())


def test_all_problems_of_all_tables_are_told_at_once():
    with pytest.raises(ConfigError) as error:
        rules = [selection("shop", name) for name in ("a", "bbb", "ccc")]
        parsed(*rules).for_tables([source("a"), source("bbb", primary_key=()), source("ccc")])
    assert [line.partition(":")[0] for line in error.value.problems] == ["table 'shop.a'", "table 'shop.bbb'"]


def test_a_table_that_only_a_wildcard_selects_is_left_out_with_its_reasons():
    tables = [source("a"), source("bbb", primary_key=()), source("ccc")]
    found = parsed(selection("shop", "ccc"), selection("%", "%")).for_tables(tables)
    assert [mapping.source for mapping in found.mappings] == [tables[2]]
    assert list(found.left_out) == ["shop.a", "shop.bbb"]
    assert "it has no primary key" in found.left_out["shop.bbb"][0]


@pytest.mark.parametrize(
    ("rules", "is_named"),
    [
        ([selection("shop", "%")], False),
        ([selection("shop", "p[e]rson")], False),
        ([selection("shop", "person")], True),
        ([selection("shop", "person", "explicit")], True),
        ([selection("shop", "%"), mapping()], True),
        ([selection("shop", "%"), mapping("other")], False),
    ],
)
def test_a_table_is_named_by_a_rule_without_wildcards(rules, is_named):
    assert parsed(*rules).names("shop", "person") is is_named


def test_selection_rules_that_mean_no_table_are_told():
    mappings = parsed(
        *(selection("shop", "per%"), selection("Shop", "%"), selection("shop", "city")),
        *(selection("tmp", "%", "exclude"), selection("shop", "PERSON", "exclude")),
        *(selection("shop", "order"), selection("shop", "ord%", "exclude")),
    )
    assert mappings.unmatched([("shop", "person"), ("shop", "order")]) == [
        "rule 2 means no table, because of case: it has 'Shop.%', and the server 'shop.person'",
        "rule 3 selects no table: there is none for 'shop.city' that the user may see",
        "rule 5 means no table, because of case: it has 'shop.PERSON', and the server 'shop.person'",
        "rule 6 selects no table: all that 'shop.order' means are excluded",
    ]
    assert mappings.ignoring_case().unmatched([("shop", "pers"), ("shop", "city"), ("shop", "Order")]) == [
        "rule 6 selects no table: all that 'shop.order' means are excluded"
    ]


def test_the_places_of_which_no_table_is_seen_are_names_or_wild():
    chosen = (selection("shop", "a_b"), selection("shop", "c[_]d"), selection("s%", "x"), selection("shop", "[ab]"))
    mappings = parsed(*chosen, selection("shop", "no", "exclude"))
    assert mappings.unseen([]) == (("shop", "a_b"), ("shop", "c_d"), (None, "x"), ("shop", None))
    assert mappings.unseen([("shop", "aXb"), ("Shop", "C_D"), ("sold", "x"), ("shop", "no")]) == (("shop", None),)


def test_two_tables_of_one_name_do_not_go_into_one_target():
    tables = [source("person"), source("Person")]
    lower = {**column_rule("convert-lowercase"), "rule-target": "table"}
    lower["object-locator"] = {"schema-name": "%", "table-name": "%"}
    with pytest.raises(ConfigError, match=r"tables 'shop\.person', 'shop\.Person': all would become 'person'"):
        parsed(selection(), lower).for_tables(tables)


def test_a_table_does_not_go_into_the_target_of_another_tables_rule():
    found = problems(source("people"), selection(), mapping("person", "people"))
    assert "it would become 'people', which is the target of rule 2" in found


def test_two_mappings_that_differ_in_case_are_refused_if_names_have_no_case():
    mappings = parsed(selection(), mapping("person", "aaa"), mapping("Person", "bbb")).ignoring_case()
    with pytest.raises(ConfigError, match="object-mapping rules 2, 3 are all for it"):
        mappings.for_table(source())


def test_a_schema_with_a_dot_is_told_from_a_table_with_one():
    places = [("da.x", "yyy"), ("da", "x.yyy"), ("`da", "yyy"), ("da`.x", "y`.y"), ("da", "yyy"), ("", "yyy")]
    names = [table_name(*place) for place in places]
    assert names[:2] == ["`da.x`.yyy", "da.x.yyy"]
    assert [schema_and_table(name) for name in names] == places


def test_rules_for_a_schema_with_a_dot_and_for_a_table_with_one_are_rules_for_two_tables():
    rules = [mapping(each, each.replace(".", "_")) for each in ("yyy", "x.yyy")]
    for rule, schema in zip(rules, ("da.x", "da"), strict=True):
        rule["object-locator"]["schema-name"] = schema
    assert len(parsed(selection(), *rules).object_mappings) == 2
