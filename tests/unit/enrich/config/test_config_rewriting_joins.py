"""The join columns, by which rows to rewrite are found in the table."""

import pytest

from tests.unit.enrich.config.rewriting_references import COUNTRY, OR_ELSE, ZONE, only, rewriting


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
