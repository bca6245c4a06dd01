"""Routes by the rules of a real file."""

from dataclasses import replace
from typing import Any

import pytest

from streamjoin.dms import RowRejected
from streamjoin.errors import ConfigError, SourceError
from streamjoin.replicate.routes import Routes
from tests.unit.dms.rules import TEXT_ROW, K, attribute, mapping, parsed, selection, source


def routes(*rules: dict[str, Any], ignore_case: bool = False) -> tuple[Routes, list[Any]]:
    prepared: list[Any] = []
    mappings = parsed(selection(), *rules)
    return Routes(mappings.ignoring_case() if ignore_case else mappings, prepared.append), prepared


def test_a_column_that_the_table_of_an_old_event_did_not_have_is_null() -> None:
    rule = mapping(exclude_columns=["nick"], attribute_mappings=[attribute("name", "${first} ${nick}")])
    found, _ = routes(rule)
    assert found.mapping(source()).item(TEXT_ROW)["name"] == {"S": "Ada "}
    # As the table is now, the rules must fit it.
    with pytest.raises(SourceError, match=r"start with --reload(.|\n)*the table has no column 'nick'"):
        found.current(source())


def test_a_target_is_not_made_with_the_key_of_a_table_that_did_not_have_it_yet() -> None:
    found, prepared = routes(mapping(partition_key_name="code"))
    with pytest.raises(RowRejected, match="MISSING_KEY"):
        found.mapping(source()).key(TEXT_ROW)
    assert prepared == []
    found.mapping(source(id=K.INTEGER, code=K.INTEGER))
    assert [each.key_types for each in prepared] == [{"code": "N"}]


def test_all_that_is_wrong_with_the_tables_is_told_at_the_start() -> None:
    named = [selection("shop", name) for name in ("people", "keyless", "xx")]
    found, prepared = routes(mapping("person", "people"), *named)
    with pytest.raises(ConfigError) as error:
        found.add([source("people"), source("keyless", primary_key=()), source("xx"), source()])
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        *("table 'shop.people'", "table 'shop.keyless'", "table 'shop.xx'"),
    ]
    assert prepared == []


def test_what_wildcards_alone_select_is_named_and_left_out_if_it_can_not_be_mapped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unfit = [
        source("keyless", primary_key=()),
        source("pair", primary_key=("id", "first")),
        source("xx"),
        replace(source("cascading"), problems=("its foreign key 'of_t' has ON DELETE CASCADE",)),
        source("people"),
        source("taken", id=K.INTEGER, _binlog=K.TEXT),
    ]
    found, prepared = routes(mapping("person", "people"))
    found.add([*unfit, source()])
    found.add([*unfit, source()])
    assert [each.target_table for each in prepared] == ["people"]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition("' is left out; ")[0] for line in lines] == [f"table '{table}" for table in unfit]
    assert [found.is_left_out(str(table)) for table in found.tables] == [False] + [True] * len(unfit)
    assert [found.mapping(table) for table in unfit] == [None] * len(unfit)


def test_a_start_with_nothing_that_can_be_mapped_is_refused() -> None:
    found, _ = routes()
    with pytest.raises(ConfigError, match="no primary key"):
        found.add([source("keyless", primary_key=()), source("other", primary_key=())])


def test_two_tables_for_one_target_are_refused_at_the_start() -> None:
    rule = {**mapping("%"), "rule-type": "transformation", "rule-target": "table", "rule-action": "convert-lowercase"}
    del rule["target-table-name"], rule["mapping-parameters"]
    found, prepared = routes(rule)
    with pytest.raises(ConfigError, match=r"tables 'shop\.Person', 'shop\.person': all would become 'person'"):
        found.add([source("Person"), source("person")])
    assert prepared == []


def test_a_key_by_which_rows_may_share_an_item_is_warned_about_once_with_its_table(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found, _ = routes(mapping(partition_key_name="last", sort_key_name="first"), mapping("other", "others"))
    shared, own = source(primary_key=("id", "first")), source("other")
    found.add([shared, own])
    found.add([shared, own])
    found.mapping(source(primary_key=("id",)))
    (line,) = [record.getMessage() for record in caplog.records]
    assert "table 'shop.person': the key (last, first) of its items in 'people' doesn't have all" in line
    assert "primary key (id, first)" in line
    assert "deleting one of them deletes the item of both" in line


def test_a_table_without_a_primary_key_is_warned_about_too(caplog: pytest.LogCaptureFixture) -> None:
    found, _ = routes(mapping(partition_key_name="id"))
    found.add([source(primary_key=())])
    assert "primary key (it has none)" in caplog.text


def test_names_in_rules_are_spelled_as_a_server_without_case_spells_them() -> None:
    rules = [mapping("Person", "people"), mapping("city", "cities")]
    assert routes(*rules)[0].named == ("shop.Person", "shop.city")
    assert routes(*rules, ignore_case=True)[0].named == ("shop.person", "shop.city")


def test_a_table_that_comes_later_with_the_target_of_another_is_left_out_while_that_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = {"people"}
    mappings = parsed(selection("%", "%"))
    found = Routes(mappings, lambda mapping: None, is_there=lambda schema, table: schema == "branch" or bool(there))
    found.add([source("people")])
    other = replace(source("people"), schema="branch")
    assert [found.mapping(other), found.mapping(other), found.target(str(other))] == [None, None, None]
    (warning,) = caplog.messages
    assert "table 'branch.people' is left out" in warning
    assert "as 'shop.people' already does" in warning
    assert found.waiting("people") == (str(other),)
    there.clear()
    assert found.current(other) is not None
    assert found.sharing("people") == (str(other),)
    assert not found.yielding
