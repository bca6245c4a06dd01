import json
from pathlib import Path

from streamjoin.local.stack import LocalStack
from streamjoin.pipelines.enrich import STEPS
from tests.e2e.scenario import Scenario, events

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
