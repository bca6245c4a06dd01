import json
from pathlib import Path

from streamjoin.enrich import rewrite
from streamjoin.enrich.pipeline import STEPS
from streamjoin.local.stack import LocalStack
from streamjoin.query import query
from tests.e2e.scenario import COUNTRIES, Scenario, events

CRASH_JOB = str(Path(__file__).parent / "crash_job.py")


def committed_counts(base_path: str) -> list[dict[str, int]]:
    """Return the counts of every commit, as they stand in the timeline's own files."""
    commits = sorted(Path(base_path, ".hoodie").glob("*commit"))
    extra = [json.loads(commit.read_text())["extraMetadata"] for commit in commits]
    return [json.loads(metadata["streamjoin.counts"]) for metadata in extra]


def test_killing_the_job_at_each_step_leaves_the_table_of_an_undisturbed_run(stack: LocalStack, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "crashes")
    scenario.put(events(700, seed=1))
    for step in STEPS:
        assert scenario.run(step, "2", script=CRASH_JOB) == -9, scenario.log()
    assert scenario.run("--until-caught-up") == 0, scenario.log()
    scenario.check()
    counts = committed_counts(f"{scenario.base}/t")
    assert sum(c["read"] for c in counts) == 700
    assert all(c["read"] == c["kept"] + c["superseded"] + c["rejected"] for c in counts)


def test_killing_the_job_at_each_step_of_a_rewrite_leaves_all_rows_as_they_would_be_joined_now(
    stack: LocalStack, tmp_path: Path
) -> None:
    changes = {"references.0.on_change": "rewrite_rows", "references.0.max_rows_per_pass": 15}
    scenario = Scenario(tmp_path, "rewrite-crashes", changes=changes)
    scenario.put(events(400, seed=3))
    assert scenario.run("--until-caught-up") == 0, scenario.log()
    scenario.check()
    # Made while the job is stopped: an update and an insert.
    scenario.set_countries({"India": "IN-IND-India", "Atlantis": "AT-Atlantis"})
    for step in rewrite.STEPS:
        assert scenario.run(step, "2", script=CRASH_JOB) == -9, scenario.log()
    assert scenario.run("--until-caught-up") == 0, scenario.log()
    scenario.check({**COUNTRIES, "India": "IN-IND-India", "Atlantis": "AT-Atlantis"})
    counts = committed_counts(f"{scenario.base}/t")
    assert sum(c["read"] for c in counts) == 400
    # What was committed before a kill is not written again.
    assert sum(c.get("rewritten", 0) for c in counts) == len(rewritten(scenario))


def rewritten(scenario: Scenario) -> list[dict[str, str]]:
    sql = "select id from t where country in ('India', 'Atlantis')"
    return [dict(row) for row in query(f"{scenario.base}/t", sql).to_pylist()]
