from decimal import Decimal

import pytest

from streamjoin.dms import RowRejected
from streamjoin.errors import ConfigError
from tests.unit.dms.rules import TEXT_ROW, K, column_rule, mapping, parsed, selection, source, table_rule


def attributes(*rules, table=None):
    found = parsed(selection(), *rules).for_table(table or source())
    return sorted(found.attributes)


def problems(*rules, table=None):
    with pytest.raises(ConfigError) as error:
        parsed(selection(), *rules).for_table(table or source())
    return "\n".join(error.value.problems)


@pytest.mark.parametrize(
    ("action", "others", "name"),
    [
        ("rename", {"value": "given"}, "given"),
        ("convert-lowercase", {}, "pre_first_suf"),
        ("convert-uppercase", {}, "PRE_FIRST_SUF"),
        ("add-prefix", {"value": "x_"}, "x_Pre_first_Suf"),
        ("add-suffix", {"value": "_x"}, "Pre_first_Suf_x"),
        ("remove-prefix", {"value": "Pre_"}, "first_Suf"),
        ("remove-suffix", {"value": "_Suf"}, "Pre_first"),
        ("remove-prefix", {"value": "no"}, "Pre_first_Suf"),
        ("replace-prefix", {"value": "New_", "old_value": "Pre_"}, "New_first_Suf"),
        ("replace-suffix", {"value": "_New", "old_value": "_Suf"}, "Pre_first_New"),
        ("replace-suffix", {"value": "_New", "old_value": "no"}, "Pre_first_Suf"),
    ],
)
def test_names_of_columns_and_tables_are_transformed(action, others, name):
    table = source("Pre_first_Suf", id=K.INTEGER, Pre_first_Suf=K.TEXT)
    renamed = column_rule(action, "Pre%", "Pre%", **others)
    assert attributes(renamed, table=table) == sorted(["id", name])
    assert parsed(selection(), table_rule(action, "Pre%", **others)).for_table(table).target_table == name


def test_a_transformation_of_one_column_leaves_the_others():
    assert attributes(column_rule("convert-uppercase", "first")) == ["FIRST", "id", "last", "phone"]
    assert attributes(column_rule("convert-uppercase", "%")) == ["FIRST", "ID", "LAST", "PHONE"]


def test_an_underscore_of_a_column_is_no_wildcard():
    table = source(id=K.INTEGER, a_b=K.TEXT, axb=K.TEXT)
    assert attributes(column_rule("rename", "a_b", value="c"), table=table) == ["axb", "c", "id"]


def test_the_key_gets_the_new_name_too():
    found = parsed(selection(), column_rule("rename", "id", value="number")).for_table(source())
    assert found.key(TEXT_ROW) == {"number": {"N": "1"}}


def test_a_stated_key_is_the_new_name_while_columns_are_named_as_in_the_source():
    rules = [
        mapping(partition_key_name="GIVEN", exclude_columns=["last"]),
        column_rule("rename", "first", value="GIVEN"),
    ]
    assert attributes(*rules) == ["GIVEN", "id", "phone"]


def test_removed_columns_make_no_attribute():
    assert attributes(column_rule("remove-column", "%s%")) == ["id", "phone"]


def test_included_columns_are_the_only_ones():
    rules = [column_rule("include-column", "id"), column_rule("include-column", "l%")]
    assert attributes(*rules) == ["id", "last"]


def test_a_column_that_is_included_and_changed_is_refused():
    found = problems(column_rule("include-column", "%"), column_rule("rename", "first", value="x"))
    assert "column 'first': rules 2, 3; DMS takes one action for a column" in found


def test_of_several_rules_for_one_column_or_table_the_one_of_the_lowest_id_is_applied():
    rules = [
        {**column_rule("rename", "first", value="nine"), "rule-id": 9},
        {**column_rule("rename", "first", value="eight"), "rule-id": "8"},
        {**table_rule("rename", value="table_nine"), "rule-id": 19},
        {**table_rule("rename", value="table_eight"), "rule-id": 18},
    ]
    assert "eight" in attributes(*rules)
    assert parsed(selection(), *rules).for_table(source()).target_table == "table_eight"


def test_two_columns_that_get_one_name_are_refused():
    found = problems(column_rule("rename", "first", value="last"))
    assert "columns 'first' and 'last' both become the attribute 'last'" in found
    assert "becomes an attribute without a name" in problems(column_rule("remove-prefix", "first", value="first"))


def test_rules_for_tables_leave_the_target_of_a_mapping_alone():
    found = parsed(selection(), mapping(), table_rule("add-prefix", "%", value="x_")).for_table(source())
    assert found.target_table == "people"


def test_a_rule_for_the_very_table_of_a_mapping_is_refused():
    found = problems(mapping(), table_rule("rename", value="persons"))
    assert "rules 2 and 3 name the target of the table 'shop.person'" in found


@pytest.mark.parametrize(
    ("kind", "value", "type_", "expected"),
    [
        (K.FLOAT, 1e-300, "string", {"S": "1e-300"}),
        (K.DECIMAL, Decimal("1.50"), "wstring", {"S": "1.50"}),
        (K.TEXT, "1.50", "numeric", {"N": "1.5"}),
        (K.TEXT, "-128", "int1", {"N": "-128"}),
        (K.DECIMAL, Decimal("255.00"), "uint1", {"N": "255"}),
        (K.INTEGER, 2**63 - 1, "int8", {"N": str(2**63 - 1)}),
        (K.BIT, 1, "boolean", {"BOOL": True}),
        (K.INTEGER, 0, "boolean", {"BOOL": False}),
        (K.TEXT, "TRUE", "boolean", {"BOOL": True}),
        (K.TEXT, None, "boolean", None),
    ],
)
def test_a_column_gets_another_type(kind, value, type_, expected):
    rule = column_rule("change-data-type", "value", data_type={"type": type_, "scale": "", "length": None})
    found = parsed(selection(), rule).for_table(source(id=K.INTEGER, value=kind))
    assert found.item({"id": 1, "value": value}).get("value") == expected


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        ("int1", "128", "NUMBER_OUT_OF_RANGE"),
        ("uint8", "-1", "NUMBER_OUT_OF_RANGE"),
        ("int4", "1.5", "NUMBER_OUT_OF_RANGE"),
        ("numeric", "x", "NOT_A_NUMBER"),
        ("boolean", "2", "NOT_A_BOOLEAN"),
    ],
)
def test_nothing_is_cut_or_rounded_for_another_type(type_, value, reason):
    rule = column_rule("change-data-type", "value", data_type={"type": type_})
    found = parsed(selection(), rule).for_table(source(id=K.INTEGER, value=K.TEXT))
    with pytest.raises(RowRejected) as error:
        found.item({"id": 1, "value": value})
    assert error.value.reason == reason


def test_a_binary_column_gets_no_other_type():
    rule = column_rule("change-data-type", "value", data_type={"type": "string"})
    found = problems(rule, table=source(id=K.INTEGER, value=K.BINARY))
    assert "attribute 'value': column 'value' is binary" in found


@pytest.mark.parametrize(
    "type_", ["bytes", "date", "time", "datetime", "real4", "real8", "blob", "clob", "nclob", "set"]
)
def test_other_types_are_refused(type_):
    found = problems(column_rule("change-data-type", data_type={"type": type_}))
    assert f"data-type.type: found '{type_}'; " in found


@pytest.mark.parametrize("key", ["length", "precision", "scale"])
def test_a_length_or_scale_of_a_type_is_refused(key):
    found = problems(column_rule("change-data-type", data_type={"type": "string", key: 10}))
    assert f"data-type.{key}: not supported: DynamoDB's types have none" in found


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("add-column", "columns computed with SQLite expressions"),
        ("add-before-image-columns", "DMS documents it for Kinesis and Kafka targets"),
        ("define-primary-key", "name the key in an object-mapping rule"),
        ("data-masking-digits-mask", "masking columns"),
        ("data-masking-digits-randomize", "masking columns"),
        ("data-masking-hash-mask", "masking columns"),
    ],
)
@pytest.mark.parametrize("target", ["column", "table"])
def test_actions_that_make_new_content_are_refused_by_name(action, why, target):
    found = problems({**column_rule(action), "rule-target": target})
    assert f"rule-action: '{action}' is not supported: {why}" in found


@pytest.mark.parametrize("action", ["remove-column", "include-column", "change-data-type"])
def test_actions_for_columns_are_refused_for_tables(action):
    found = problems(table_rule(action))
    assert f"rule-action: found '{action}'; " in found
    assert "allowed: rename, " in found


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (column_rule("rename", value="x", expression="$first"), "expression: not supported: SQLite expressions"),
        (table_rule("rename", value="x", primary_key_def={"name": "k"}), "primary-key-def: not supported"),
        (column_rule("rename", value="x", before_image_def={"column-prefix": "b"}), "before-image-def: not supported"),
        (column_rule("rename"), "value: missing"),
        (column_rule("rename", value=""), "value: found an empty text"),
        (column_rule("replace-prefix", value="x"), "old-value: missing"),
        (column_rule("rename", value="x", old_value="y"), "old-value: is not for rename"),
        (column_rule("remove-column", value="x"), "value: is not for remove-column"),
        (column_rule("rename", value="x", data_type={"type": "string"}), "data-type: is not for rename"),
        (column_rule("change-data-type"), "data-type: missing"),
        (column_rule("rename", None, value="x"), "object-locator.column-name: missing"),
        (
            {**table_rule("rename", value="x"), "object-locator": {"schema-name": "s"}},
            "object-locator.table-name: missing",
        ),
    ],
)
def test_a_rule_with_too_much_or_too_little_is_refused(rule, expected):
    assert expected in problems(rule)


def test_choosing_columns_by_their_type_is_refused():
    rule = column_rule("remove-column", "%")
    rule["object-locator"]["data-type"] = "string"
    assert "object-locator.data-type: not supported: choosing columns by their type" in problems(rule)
