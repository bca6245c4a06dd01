"""The job in one process, from the emulator's Kinesis and DynamoDB to a Hudi table on its S3."""

from collections.abc import Callable
from dataclasses import dataclass
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
from streamjoin.streaming.runner import RunSummary
from tests.e2e.scenario import Scenario, events
from tests.faults.kpl import aggregate


def test_tables_on_s3_hold_what_the_oracle_says(spark: SparkSession, bucket: str, tmp_path: Path) -> None:
    # The demo has the other type on S3.
    changes = {"sink.hudi.table_type": "MERGE_ON_READ"}
    scenario = Scenario(tmp_path, "on-s3", base=f"s3://{bucket}/lake", changes=changes)
    for seed in (5, 6):
        scenario.put(events(60, seed))
        run(load_config(scenario.config), until_caught_up=True)
    scenario.check()


@dataclass
class Followed:
    """A job that begins at the stream's end, is started again, and whose reference changes between two batches.

    Args:
        scenario: What it is over.
        begun: Where its shards were to begin, after a first start that found nothing.
    """

    scenario: Scenario
    begun: set[PositionKind]


@pytest.fixture(scope="module")
def followed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("followed")
    scenario = Scenario(folder, "followed", changes={"source.kinesis.starting_position": "LATEST"})
    seen = list[str]()

    def put(key: str) -> None:
        scenario.put([(key, f'{{"id": "{key}", "country": "India", "at": "1/1/10"}}'.encode())])

    def on_step(step: str) -> None:
        seen.append(step)
        if step == "recorded" and seen.count(step) == 1:
            scenario.set_countries({"India": "IN-IND-India"})
            # No waiting: the next batch must have it.
            put("b")

    put("old")
    config = load_config(scenario.config)
    run(config, until_caught_up=True)
    found = checkpoint.read(f"{scenario.base}/t")
    assert found is not None
    put("a")
    run(config, max_batches=2, on_step=on_step)
    return Followed(scenario, {p.kind for p in found.position.shards.values()})


def test_a_change_of_the_reference_is_in_the_next_batch_without_a_restart(followed: Followed) -> None:
    found = query(f"{followed.scenario.base}/t", "select id, combinedname from t").to_pylist()
    names = {row["id"]: row["combinedname"] for row in found}
    assert (names["a"], names["b"]) == ("IN-India", "IN-IND-India")


def test_latest_means_the_first_start_also_when_nothing_came_before_the_second(followed: Followed) -> None:
    assert followed.begun == {PositionKind.AT_TIMESTAMP}
    found = query(f"{followed.scenario.base}/t", "select id from t").to_pylist()
    assert {row["id"] for row in found} == {"a", "b"}


def test_a_table_goes_on_only_with_its_own_stream(followed: Followed, make_stream: Callable[..., str]) -> None:
    document = followed.scenario.document()
    document["source"]["kinesis"]["stream_name"] = stream = make_stream(1)
    with pytest.raises(SourceError, match=f"stream '{stream}'"):
        run(load_config(document), until_caught_up=True)


def test_a_pattern_that_only_spark_can_judge_is_a_configuration_error(spark: SparkSession, tmp_path: Path) -> None:
    ordering = {"column": "at", "format": "M/d/yy 'open"}
    scenario = Scenario(tmp_path, "pattern", changes={"sink.hudi.ordering": ordering})
    with pytest.raises(ConfigError, match=r"sink\.hudi\.ordering\.format"):
        run(load_config(scenario.document()), until_caught_up=True)
    assert not Path(scenario.base).exists()


@pytest.fixture(scope="module")
def packed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, RunSummary]:
    """A job over an aggregated record and one by itself, whose rows have columns of their own making."""
    changes: dict[str, Any] = {
        "output": {"derive": {"double": "amount * 2"}},
        "sink.hudi.partition_by": [{"name": "country"}],
        "sink.hudi.record_key": ["id", "country"],
    }
    scenario = Scenario(tmp_path_factory.mktemp("packed"), "packed", changes=changes)
    users = [(f"k{n}", f'{{"id": "k{n}", "country": "USA", "at": "1/1/10"}}'.encode()) for n in range(5)]
    users.append(("bad", b"{"))
    aws_client("kinesis").put_record(StreamName=scenario.stream, PartitionKey="a", Data=aggregate(users))
    scenario.put([("a", b'{"id": "a", "country": "India", "at": "1/1/10", "amount": 4}')])
    return scenario, run(load_config(scenario.config), until_caught_up=True)


def test_columns_are_derived_and_partitioned(packed: tuple[Scenario, RunSummary]) -> None:
    base = packed[0].base
    rows = query(f"{base}/t", """select id, country, "double" as twice from t where id = 'a'""").to_pylist()
    assert rows == [{"id": "a", "country": "India", "twice": 8}]
    assert {p.parent.name for p in Path(base, "t").rglob("*.parquet")} == {"country=India", "country=USA"}


def test_aggregated_records_are_unpacked_to_rows(packed: tuple[Scenario, RunSummary]) -> None:
    scenario, summary = packed
    assert summary.records == 6 + 1
    found = query(f"{scenario.base}/t", "select id from t where country = 'USA' order by id").to_pylist()
    assert [row["id"] for row in found] == ["k0", "k1", "k2", "k3", "k4"]
    sql = "select sub_sequence_number, partition_key, reason, data from t"
    assert query(f"{scenario.base}/dead", sql).to_pylist() == [
        {"sub_sequence_number": 5, "partition_key": "bad", "reason": "MALFORMED_JSON", "data": b"{"}
    ]


def test_large_batches_with_a_schema_of_the_catalog_are_read_by_executors_and_come_to_the_same(
    spark: SparkSession, tmp_path: Path
) -> None:
    glue = aws_client("glue")
    glue.create_database(DatabaseInput={"Name": "payloads"})
    columns = [{"Name": n, "Type": t} for n, t in [("id", "string"), ("country", "string"), ("at", "string")]]
    storage = {"Columns": [*columns, {"Name": "amount", "Type": "int"}]}
    glue.create_table(DatabaseName="payloads", TableInput={"Name": "events", "StorageDescriptor": storage})
    changes: dict[str, Any] = {
        "payload.schema": {"glue_catalog": {"database": "payloads", "table": "events"}},
        "limits.max_records_per_batch": 200_000,
    }
    scenario = Scenario(tmp_path, "large", changes=changes)
    scenario.put(events(600, seed=7))
    summary = run(load_config(scenario.config), until_caught_up=True)
    assert (summary.records, summary.caught_up) == (600, True)
    scenario.check()

    misfit = Scenario(tmp_path, "misfit", changes={**changes, "sink.hudi.record_key": ["uuid"]})
    with pytest.raises(ConfigError, match="uuid"):
        run(load_config(misfit.config), until_caught_up=True)
