"""The figures that the documents publish, compared with the results that they come from."""

import json
from typing import Any

import pytest

from tests.documents import ROOT

PAGE = (ROOT / "docs" / "benchmarks.md").read_text()


def result(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def figures() -> list[str]:
    bench, capture = result("bench"), result("capture_batches")["capture_to_enrich"]
    replicate, backfill = result("replicate"), result("backfill")
    steady, backlog = (
        {name: variant["median_seconds"] for name, variant in bench["parts"][part]["variants"].items()}
        for part in ("steady", "backlog")
    )
    untuned = steady["script, 200 shuffle partitions"]
    kinds = ("MERGE_ON_READ", "COPY_ON_WRITE")
    ratios = {each["figure"]: each["value"] for each in bench["summary"]}
    behind = [value for figure, value in ratios.items() if figure.startswith("batch of a job that is behind")]
    export, scan = backfill["export"], backfill["scan"]
    return [
        *(f"| {median:.2f} |" for median in steady.values()),
        *(f"{untuned / steady[kind]:.1f} ({steady['script'] / steady[kind]:.1f} against" for kind in kinds),
        *(f"| {ratio:.2f} (" for ratio in behind),
        *(f"| {backlog['script'] / backlog[kind]:.1f} (14.5 s, {backlog[kind]:.1f} s)" for kind in kinds),
        f"help of the command line | {ratios['`streamjoin --help`']:.2f} s",
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


def test_the_readme_has_the_figures_of_a_batch() -> None:
    variants = result("bench")["parts"]["steady"]["variants"]
    ours, script = (variants[name]["median_seconds"] for name in ("MERGE_ON_READ", "script"))
    text = f"{ours:.2f} s where the usual script takes {script:.2f} s"
    assert text in (ROOT / "README.md").read_text()
