"""The job as a process: signals, exit codes, Glue's entry script."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.history import checkpoint
from streamjoin.local.processes import signal_group
from streamjoin.local.stack import LocalStack
from streamjoin.query import query
from streamjoin.spark.session import HUDI_PACKAGE, HUDI_VERSION, java_home
from tests.e2e.job_file import ROOT, java_of, wait_for
from tests.e2e.scenario import Scenario, events


def rows_in(base_path: str) -> int:
    if checkpoint.read(base_path) is None:
        return 0
    return int(query(base_path, "select count(*) n from t").to_pylist()[0]["n"])


def has_more_rows(base_path: str, rows: int) -> bool:
    return rows_in(base_path) > rows


def test_a_signal_ends_the_job_after_the_batch_in_hand_with_exit_code_0(spark: SparkSession, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "signal")
    scenario.put(events(900, seed=2))
    # So far as it was told, and no further. In this process, which saves a start; so does the end.
    assert not run(load_config(scenario.config), max_batches=1).caught_up
    found = checkpoint.read(f"{scenario.base}/t")
    assert found is not None
    assert 0 < found.counts["read"] <= 100
    rows = rows_in(f"{scenario.base}/t")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = scenario.start()
        wait_for(partial(has_more_rows, f"{scenario.base}/t", rows))
        assert java_of("signal")
        # As a terminal, `timeout`, systemd and `docker stop` do: to the whole group.
        os.killpg(process.pid, number)
        assert process.wait(timeout=60) == 0, scenario.log()
        assert "attempt 2 of" not in scenario.log()
        rows = rows_in(f"{scenario.base}/t")
    assert run(load_config(scenario.config), until_caught_up=True).caught_up
    scenario.check()


def test_the_glue_script_runs_under_spark_submit_and_ends_when_asked_after_the_batch_in_hand(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path, "submit")
    scenario.put(events(60, seed=3))
    settings = {
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.ui.enabled": "false",
        "spark.jars.ivy": str(Path.home() / ".ivy2"),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }
    command = [
        *(str(Path(sys.executable).parent / "spark-submit"), "--master", "local[2]"),
        *("--packages", HUDI_PACKAGE.format(version=HUDI_VERSION)),
        *(part for key, value in settings.items() for part in ("--conf", f"{key}={value}")),
        *(str(ROOT / "jobs" / "enrich_stream.py"), "--JOB_NAME", "submit", "--config", str(scenario.config)),
    ]
    environment = {**os.environ, "JAVA_HOME": java_home(), "PYSPARK_PYTHON": sys.executable}
    with (tmp_path / "submit.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(lambda: process.poll() is not None or rows_in(f"{scenario.base}/t") > 0, 180)
            # To Java and to the script, while a batch runs.
            os.killpg(process.pid, signal.SIGTERM)
            assert process.wait(timeout=60) == 0, (tmp_path / "submit.log").read_text()
            assert "attempt 2 of" not in (tmp_path / "submit.log").read_text()
        finally:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
    assert run(load_config(scenario.config), until_caught_up=True).caught_up
    scenario.check()


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"source.kinesis": {"stream_name": "no-such-stream"}}, 1, "no-such-stream"),
        ({"references": [{"name": "c", "dynamodb": {"table_name": "no-such-table"}, "on": {"country": "c"},
                          "columns": ["v"]}]}, 1, "no-such-table"),
        ({"sink.hudi.ordering": {"column": "at", "frmat": "x"}, "limits.max_records_per_batch": 0}, 2, "2 problems"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_one_clear_error_and_nothing_is_written(
    stack: LocalStack, tmp_path: Path, changes: dict[str, object], code: int, said: str
) -> None:
    scenario = Scenario(tmp_path, f"wrong-{abs(hash(said))}", changes=changes)
    assert scenario.run("--until-caught-up") == code
    assert said in scenario.log()
    assert "Traceback" not in scenario.log()
    assert not Path(scenario.base).exists()


def test_a_service_out_of_reach_is_one_clear_error_and_nothing_is_written(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario(tmp_path, "unreachable")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:1")
    assert scenario.run("--until-caught-up") == 1
    assert "Traceback" not in scenario.log()
    assert scenario.stream in scenario.log()
    assert not Path(scenario.base).exists()
    aws_client.cache_clear()
