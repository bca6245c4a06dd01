"""Glue's entry script under spark-submit, on a cluster: two workers, the package as a zip, executors that die."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.local.processes import signal_group
from streamjoin.local.stack import LocalStack
from streamjoin.spark.java import java_home
from streamjoin.spark.session import HUDI_PACKAGE, HUDI_VERSION, class_path, fetched_jars
from tests.distributions import dist
from tests.e2e.cluster import SPARK_HOME, Cluster, EventLog
from tests.e2e.gate import Gate
from tests.e2e.job_file import ROOT, submit_settings, wait_for
from tests.e2e.scenario import BAD, Scenario, committed_counts, events
from tests.start_up import JAVA_OPTIONS, archive_options

# Of each worker: the first has the executor that dies while it reads, the second those that are left to write.
EXECUTORS, SHARDS = [1, 2], 4
# The first batch makes the table. The one on the cluster is large enough for two tasks a shuffle, so that each executor
# holds a part that the other needs.
FIRST_RECORDS, RECORDS, LATE_RECORDS = 120, 10_500, 300
# Hudi looks for what a dead task left behind with 200 tasks, however few files there are.
# Four buckets: each executor writes files, so that the one that is killed leaves some undone.
FEW_TASKS = {"hoodie.finalize.write.parallelism": "2", "hoodie.bucket.index.num.buckets": "4"}

# Else each executor starts two processes for Hudi's size estimator.
NO_INSTRUMENTS = "-Djol.skipDynamicAttach=true -Djol.skipHotspotSAAttach=true"


@pytest.fixture
def python(tmp_path: Path) -> str:
    """A Python that has what streamjoin needs, and not streamjoin: it can only come from the zip of `make dist`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(str(SPARK_HOME.parent))
    found = str(tmp_path / "venv" / "bin" / "python")
    command = [found, "-c", "import streamjoin"]
    answer = subprocess.run(command, env=machine(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "No module named 'streamjoin'" in answer.stderr
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="executors are found by /proc")
def test_executors_killed_while_they_read_and_write_and_a_signal_to_the_script_change_nothing(
    spark: SparkSession, stack: LocalStack, tmp_path: Path, python: str, wheel: Path
) -> None:
    # More than driver threads would read, so that executors do; the batch in hand is finished however long it takes.
    changes = {"limits": {"max_records_per_batch": 20_001, "grace_seconds": 600}, "sink.hudi.options": FEW_TASKS}
    scenario = Scenario(tmp_path, "cluster", changes=changes)
    # Dead letters come late: a table of them on the cluster would be one more, written as this one is.
    scenario.put([event for event in events(RECORDS * 9 // 8, seed=11) if event[1] not in BAD][:RECORDS])
    early = scenario.records()
    table, log = f"{scenario.base}/t", tmp_path / "submit.log"
    run(load_config({**scenario.document(), "limits": {"max_records_per_batch": FIRST_RECORDS}}), max_batches=1)
    assert read_in(table) == FIRST_RECORDS
    with ExitStack() as running:
        # Hudi is on the class path of each machine, as on Glue.
        hudi = fetched_jars([HUDI_PACKAGE.format(version=HUDI_VERSION)], Path.home() / ".ivy2")
        running.enter_context(class_path(hudi))
        gates = [running.enter_context(Gate(stack.endpoint)) for _ in EXECUTORS]
        workers = [
            ({**machine(), "AWS_ENDPOINT_URL_KINESIS": gate.endpoint}, executors)
            for gate, executors in zip(gates, EXECUTORS, strict=True)
        ]
        cluster = running.enter_context(Cluster(tmp_path, workers, f"{JAVA_OPTIONS} {archive_options()}"))
        shut(gates)
        driver = running.enter_context(submitted(cluster, scenario, python, str(dist.zip_of(wheel)), log))

        def wait(condition: Callable[[], bool], pause_seconds: float = 0.1) -> None:
            wait_for(lambda: driver.poll() is not None or condition(), 180, pause_seconds=pause_seconds)
            assert driver.poll() is None, log.read_text()

        wait(lambda: [gate.held for gate in gates] == EXECUTORS)
        cluster.kill(0)
        release(gates)

        writer, _ = cluster.executors(1)
        wait(lambda: is_written(table), pause_seconds=0.002)
        shut(gates)
        os.kill(writer, signal.SIGKILL)
        # What it had read is read again, and by then there is more.
        scenario.put(events(LATE_RECORDS, seed=12))
        wait(lambda: any(gate.held for gate in gates))
        # To Java and to the script, while a batch runs.
        os.killpg(driver.pid, signal.SIGTERM)
        assert read_in(table) == FIRST_RECORDS
        release(gates)
        assert driver.wait(180) == 0, log.read_text()
    assert read_in(table) == RECORDS
    scenario.check(records=early)
    assert run(load_config(scenario.config), until_caught_up=True).records == LATE_RECORDS
    scenario.check()
    assert all(c["read"] == c["kept"] + c["superseded"] + c["rejected"] for c in committed_counts(table))
    # Spark did its tasks again; no batch was begun again.
    assert "attempt 2 of" not in log.read_text()
    told = EventLog(tmp_path / "events")
    reader = told.stages("kinesis/frame.py")[0]
    reading, writing = told.stages_of_lost_tasks()[:2]
    assert reading == reader
    assert writing in told.stages("HoodieSparkSqlWriter")
    # A task a shard; each executor that was left did some.
    assert sum(told.tasks_by_executor(reader).values()) == SHARDS
    assert len(told.tasks_by_executor(reader)) == EXECUTORS[1]


def machine() -> dict[str, str]:
    """What a worker's machine has in its environment: the services, and nothing of this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@contextmanager
def submitted(
    cluster: Cluster, scenario: Scenario, python: str, package: str, log: Path
) -> "Iterator[subprocess.Popen[bytes]]":
    settings = {
        **submit_settings(),
        "spark.executor.cores": "1",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": f"{JAVA_OPTIONS} {archive_options()} {NO_INSTRUMENTS}",
        # As between two machines: what a dead executor left on disk is not there for the other.
        "spark.shuffle.readHostLocalDisk": "false",
        "spark.shuffle.io.retryWait": "100ms",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": (scenario.folder / "events").as_uri(),
    }
    command = [
        *(str(SPARK_HOME / "bin" / "spark-submit"), "--master", cluster.url, "--py-files", package),
        *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
        *(str(ROOT / "jobs" / "enrich_stream.py"), "--JOB_NAME", "cluster", "--config", str(scenario.config)),
    ]
    environment = {**machine(), "JAVA_HOME": java_home(), "PYSPARK_PYTHON": python}
    (scenario.folder / "events").mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        try:
            yield process
        finally:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()


def shut(gates: list[Gate]) -> None:
    for gate in gates:
        gate.shut()


def release(gates: list[Gate]) -> None:
    for gate in gates:
        gate.open()


def is_written(table: str) -> bool:
    """Say whether a task is writing a file just now; Hudi removes its markers when the commit is there."""
    meta = Path(table, ".hoodie")
    markers = meta.glob(".temp/*/*.marker.*")
    return any(not (meta / f"{marker.parent.name}.commit").exists() for marker in markers)


def read_in(table: str) -> int:
    try:
        return sum(counts["read"] for counts in committed_counts(table))
    except json.JSONDecodeError:
        return -1  # Hudi is writing a commit just now: ask again
