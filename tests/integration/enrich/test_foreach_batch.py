"""Batches of streaming queries, on real Spark, Hudi and DynamoDB, against the oracle."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from streamjoin import foreach_batch, load_config
from streamjoin.enrich import pipeline
from streamjoin.enrich.foreach_batch import QueryBatches
from streamjoin.enrich.redrive import run_redrive
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError, SourceError
from streamjoin.history.ledger import Ledger
from streamjoin.query import query
from tests.e2e.queried import batches_of, letters_of, proven, rows_of
from tests.e2e.scenario import COUNTRIES, Scenario
from tests.oracle import Record, expected_table
from tests.spark.harness import CrashError, crash_at

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)
KAFKA = "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, timestampType int"


def kafka_frame(spark: SparkSession, records: Sequence[Record]) -> DataFrame:
    rows = [
        (b"k", bytearray(r.payload), "orders", int(r.shard_id), r.sequence, ARRIVED + timedelta(seconds=r.sequence), 0)
        for r in records
    ]
    return spark.createDataFrame(rows, KAFKA)


def test_kafkas_records_keep_their_places_whatever_dies_and_whatever_comes_between(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path, "of-kafka", changes={"references.0.how": "inner"})
    config = load_config(scenario.config)
    # A day for all, so that most events of a key are tied, and only the offset tells. A key stays in its partition.
    records = [
        Record(str(n % 2), n, json.dumps({"id": f"k{n % 8}", "country": country, "at": "1/1/10", "amount": n}).encode())
        for n, country in enumerate(["India", "USA", "India", "Atlantis"] * 7)
    ]
    records[5:5] = [Record("0", 100, b"{"), Record("1", 100, b"")]
    parts = [records[start : start + 10] for start in range(0, 30, 10)]
    foreach_batch(config, query_id="q")(kafka_frame(spark, parts[0][::-1]), 0)
    with pytest.raises(CrashError):
        QueryBatches(config, "q", on_step=crash_at("committed"))(kafka_frame(spark, parts[1]), 1)
    # What was unmatched comes to be matched: a commit of its own, after which the batch is still known.
    scenario.set_countries({"Atlantis": "AT-Atlantis"})
    assert run_redrive(config).redriven == {"UNMATCHED_REFERENCE": 4}
    take = foreach_batch(config, query_id="q")
    take(kafka_frame(spark, parts[1]), 1)
    # Numbers that are left out (Glue doesn't hand on empty batches), and a query of its own from another checkpoint.
    foreach_batch(config, query_id="other")(kafka_frame(spark, parts[2][:5]), 0)
    take(kafka_frame(spark, parts[2][5:]), 7)
    take(kafka_frame(spark, parts[0]), 0)

    assert batches_of(scenario) == [f"query/{each}" for each in ("q/0", "q/1", "other/0", "q/7")]
    expected = expected_table(records, {**COUNTRIES, "Atlantis": "AT-Atlantis"}, inner=True)
    assert rows_of(scenario) == expected.rows
    places = query(f"{scenario.base}/t", "select id, _sequence_number as n from t").to_pylist()
    assert {row["id"]: int(row["n"]) for row in places} == expected.places
    letters = letters_of(scenario)
    assert {(each["shard_id"], int(each["sequence_number"])): each["reason"] for each in letters} == {
        place: reason for place, reason in expected.dead_letters.items()
    }
    assert {(each["stream"], each["partition_key"], each["dt"]) for each in letters} == {("orders", "k", "20260131")}
    proven(scenario)
    with pytest.raises(SourceError, match=r"streaming queries .foreach_batch.: 'other', 'q'. A table has either"):
        pipeline.run(config, until_caught_up=True)


def test_letters_without_a_place_are_those_of_the_repeat_alone_and_a_redrive_leaves_what_is_rejected_still(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path, "no-place", changes={"references.0.how": "inner", "payload.records": "many"})
    good = '{"id": "a", "country": "India", "at": "1/1/10"}'
    unmatched = '{"id": "b", "country": "Atlantis", "at": "1/1/10"}'
    payloads = [(good + unmatched,), ("{",), ("{",), ("[1]",)]
    # A try with a configuration that rejects all dies before its commit.
    wrong = scenario.document()
    wrong["payload"]["records"] = "one"
    with pytest.raises(CrashError):
        QueryBatches(load_config(wrong), on_step=crash_at("dead_letters_written"))(
            spark.createDataFrame(payloads, "data string"), 0
        )
    assert len(letters_of(scenario)) == 4
    take = foreach_batch(scenario.document())
    take(spark.createDataFrame(payloads, "data string"), 0)
    take(spark.createDataFrame(payloads, "data string"), 0)
    (entry,) = [e for e in Ledger(f"{scenario.base}/t").entries() if e.batch_id == "query/no-place/0"]
    assert (entry.counts["read"], entry.ranges[0].records) == (5, 5)
    scenario.set_countries({"Atlantis": "AT-Atlantis"})
    report = run_redrive(load_config(scenario.config))
    assert dict(report.redriven) == {"UNMATCHED_REFERENCE": 1}
    assert set(rows_of(scenario)) == {"a", "b"}
    assert Counter(letter["data"] for letter in letters_of(scenario)) == {b"{": 2, b"[1]": 1}
    proven(scenario)


def test_a_table_of_a_job_that_reads_its_stream_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, "own-loop")
    config = load_config(scenario.config)
    pipeline.run(config, until_caught_up=True)
    with pytest.raises(ConfigError, match=r"whose position is of stream 'stream-own-loop'.*streaming queries"):
        foreach_batch(config)
    with pytest.raises(ConfigError, match="query_id: found an empty text"):
        foreach_batch(parse_config(scenario.document()), query_id=" ")
