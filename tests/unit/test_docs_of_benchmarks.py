"""The figures that the documents publish, compared with the results that they come from."""

import json
from typing import Any

import pytest

from benchmarks.arguments import TABLE_TYPES
from benchmarks.publish import curves_table, goals_table, indexes_table
from benchmarks.summary.figures import LAYOUTS
from tests.documents import ROOT

PAGE = (ROOT / "docs" / "benchmarks.md").read_text()


def result(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def figures() -> list[str]:
    capture, replicate, backfill = (
        result("capture_batches")["capture_to_enrich"],
        result("replicate"),
        result("backfill"),
    )
    export, scan = backfill["export"], backfill["scan"]
    return [
        goals_table(result("bench")),
        curves_table(result("scale")),
        f"p50 {replicate['latency']['p50_seconds']:.2f} s, p99 {replicate['latency']['p99_seconds']:.2f} s",
        f"{replicate['bulk']['a_second']:,.0f} changes a second in bulk",
        f"{replicate['replay']['a_second']:,.0f} if a start repeats them",
        f"a full load of {replicate['full_load']['a_second']:,.0f} rows a second",
        f"{capture['COPY_ON_WRITE']['of_medians']} times one of `enrich` copy-on-write",
        f"{capture['MERGE_ON_READ']['of_medians']} times merge-on-read",
        f"in {export['seconds']:.0f} s ({export['rows_per_second']:,} rows a second)",
        f"emulator in {scan['seconds']:.0f} s",
        f"{round(scan['by_size']['read_units_per_million_items'], -2):,} read units",
    ]


@pytest.mark.parametrize("figure", figures())
def test_a_published_figure_is_that_of_the_result(figure: str) -> None:
    assert figure in PAGE


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", TABLE_TYPES)
def test_the_study_of_indexes_is_published_as_it_was_measured(kind: str, layout: str) -> None:
    assert indexes_table(result("index_study"), kind, layout) in (ROOT / "docs" / "indexes.md").read_text()


def test_the_readme_has_the_figures_of_a_batch() -> None:
    variants = result("bench")["parts"]["steady"]["variants"]
    ours, script = (variants[name]["median_seconds"] for name in ("MERGE_ON_READ", "script"))
    text = f"{ours:.2f} s where the usual script takes {script:.2f} s"
    assert text in (ROOT / "README.md").read_text()
