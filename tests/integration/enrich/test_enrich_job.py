"""The job in one process, from the emulator's Kinesis and DynamoDB to a Hudi table on its S3."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.errors import ConfigError, SourceError
from streamjoin.history import checkpoint
from streamjoin.query import query
from streamjoin.shards.position import PositionKind
from tests.e2e.scenario import Scenario, events
from tests.faults.kpl import aggregate


def test_tables_on_s3_hold_what_the_oracle_says(spark: SparkSession, bucket: str, tmp_path: Path) -> None:
    # The demo has the other type on S3.
    changes = {"sink.hudi.table_type": "MERGE_ON_READ"}
    scenario = Scenario(tmp_path, "on-s3", base=f"s3://{bucket}/lake", changes=changes)
    for seed in (5, 6):
        scenario.put(events(150, seed))
        run(load_config(scenario.config), until_caught_up=True)
    scenario.check()


def test_a_change_of_the_reference_is_in_the_next_batch_without_a_restart(spark: SparkSession, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "reference")
    scenario.put([("a", b'{"id": "a", "country": "India", "at": "1/1/10"}')])
    seen = []

    def on_step(step: str) -> None:
        seen.append(step)
        if step == "recorded" and seen.count(step) == 1:
            scenario.set_countries({"India": "IN-IND-India"})
            # No waiting: the next batch must have it.
            scenario.put([("b", b'{"id": "b", "country": "India", "at": "1/1/10"}')])

    run(load_config(scenario.config), max_batches=2, on_step=on_step)
    found = query(f"{scenario.base}/t", "select id, combinedname from t").to_pylist()
    assert {row["id"]: row["combinedname"] for row in found} == {"a": "IN-India", "b": "IN-IND-India"}


def test_large_batches_are_read_by_executors_and_come_to_the_same(spark: SparkSession, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "large", changes={"limits.max_records_per_batch": 200_000})
    scenario.put(events(3_000, seed=7))
    summary = run(load_config(scenario.config), until_caught_up=True)
    assert (summary.records, summary.caught_up) == (3_000, True)
    scenario.check()


def test_latest_means_the_first_start_also_when_nothing_came_before_the_second(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path, "latest", changes={"source.kinesis.starting_position": "LATEST"})
    scenario.put([("old", b'{"id": "old", "country": "India", "at": "1/1/10"}')])
    config = load_config(scenario.config)
    run(config, until_caught_up=True)
    found = checkpoint.read(f"{scenario.base}/t")
    assert found is not None
    assert {p.kind for p in found.position.shards.values()} == {PositionKind.AT_TIMESTAMP}
    scenario.put([("between", b'{"id": "between", "country": "India", "at": "1/1/10"}')])
    run(config, until_caught_up=True)
    assert query(f"{scenario.base}/t", "select id from t").to_pylist() == [{"id": "between"}]


def test_a_table_goes_on_only_with_its_own_stream(
    spark: SparkSession, tmp_path: Path, make_stream: Callable[..., str]
) -> None:
    scenario = Scenario(tmp_path, "moved")
    scenario.put(events(20, seed=8))
    run(load_config(scenario.config), until_caught_up=True)
    scenario.stream = make_stream(1)
    document = scenario.document()
    with pytest.raises(SourceError, match=f"stream '{scenario.stream}'"):
        run(load_config(document), until_caught_up=True)


def test_a_pattern_that_only_spark_can_judge_is_a_configuration_error(spark: SparkSession, tmp_path: Path) -> None:
    ordering = {"column": "at", "format": "M/d/yy 'open"}
    scenario = Scenario(tmp_path, "pattern", changes={"sink.hudi.ordering": ordering})
    with pytest.raises(ConfigError, match=r"sink\.hudi\.ordering\.format"):
        run(load_config(scenario.document()), until_caught_up=True)
    assert not Path(scenario.base).exists()


def test_columns_are_derived_selected_and_partitioned(spark: SparkSession, tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "output": {"select": ["id", "double"], "derive": {"double": "amount * 2"}},
        "sink.hudi.partition_by": [{"name": "country"}],
        "sink.hudi.record_key": ["id", "country"],
    }
    scenario = Scenario(tmp_path, "shape", changes={**changes, "output": {"derive": {"double": "amount * 2"}}})
    scenario.put([("a", b'{"id": "a", "country": "India", "at": "1/1/10", "amount": 4}')])
    run(load_config(scenario.config), until_caught_up=True)
    rows = query(f"{scenario.base}/t", 'select id, country, "double" as twice from t').to_pylist()
    assert rows == [{"id": "a", "country": "India", "twice": 8}]
    assert {p.parent.name for p in Path(scenario.base, "t").rglob("*.parquet")} == {"country=India"}


def test_aggregated_records_are_unpacked_to_rows(spark: SparkSession, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "kpl")
    users = [(f"k{n}", f'{{"id": "k{n}", "country": "USA", "at": "1/1/10"}}'.encode()) for n in range(5)]
    users.append(("bad", b"{"))
    aws_client("kinesis").put_record(StreamName=scenario.stream, PartitionKey="a", Data=aggregate(users))
    summary = run(load_config(scenario.config), until_caught_up=True)
    assert summary.records == 6
    assert query(f"{scenario.base}/t", "select count(*) n from t").to_pylist() == [{"n": 5}]
    sql = "select sub_sequence_number, partition_key, reason, data from t"
    assert query(f"{scenario.base}/dead", sql).to_pylist() == [
        {"sub_sequence_number": 5, "partition_key": "bad", "reason": "MALFORMED_JSON", "data": b"{"}
    ]


def test_a_schema_of_the_glue_catalog_is_looked_up(spark: SparkSession, tmp_path: Path) -> None:
    glue = aws_client("glue")
    glue.create_database(DatabaseInput={"Name": "payloads"})
    columns = [{"Name": n, "Type": t} for n, t in [("id", "string"), ("country", "string"), ("at", "string")]]
    storage = {"Columns": [*columns, {"Name": "amount", "Type": "int"}]}
    glue.create_table(DatabaseName="payloads", TableInput={"Name": "events", "StorageDescriptor": storage})
    schema = {"glue_catalog": {"database": "payloads", "table": "events"}}
    scenario = Scenario(tmp_path, "catalog", changes={"payload.schema": schema})
    scenario.put(events(50, seed=9))
    run(load_config(scenario.config), until_caught_up=True)
    scenario.check()

    misfit = Scenario(tmp_path, "misfit", changes={"payload.schema": schema, "sink.hudi.record_key": ["uuid"]})
    with pytest.raises(ConfigError, match="uuid"):
        run(load_config(misfit.config), until_caught_up=True)
