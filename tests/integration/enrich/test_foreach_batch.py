"""Batches of streaming queries, on real Spark, Hudi and DynamoDB, against the oracle."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from streamjoin import foreach_batch, load_config
from streamjoin.enrich import pipeline
from streamjoin.enrich.foreach_batch import QueryBatches
from streamjoin.enrich.redrive import run_redrive
from streamjoin.entry import parse_config
from streamjoin.errors import ConfigError, SourceError
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.query import query
from streamjoin.shards.position import QUERIES
from streamjoin.verify import verify
from tests.e2e.scenario import COUNTRIES, Scenario, events
from tests.oracle import Record, expected_table
from tests.spark.harness import CrashError, crash_at

ARRIVED = datetime(2026, 1, 31, tzinfo=UTC)
KAFKA = "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp, timestampType int"


class DiedError(Exception):
    """Ends a query as a fault of ours would; what is no Exception never comes back from Spark's thread."""


def rows_of(scenario: Scenario) -> dict[str, dict[str, Any]]:
    found = query(
        f"{scenario.base}/t", 'select id, country, "at", amount, combinedname, _ordering_us from t'
    ).to_pylist()
    assert len({row["id"] for row in found}) == len(found), "a record key is there twice"
    return {row["id"]: row for row in found}


def letters_of(scenario: Scenario) -> list[dict[str, Any]]:
    return query(f"{scenario.base}/dead", "select * from t").to_pylist()


def batches_of(scenario: Scenario) -> list[str]:
    return [e.batch_id for e in Ledger(f"{scenario.base}/t").entries() if e.batch_id.startswith("query/")]


def proven(scenario: Scenario) -> None:
    report = verify(f"{scenario.base}/t", f"{scenario.base}/dead")
    assert report.violations == (), report


def test_a_query_of_files_that_dies_between_commit_and_checkpoint_leaves_the_oracles_table(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario, source = Scenario(tmp_path, "of-files"), tmp_path / "source"
    source.mkdir()
    records = [Record("none", n, payload) for n, (_, payload) in enumerate(events(30, 4))]
    expected = expected_table(records, COUNTRIES)
    assert expected.rows == expected_table(records[::-1], COUNTRIES).rows, "no ties: these records have no place"
    for number in range(2):
        data = [record.payload for record in records[number::2]]
        parquet.write_table(pa.table({"data": pa.array(data, pa.binary())}), source / f"{number}.parquet")

    def start(take: Any) -> None:
        frames = spark.readStream.schema("data binary").option("maxFilesPerTrigger", 1).parquet(str(source))
        writer = frames.writeStream.foreachBatch(take).option("checkpointLocation", str(tmp_path / "checkpoint"))
        running = writer.trigger(availableNow=True).start()
        try:
            running.awaitTermination()
        finally:
            running.stop()

    seen = Counter[str]()

    def die(step: str) -> None:
        seen[step] += 1
        if seen[step] == 2 and step == "committed":
            raise DiedError

    with pytest.raises(StreamingQueryException, match="DiedError"):
        start(QueryBatches(load_config(scenario.config), on_step=die))
    # Spark begins again with the batch that it doesn't know the end of, and does so once more after all of them.
    start(foreach_batch(load_config(scenario.config)))
    (tmp_path / "checkpoint" / "commits" / "1").unlink()
    (tmp_path / "checkpoint" / "commits" / ".1.crc").unlink()
    start(foreach_batch(str(scenario.config)))

    query_id = json.loads((tmp_path / "checkpoint" / "metadata").read_text())["id"]
    assert batches_of(scenario) == [f"query/{query_id}/{number}" for number in range(2)]
    assert rows_of(scenario) == expected.rows
    rejected = Counter(record.payload for record in records if ("none", record.sequence) in expected.dead_letters)
    assert Counter(letter["data"] for letter in letters_of(scenario)) == rejected
    proven(scenario)
    found = checkpoint.read(f"{scenario.base}/t")
    assert found is not None
    assert (found.position.stream, {q: p.sequence_number for q, p in found.position.shards.items()}) == (
        QUERIES,
        {query_id: "1"},
    )


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
