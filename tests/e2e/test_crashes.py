"""A process killed as `kill -9` does; each step dies in tests/integration/enrich/test_crashes.py."""

from pathlib import Path

from pyspark.sql import SparkSession

from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from tests.e2e.job_file import java_of, wait_for
from tests.e2e.scenario import Scenario, committed_counts, events

CRASH_JOB = str(Path(__file__).parent / "crash_job.py")


def test_a_killed_process_leaves_the_table_of_an_undisturbed_run(spark: SparkSession, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "killed")
    scenario.put(events(500, seed=1))
    # Between the commit and the ledger, whose entry the next start has to make.
    assert scenario.run("committed", "2", script=CRASH_JOB) == -9, scenario.log()
    # Signals to the job's group don't reach its Java, which ends with the job all the same.
    wait_for(lambda: not java_of("killed"))
    run(load_config(scenario.config), until_caught_up=True)
    scenario.check()
    counts = committed_counts(f"{scenario.base}/t")
    assert sum(c["read"] for c in counts) == 500
    assert all(c["read"] == c["kept"] + c["superseded"] + c["rejected"] for c in counts)
