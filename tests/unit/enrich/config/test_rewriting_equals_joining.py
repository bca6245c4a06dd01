"""Whatever the configuration: a row that is rewritten by its plan is the row that a new join would make."""

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from streamjoin.enrich.config.enrich import EnrichConfig
from streamjoin.enrich.config.rewriting import RewritingPlan, rewriting_plan
from streamjoin.enrich.config.sql_names import names_used
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError

Row = dict[str, str]

EVENT: Row = {"uuid": "u", "p": "p1", "q": "q1", "s": "s1"}
BASE = {
    "job": "enrich",
    "name": "orders",
    "source": {"kinesis": {"stream_name": "orders"}},
    "payload": {"schema": ", ".join(f"{name} string" for name in EVENT)},
    "dead_letters": {"base_path": "/lake/dead_letters"},
}
ON_CHANGE = st.sampled_from(["rewrite_rows", "rewrite_rows", "new_rows"])
NAMES = ["p", "q", "s", "a", "b", "c", "d", "e"]


def some(names: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True, max_size=most)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Draw two references, of which the second may be joined on what the first gives, and what is made of both."""
    references = [
        {
            "name": name,
            "dynamodb": {"table_name": "ttt"},
            "on": {draw(st.sampled_from(on)): "id"},
            "columns": columns,
            "on_change": draw(ON_CHANGE),
        }
        for name, on, columns in (("one", ["p", "q"], ["a", "b"]), ("two", ["p", "q", "a"], ["c"]))
    ]
    operands = st.lists(st.sampled_from(NAMES[:-2]), min_size=1, max_size=3)
    derive = {name: f"concat({', '.join(draw(operands))}, 'p')" for name in draw(some(NAMES[:-1], 3))}
    if derive and draw(st.booleans()):
        derive["e"] = f"concat({', '.join(draw(st.lists(st.sampled_from(list(derive)), min_size=1)))}, 'q')"
    source = draw(st.sampled_from(["s", "q", "d" if "d" in derive else "p"]))
    name = draw(st.sampled_from([None, source, "dt", "a", "d", "p"]))
    partition = name and {"name": name, "from": source, "format": "yyyy"}
    output: dict[str, Any] = {"derive": derive}
    names = [*NAMES[:-2], *(name for name in ("d", "e") if name in derive)]
    kind = draw(st.sampled_from(["drop", "select", "all"]))
    left_out = [] if kind == "all" else draw(some(names, 4))
    if kind == "drop":
        output["drop"] = left_out
    if kind == "select":
        output["select"] = ["uuid", *(name for name in names if name not in left_out)]
    hudi = {"base_path": "/lake/t", "table_name": "t", "record_key": ["uuid"]}
    if draw(st.booleans()):
        hudi["ordering"] = {"column": draw(st.sampled_from(["s", "a", "p", *derive]))}
    if partition:
        hudi["partition_by"] = [partition]
    return copy.deepcopy({**BASE, "references": references, "output": output, "sink": {"hudi": hudi}})


def joined(row: Row, config: EnrichConfig, versions: Mapping[str, int], names: tuple[str, ...]) -> Row:
    row = dict(row)
    for reference in config.references:
        if reference.name in names:
            key = "+".join(row[column] for column in reference.on)
            version = versions[reference.name]
            row |= {column: f"{reference.name}{version}.{column}[{key}]" for column in reference.columns.values()}
    return row


def derived(row: Row, expressions: Mapping[str, str]) -> Row:
    row = dict(row)
    for name, expression in expressions.items():
        operands = expression.removeprefix("concat(").removesuffix(")").split(", ")
        row[name] = "(" + "|".join(part if part.startswith("'") else row[part] for part in operands) + ")"
    return row


def written(config: EnrichConfig, versions: Mapping[str, int]) -> tuple[Row, str | None]:
    """Return the row that a batch writes, and its ordering value."""
    names = tuple(reference.name for reference in config.references)
    whole = derived(joined(EVENT, config, versions, names), config.output.derive)
    ordering = whole[config.sink.hudi.ordering.column] if config.sink.hudi.ordering else None
    partitions = {each.name: f"yyyy({whole[each.from_]})" for each in config.sink.hudi.partition_by}
    columns = config.output.select or [name for name in whole if name not in config.output.drop]
    return {name: whole[name] for name in columns} | partitions, ordering


def rewritten(stored: Row, config: EnrichConfig, plan: RewritingPlan, versions: Mapping[str, int]) -> Row:
    """Return the row that the plan makes of what the table has."""
    again = [reference for reference in config.references if reference.name in plan.references]
    assert all(column in stored for reference in again for column in reference.on), "no row could be found by it"
    made_anew = {*plan.derive, *(column for reference in again for column in reference.columns.values())}
    kept = {name: value for name, value in stored.items() if name not in made_anew}
    made = derived(joined(kept, config, versions, plan.references), plan.derive)
    assert {name for name in stored if made[name] != stored[name]} <= set(plan.columns)
    return {name: made[name] for name in stored}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(configurations())
def test_a_rewritten_row_is_the_row_that_a_new_join_makes(values: dict[str, Any]) -> None:
    try:
        config = parse_config(values)
    except ConfigError:
        assume(False)
    plan = rewriting_plan(config)
    assume(plan is not None)
    before = {reference.name: 1 for reference in config.references}
    after = before | dict.fromkeys(plan.references, 2)
    stored, ordering = written(config, before)
    expected, new_ordering = written(config, after)
    assert new_ordering == ordering
    assert rewritten(stored, config, plan, after) == expected
    # Every reference that is joined again has a part in what is rewritten.
    for name in plan.references:
        assert written(config, before | {name: 2})[0] != stored
    assert set(plan.derive) <= set(config.output.derive)
    assert set(plan.columns) <= stored.keys()
    assert all("*" not in names_used(expression) for expression in plan.derive.values())
