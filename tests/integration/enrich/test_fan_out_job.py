"""The job over the emulator's enhanced fan-out: real connections, and a crash."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.kinesis.client import stream_client
from tests.e2e.scenario import Scenario, committed_counts, events
from tests.spark.harness import CrashError, crash_at


def test_a_job_that_is_pushed_to_dies_and_goes_on_to_the_table_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    changes = {
        "source.kinesis.fan_out": "etl",
        "limits.max_records_per_batch": 70,
        "sink.hudi.table_type": "MERGE_ON_READ",
    }
    scenario = Scenario(tmp_path, "pushed", changes=changes)
    scenario.put(events(90, seed=7))
    config = load_config(scenario.config)
    with pytest.raises(CrashError):
        run(config, until_caught_up=True, on_step=crash_at("dead_letters_written", 2))
    # Nothing of the dead process is there any more, but its subscriptions.
    stream_client.cache_clear()
    scenario.put(events(30, seed=8))
    run(config, until_caught_up=True)
    scenario.check()
    assert sum(counts["read"] for counts in committed_counts(f"{scenario.base}/t")) == 120
    client = aws_client("kinesis")
    arn = client.describe_stream_summary(StreamName=scenario.stream)["StreamDescriptionSummary"]["StreamARN"]
    consumers = client.list_stream_consumers(StreamARN=arn)["Consumers"]
    assert [(each["ConsumerName"], each["ConsumerStatus"]) for each in consumers] == [("etl", "ACTIVE")]
