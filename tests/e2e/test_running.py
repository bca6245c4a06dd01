"""The job as a process: asked to end, and told what is wrong by its exit code."""

import os
import signal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.history import checkpoint
from streamjoin.local.stack import LocalStack
from streamjoin.query import query
from tests.e2e.job_file import java_of, wait_for
from tests.e2e.scenario import Scenario, committed_counts, events

RECORDS = 400


def rows_in(base_path: str) -> int:
    if checkpoint.read(base_path) is None:
        return 0
    return int(query(base_path, "select count(*) n from t").to_pylist()[0]["n"])


def test_a_process_that_is_asked_to_end_finishes_its_batch_and_the_next_goes_on_behind_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path, "asked")
    scenario.put(events(RECORDS, seed=1))
    table = f"{scenario.base}/t"
    with scenario.running() as process:
        wait_for(lambda: rows_in(table) > 0)
        assert java_of("asked")
        # As `timeout`, systemd and `docker stop` do: to the whole group. It doesn't reach the job's Java, which ends
        # with the job all the same.
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0, scenario.log()
    assert "attempt 2 of" not in scenario.log()
    wait_for(lambda: not java_of("asked"))

    # In this process, which saves a start, and at once.
    rest = {**scenario.document(), "limits": {"max_records_per_batch": RECORDS}}
    assert run(load_config(rest), until_caught_up=True).caught_up
    scenario.check()
    counts = committed_counts(table)
    assert sum(c["read"] for c in counts) == RECORDS
    assert all(c["read"] == c["kept"] + c["superseded"] + c["rejected"] for c in counts)


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
