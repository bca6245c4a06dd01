"""Derived columns, which a rewrite computes again."""

import pytest

from streamjoin.enrich.config.rewriting import rewriting_plan
from tests.unit.enrich.config.rewriting_references import COUNTRY, ITEM, OR_ELSE, only, rewriting


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
