import copy

import pytest

from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.rewriting import RewritingPlan, rewriting_plan
from streamjoin.errors import ConfigError
from streamjoin.schema.ddl import parse_schema

GLUE = {"glue_catalog": {"database": "d", "table": "t"}}
OR_ELSE = ", or set on_change: new_rows"


def reference(name: str, on: str, *columns: str, **more: object) -> dict[str, object]:
    table = {"table_name": f"table_of_{name}"}
    return {
        **{"name": name, "dynamodb": table, "on": {on: "id"}, "columns": list(columns)},
        **{"on_change": "rewrite_rows", **more},
    }


COUNTRY = reference("country", "country", "code", "combinedname")
# Joined on what `country` gives.
ZONE = reference("zone", "code", "zone")
# Its columns stay as they are stored.
ITEM = reference("item", "uuid", "title", on_change="new_rows")


def rewriting(*references: dict[str, object], **output: object) -> dict[str, object]:
    return copy.deepcopy({"references": list(references or [COUNTRY]), "output": output})


def only(lines: list[str], start: str) -> str:
    (line,) = lines
    assert line.startswith(f"{start}: "), line
    return line


def test_nothing_is_rewritten_unless_a_reference_asks_for_it(config):
    assert rewriting_plan(config({})) is None
    assert rewriting_plan(config({"references": []})) is None


def test_a_plan_names_the_references_and_the_columns_that_a_rewrite_may_change(config):
    found = config(rewriting(COUNTRY, ITEM, derive={"label": "upper(code)", "total": "unitssold * 2"}))
    assert rewriting_plan(found) == RewritingPlan(
        references=("country",),
        derive={"label": "upper(code)"},
        columns=("code", "combinedname", "label"),
        max_rows_per_pass=100_000,
    )


def test_references_are_joined_again_in_their_order(config):
    plan = rewriting_plan(config(rewriting(COUNTRY, ITEM, ZONE)))
    assert plan.references == ("country", "zone")
    assert plan.columns == ("code", "combinedname", "zone")


def test_a_pass_has_the_least_of_the_bounds(config):
    def bound(*rows: int | None) -> int:
        first, second = (each | {"max_rows_per_pass": n} for each, n in zip((COUNTRY, ZONE), rows, strict=True))
        return rewriting_plan(config(rewriting(first, second))).max_rows_per_pass

    assert bound(7, 5) == 5
    assert bound(None, 200_000) == 100_000
    assert bound(200_000, 300_000) == 200_000


def test_columns_that_the_table_lacks_are_not_changed(config):
    plan = rewriting_plan(config(rewriting(drop=["combinedname"])))
    assert plan.columns == ("code",)
    plan = rewriting_plan(config(rewriting(select=["uuid", "country", "combinedname"])))
    assert plan.columns == ("combinedname",)


def test_the_column_with_the_version_is_no_reason_to_rewrite_a_row(config):
    plan = rewriting_plan(config(rewriting(reference_version={"country": "version"})))
    assert plan.columns == ("code", "combinedname")


# The join columns.


def test_a_join_column_that_is_dropped_is_refused(problems):
    line = only(problems(rewriting(drop=["country"])), "references[0].on.country")
    assert line == (
        "references[0].on.country: rows to rewrite are found in the table by 'country', but output.drop leaves it out; "
        "keep it in the output, or set on_change: new_rows"
    )
    assert problems(rewriting(COUNTRY | {"on_change": "new_rows"}, drop=["country"])) == []


def test_a_join_column_that_is_not_selected_is_refused(problems):
    line = only(problems(rewriting(select=["uuid", "code"])), "references[0].on.country")
    assert f"output.select leaves it out; keep it in the output{OR_ELSE}" in line
    assert problems(rewriting(select=["uuid", "code", "country"])) == []


def test_a_join_column_that_is_replaced_is_refused(problems):
    line = only(problems(rewriting(derive={"country": "upper(country)"})), "references[0].on.country")
    assert f"output.derive replaces it; derive under another name{OR_ELSE}" in line
    assert problems(rewriting(derive={"upper_country": "upper(country)"})) == []


@pytest.mark.parametrize(
    ("schema", "partition", "replaced"),
    [
        ("country string", {"name": "country", "from": "country", "format": "yyyy"}, True),
        ("country int", {"name": "country", "from": "country"}, True),
        ("country string", {"name": "country", "from": "country"}, False),
        ("country int", {"name": "country"}, False),
        ("country string", {"name": "dt", "from": "country", "format": "yyyy"}, False),
    ],
)
def test_a_join_column_that_a_partition_replaces_is_refused(problems, schema, partition, replaced):
    changes = {"payload.schema": f"uuid string, {schema}", "sink.hudi.partition_by": [partition]}
    lines = problems({**rewriting(), **changes})
    if replaced:
        line = only(lines, "references[0].on.country")
        assert f"sink.hudi.partition_by[0] replaces it; give the partition another name{OR_ELSE}" in line
    else:
        assert lines == []


def test_every_join_column_of_a_composite_key_is_looked_at(problems):
    both = COUNTRY | {"on": {"country": "a", "orderdate": "b"}}
    lines = problems(rewriting(both, drop=["country", "orderdate"]))
    assert [line.split(": ")[0] for line in lines] == ["references[0].on.country", "references[0].on.orderdate"]


@pytest.mark.parametrize("first", [COUNTRY, COUNTRY | {"on_change": "new_rows"}])
def test_a_join_column_from_another_reference_is_kept_too(problems, first):
    line = only(problems(rewriting(first, ZONE, drop=["code"])), "references[1].on.code")
    assert "output.drop leaves it out" in line
    assert problems(rewriting(first, ZONE, drop=["combinedname"])) == []


def test_a_reference_that_is_joined_on_a_column_of_a_rewriting_one_is_rewriting_too(problems):
    kept = ZONE | {"on_change": "new_rows"}
    line = only(problems(rewriting(COUNTRY, kept)), "references[1].on_change")
    assert "its join column 'code' is of reference 'country', whose rows are rewritten" in line
    assert "set rewrite_rows here too, or new_rows in references[0]" in line
    assert problems(rewriting(COUNTRY, ZONE)) == []


def test_a_join_column_that_does_not_exist_is_not_reported_twice(problems):
    wrong = COUNTRY | {"on": {"contry": "id"}}
    only(problems(rewriting(wrong, select=["uuid", "code"])), "references[0].on.contry")
    derived = COUNTRY | {"on": {"up": "id"}}
    only(problems(rewriting(derived, derive={"up": "upper(country)"})), "references[0].on.up")


# What the table has of a reference.


@pytest.mark.parametrize("output", [{"drop": ["code", "combinedname"]}, {"select": ["uuid", "country"]}])
def test_a_reference_without_a_column_in_the_table_has_nothing_to_rewrite(problems, output):
    line = only(problems(rewriting(**output)), "references[0].on_change")
    assert "found rewrite_rows, but no column of the table comes from reference 'country'" in line
    assert f"keep one in the output{OR_ELSE}" in line


def test_a_reference_that_only_filters_has_nothing_to_rewrite(problems):
    only(problems(rewriting(COUNTRY | {"columns": [], "how": "inner"})), "references[0].on_change")


@pytest.mark.parametrize("expression", ["upper(code)", "concat(tmp, '!')"])
def test_a_column_that_is_made_of_a_dropped_one_is_enough(config, expression):
    derive = {"tmp": "lower(combinedname)", "label": expression}
    plan = rewriting_plan(config(rewriting(drop=["code", "combinedname", "tmp"], derive=derive)))
    assert plan.columns == ("label",)


def test_what_a_later_join_makes_of_it_is_enough(problems):
    assert problems(rewriting(COUNTRY, ZONE, drop=["combinedname"])) == []


# What is derived.


def test_what_depends_on_a_reference_through_other_columns_is_computed_again(config):
    derive = {"a": "lower(code)", "b": "unitssold + 1", "c": "concat(a, b)", "d": "concat(C, uuid)"}
    plan = rewriting_plan(config(rewriting(derive=derive)))
    assert list(plan.derive) == ["a", "c", "d"]
    assert plan.columns == ("code", "combinedname", "a", "c", "d")


def test_what_is_not_needed_is_not_computed_again(config):
    derive = {"a": "concat(code, country)", "b": "concat(code, orderdate)", "c": "upper(b)"}
    plan = rewriting_plan(config(rewriting(drop=["a", "b"], derive=derive)))
    assert list(plan.derive) == ["b", "c"]
    # So it may use what the table lacks.
    plan = rewriting_plan(config(rewriting(drop=["b", "c", "orderdate"], derive=derive)))
    assert list(plan.derive) == ["a"]


@pytest.mark.parametrize(
    "expression", ["concat(code, UUID())", "concat(code, current_timestamp)", "concat(code, cast(now() as string))"]
)
def test_what_gives_another_value_each_time_is_refused(problems, expression):
    line = only(problems(rewriting(derive={"label": expression})), "output.derive.label")
    assert "gives another value each time" in line
    assert line.endswith(OR_ELSE)
    # It doesn't matter if a rewrite doesn't compute it, or if it is a column or a text.
    assert problems(rewriting(derive={"label": "uuid()", "other": "concat(code, uuid, ' now() ')"})) == []


@pytest.mark.parametrize("drop", ["orderdate", "stored", "title"])
def test_what_is_computed_again_uses_columns_that_the_table_has(problems, drop):
    derive = {"stored": "unitssold + 1", "label": f"concat(code, {drop})"}
    line = only(problems(rewriting(COUNTRY, ITEM, drop=[drop], derive=derive)), "output.derive.label")
    assert "is computed again when a change of reference 'country' rewrites a row" in line
    assert f"uses '{drop}' of the table, but output.drop leaves it out; keep it in the output{OR_ELSE}" in line
    assert problems(rewriting(COUNTRY, ITEM, derive=derive)) == []


def test_what_is_not_computed_again_may_use_dropped_columns(problems):
    assert problems(rewriting(drop=["unitssold"], derive={"total": "unitssold + 1"})) == []


def test_what_is_computed_again_may_use_dropped_columns_of_the_reference(config):
    plan = rewriting_plan(config(rewriting(drop=["code"], derive={"label": "concat(code, uuid)"})))
    assert (list(plan.derive), plan.columns) == (["label"], ("combinedname", "label"))


def test_what_is_computed_again_may_use_what_was_derived_before_and_stored(problems):
    derive = {"orderdate": "trim(orderdate)", "label": "concat(code, orderdate)"}
    assert problems(rewriting(derive=derive)) == []


@pytest.mark.parametrize(
    "derive",
    [
        {"label": "concat(code, orderdate)", "orderdate": "trim(orderdate)"},
        {"label": "concat(code, orderdate)", "orderdate": "upper(code)"},
        {"orderdate": "concat(code, orderdate)"},
        {"a": "upper(code)", "label": "concat(code, orderdate)", "orderdate": "upper(code)"},
    ],
)
def test_what_is_computed_again_does_not_use_what_is_replaced_afterwards(problems, derive):
    line = only(
        problems(rewriting(derive=derive)),
        f"output.derive.{next(name for name in derive if 'orderdate' in derive[name])}",
    )
    assert f"uses 'orderdate' of the table, but output.derive replaces it; derive under another name{OR_ELSE}" in line


def test_what_is_computed_again_does_not_use_what_a_partition_replaces(problems):
    changes = {"sink.hudi.partition_by": [{"name": "orderdate", "from": "orderdate", "format": "yyyy"}]}
    line = only(problems({**rewriting(derive={"x": "concat(code, orderdate)"}), **changes}), "output.derive.x")
    assert "sink.hudi.partition_by[0] replaces it; give the partition another name" in line


@pytest.mark.parametrize("expression", ["upper(code)", "coalesce(code, country)"])
def test_a_column_of_the_reference_may_be_replaced_by_what_is_made_of_it(config, expression):
    derive = {"code": expression, "label": "concat(code, '!')"}
    plan = rewriting_plan(config(rewriting(derive=derive)))
    assert plan.derive == derive
    assert plan.columns == ("code", "combinedname", "label")


def test_what_replaces_a_column_of_the_reference_does_so_again_whatever_it_is_made_of(config, problems):
    plan = rewriting_plan(config(rewriting(derive={"code": "upper(country)", "label": "concat(code, '!')"})))
    # The label is made of the country alone: it stays.
    assert plan.derive == {"code": "upper(country)"}
    lines = problems(rewriting(drop=["orderdate"], derive={"code": "orderdate"}))
    assert "a change of reference 'country' rewrites a row, and uses 'orderdate'" in only(lines, "output.derive.code")


def test_what_takes_all_columns_is_refused(problems):
    line = only(problems(rewriting(derive={"json": "to_json(struct(*))"})), "output.derive.json")
    assert f"takes all columns (*), but not all of them are there when a row is rewritten; name those{' '}" in line
    assert problems(rewriting(derive={"product": "unitssold * unitssold"})) == []
    assert problems({"output.derive": {"json": "to_json(struct(*))"}}) == []


def test_text_in_an_expression_is_no_column(problems):
    derive = {"label": "concat(code, ' orderdate ', cast(code as date))"}
    assert problems(rewriting(drop=["orderdate"], derive=derive)) == []


def test_a_keyword_is_no_column_that_is_derived_later(problems):
    assert problems(rewriting(derive={"label": "case when code > 'm' then uuid end", "end": "upper(code)"})) == []


# Record key, ordering and partitions.


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"sink.hudi.record_key": ["uuid", "code"]}, "sink.hudi.record_key[1]"),
        ({"sink.hudi.record_key": ["label"]}, "sink.hudi.record_key[0]"),
        ({"sink.hudi.ordering": {"column": "code"}}, "sink.hudi.ordering.column"),
        ({"sink.hudi.ordering": {"column": "label"}}, "sink.hudi.ordering.column"),
        ({"sink.hudi.partition_by": ["orderdate", "code"]}, "sink.hudi.partition_by[1].name"),
        ({"sink.hudi.partition_by": [{"name": "dt", "from": "label"}]}, "sink.hudi.partition_by[0].from"),
        ({"sink.hudi.partition_by": [{"name": "code", "from": "code"}]}, "sink.hudi.partition_by[0].from"),
    ],
)
def test_a_rewrite_changes_neither_key_nor_ordering_nor_partition(problems, changes, key):
    output = {"derive": {"label": "concat(code, uuid)", "other": "uuid"}}
    line = next(line for line in problems({**rewriting(**output), **changes}) if line.startswith(f"{key}: "))
    assert "which depends on reference 'country', whose rows are rewritten: a rewrite " in line
    assert line.endswith(f"name a column that doesn't{OR_ELSE}")
    fixed = {"references": [COUNTRY | {"on_change": "new_rows"}], "output": output}
    assert problems({**fixed, **changes}) == []


@pytest.mark.parametrize("column", ["uuid", "title", "other", "combinedname"])
def test_key_and_ordering_may_be_of_what_is_not_rewritten(problems, column):
    derive = {"other": "concat(title, uuid)", "combinedname": "upper(title)"}
    changes = {"sink.hudi.record_key": [column], "sink.hudi.ordering": {"column": column}}
    assert problems({**rewriting(COUNTRY, ITEM, derive=derive), **changes, "sink.hudi.partition_by": [column]}) == []


@pytest.mark.parametrize("name", ["code", "label"])
def test_a_partition_has_no_name_that_is_taken_while_a_row_is_rewritten(problems, name):
    output = {"drop": ["code", "label"], "derive": {"label": "upper(code)", "other": "concat(label, '!')"}}
    partitions = {"sink.hudi.partition_by": [{"name": name, "from": "orderdate"}]}
    line = only(problems({**rewriting(**output), **partitions}), "sink.hudi.partition_by[0].name")
    assert f"'{name}' is also the name of a column that a rewrite makes again; use another name{OR_ELSE}" in line
    fixed = COUNTRY | {"on_change": "new_rows"}
    assert problems({**rewriting(fixed, **output), **partitions}) == []


def test_what_depends_on_several_references_names_them(problems):
    changes = {"sink.hudi.record_key": ["zone"]}
    line = only(problems({**rewriting(COUNTRY, ZONE), **changes}), "sink.hudi.record_key[0]")
    assert "depends on references 'country', 'zone'" in line


# When the payload is known late, and when there are other problems.


def test_what_the_catalog_leaves_open_is_checked_when_it_is_known(config):
    derive = {"label": "concat(code, orderdate)"}
    select = ["uuid", "country", "code", "label"]
    found = config({"payload.schema": GLUE, **rewriting(select=select, derive=derive)})
    check_columns(found, parse_schema("uuid string, country string"))
    with pytest.raises(ConfigError) as caught:
        check_columns(found, parse_schema("uuid string, country string, orderdate string"))
    assert "uses 'orderdate' of the table, but output.select leaves it out" in only(
        caught.value.problems, "output.derive.label"
    )


def test_what_is_certain_is_checked_without_the_catalog(problems):
    glue = {"payload.schema": GLUE}
    only(problems({**glue, **rewriting(drop=["country"])}), "references[0].on.country")
    only(problems({**glue, **rewriting(select=["uuid", "code"])}), "references[0].on.country")
    dropped = rewriting(drop=["orderdate"], derive={"label": "concat(code, orderdate)"})
    only(problems({**glue, **dropped}), "output.derive.label")


def test_a_plan_needs_no_payload(config):
    output = {"derive": {"label": "concat(code, orderdate)"}}
    with_schema, without = config(rewriting(**output)), config({"payload.schema": GLUE, **rewriting(**output)})
    assert rewriting_plan(with_schema) == rewriting_plan(without)


def test_all_problems_of_a_rewrite_are_told_in_one_go(problems):
    output = {"drop": ["country", "orderdate"], "derive": {"label": "concat(code, orderdate)"}}
    kept = ZONE | {"on_change": "new_rows"}
    lines = problems({**rewriting(COUNTRY, kept, **output), "sink.hudi.record_key": ["uuid", "label"]})
    assert [line.split(": ")[0] for line in lines] == [
        "references[0].on.country",
        "references[1].on_change",
        "output.derive.label",
        "sink.hudi.record_key[1]",
    ]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"output.drop": "country"}, "output.drop"),
        ({"output.derive": {"label": 5}}, "output.derive.label"),
        ({"output.select": []}, "output.select"),
        ({"references[0].columns": "code"}, "references[0].columns"),
        ({"references[0].on_change": "rewrite_row"}, "references[0].on_change"),
        ({"references[0].max_rows_per_pass": 0}, "references[0].max_rows_per_pass"),
        ({"sink.hudi.partition_by": [{"name": 5}]}, "sink.hudi.partition_by[0].name"),
    ],
)
def test_a_value_with_a_problem_of_its_own_brings_no_others(problems, changes, key):
    only(problems({**rewriting(), **changes}), key)
