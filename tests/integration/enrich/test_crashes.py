"""The job dies at each of its steps, and is started again; tests/e2e/test_capture.py kills a process."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.cli.maintenance import maintain_job
from streamjoin.enrich import rewrite
from streamjoin.enrich.pipeline import STEPS, run
from streamjoin.entry import load_config
from streamjoin.query import query
from tests.e2e.scenario import COUNTRIES, Scenario, committed_counts, events
from tests.small_tables import MAINTAINED
from tests.spark.harness import CrashError, crash_at

pytestmark = pytest.mark.usefixtures("spark")


def dies(scenario: Scenario, step: str, time: int = 1) -> None:
    """Run the job until it has done a step for the n-th time."""
    with pytest.raises(CrashError):
        run(load_config(scenario.config), until_caught_up=True, on_step=crash_at(step, time))


def test_killing_the_job_at_each_step_leaves_the_table_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings = {f"sink.hudi.{key}": value for key, value in MAINTAINED.items()}
    scenario = Scenario(tmp_path, "crashes", changes={"limits.max_records_per_batch": 60, **settings})
    said = list[str]()
    scenario.put(events(240, seed=1))
    # The first after a batch that was committed, the others at what that one left.
    for time, step in zip((2, *(1 for _ in STEPS[1:])), STEPS, strict=True):
        dies(scenario, step, time)
        said += maintain_job(str(scenario.config), every_seconds=None)
    run(load_config(scenario.config), until_caught_up=True)
    scenario.check()
    assert any("compacted" in line for line in said), said
    counts = committed_counts(f"{scenario.base}/t")
    assert sum(c["read"] for c in counts) == 240
    assert all(c["read"] == c["kept"] + c["superseded"] + c["rejected"] for c in counts)


def test_killing_the_job_at_each_step_of_a_rewrite_leaves_all_rows_as_they_would_be_joined_now(
    spark: SparkSession, tmp_path: Path
) -> None:
    changes = {"references.0.on_change": "rewrite_rows", "references.0.max_rows_per_pass": 8}
    scenario = Scenario(tmp_path, "rewrite-crashes", changes={**changes, "limits.max_records_per_batch": 400})
    scenario.put(events(120, seed=3))
    run(load_config(scenario.config), until_caught_up=True)
    scenario.check()
    # Made while the job is stopped: an update and an insert.
    scenario.set_countries({"India": "IN-IND-India", "Atlantis": "AT-Atlantis"})
    for time, step in zip((2, 1), rewrite.STEPS, strict=True):
        dies(scenario, step, time)
    run(load_config(scenario.config), until_caught_up=True)
    scenario.check({**COUNTRIES, "India": "IN-IND-India", "Atlantis": "AT-Atlantis"})
    counts = committed_counts(f"{scenario.base}/t")
    assert sum(c["read"] for c in counts) == 120
    # What was committed before a crash is not written again.
    sql = "select id from t where country in ('India', 'Atlantis')"
    assert sum(c.get("rewritten", 0) for c in counts) == query(f"{scenario.base}/t", sql).num_rows
