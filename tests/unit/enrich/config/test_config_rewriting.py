import pytest

from streamjoin.enrich.config.columns import check_columns
from streamjoin.enrich.config.rewriting import RewritingPlan, rewriting_plan
from streamjoin.errors import ConfigError
from streamjoin.schema.ddl import parse_schema
from tests.unit.enrich.config.rewriting_references import COUNTRY, GLUE, ITEM, OR_ELSE, ZONE, only, rewriting


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
