"""Whole jobs whose references change, from the emulator's DynamoDB and its streams to Hudi tables."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config
from streamjoin.history import checkpoint
from streamjoin.local.tables import create_table, put_items
from streamjoin.query import query
from tests.e2e.scenario import COUNTRIES, Scenario, events


def rows(scenario: Scenario, columns: str) -> list[dict[str, Any]]:
    return query(f"{scenario.base}/t", f"select {columns} from t order by id").to_pylist()  # noqa: S608  (the test's own)


def event(key: str, country: str, **others: str) -> tuple[str, bytes]:
    more = "".join(f', "{name}": "{value}"' for name, value in others.items())
    return key, f'{{"id": "{key}", "country": "{country}", "at": "1/1/10"{more}}}'.encode()


def test_rows_already_written_follow_the_reference_also_what_changed_while_the_job_was_stopped(
    spark: SparkSession, stack: Any, tmp_path: Path
) -> None:
    # With the other type the job dies at each step of a rewrite in test_crashes.py.
    changes = {"references.0.on_change": "rewrite_rows", "sink.hudi.table_type": "MERGE_ON_READ"}
    scenario = Scenario(tmp_path, "rewrite", changes=changes)
    config = load_config(scenario.config)
    scenario.put(events(150, seed=11))
    run(config, until_caught_up=True)
    scenario.set_countries({"India": "IN-IND-India", "Atlantis": "AT-Atlantis"})
    scenario.put(events(60, seed=12))
    summary = run(config, until_caught_up=True)
    assert summary.caught_up
    scenario.check({**COUNTRIES, "India": "IN-IND-India", "Atlantis": "AT-Atlantis"})


def test_several_references_one_table_twice_one_looked_up_by_a_composite_key_and_their_versions_in_the_rows(
    spark: SparkSession, stack: Any, tmp_path: Path
) -> None:
    prices = "prices-of-several"
    create_table(aws_client("dynamodb"), prices, {"country": "S", "size": "N"})
    put_items(
        aws_client("dynamodb"),
        prices,
        [{"country": "India", "size": 1, "price": "1.5"}, {"country": "USA", "size": 2, "price": "9"}],
    )
    scenario = Scenario(
        tmp_path,
        "several",
        changes={
            "payload.schema": "id string, country string, at string, size int, code string",
            "output": {"reference_version": {"country": "country_version", "by_code": "code_version"}},
        },
    )
    document = scenario.document()
    country = {**document["references"][0], "on_change": "rewrite_rows"}
    document["references"] = [
        country,
        {**country, "name": "by_code", "on": {"code": "code"}, "columns": {"combinedname": "name_of_code"}},
        {
            "name": "price",
            "dynamodb": {"table_name": prices},
            "on": {"country": "country", "size": "size"},
            "columns": ["price"],
            "mode": "lookup",
            "schema": "country string, size int, price string",
        },
    ]
    config = load_config(document)
    scenario.put([
        ("a", b'{"id": "a", "country": "India", "at": "1/1/10", "size": 1, "code": "US"}'),
        ("b", b'{"id": "b", "country": "USA", "at": "1/1/10", "size": 1, "code": "XX"}'),
    ])  # fmt: skip
    run(config, until_caught_up=True)
    columns = "id, combinedname, name_of_code, price, country_version, code_version"
    assert rows(scenario, columns) == [
        {"id": "a", "combinedname": "IN-India", "name_of_code": "US-USA", "price": "1.5",
         "country_version": 1, "code_version": 1},
        {"id": "b", "combinedname": "US-USA", "name_of_code": None, "price": None,
         "country_version": 1, "code_version": 1},
    ]  # fmt: skip

    scenario.set_countries({"USA": "US-USA-US"})
    # What is looked up is not rewritten: only new events see it.
    put_items(aws_client("dynamodb"), prices, [{"country": "India", "size": 1, "price": "2.5"}])
    run(config, until_caught_up=True)
    found = rows(scenario, columns)
    assert [(row["combinedname"], row["name_of_code"], row["price"]) for row in found] == [
        ("IN-India", "US-USA-US", "1.5"),
        ("US-USA-US", None, None),
    ]
    assert {(row["country_version"], row["code_version"]) for row in found} == {(2, 2)}
    found_checkpoint = checkpoint.read(f"{scenario.base}/t")
    assert found_checkpoint is not None
    assert {name: each["version"] for name, each in found_checkpoint.references.items()} == {
        "country": 2, "by_code": 2, "price": found_checkpoint.references["price"]["version"],
    }  # fmt: skip


def test_a_chain_of_references_is_rewritten_through(spark: SparkSession, stack: Any, tmp_path: Path) -> None:
    regions = "regions-of-chain"
    create_table(aws_client("dynamodb"), regions, {"code": "S"})
    put_items(aws_client("dynamodb"), regions, [{"code": "IN", "region": "Asia"}, {"code": "BH", "region": "South"}])
    scenario = Scenario(tmp_path, "chain")
    document = scenario.document()
    country = {**document["references"][0], "columns": ["code"], "on_change": "rewrite_rows"}
    region = {
        **country,
        "name": "region",
        "dynamodb": {"table_name": regions},
        "on": {"code": "code"},
        "columns": ["region"],
    }
    document["references"] = [country, region]
    config = load_config(document)
    scenario.put([event("a", "India")])
    run(config, until_caught_up=True)
    assert rows(scenario, "code, region") == [{"code": "IN", "region": "Asia"}]
    # The item of India moves to another code, and so to another region.
    aws_client("dynamodb").delete_item(
        TableName=scenario.countries, Key={"code": {"S": "IN"}, "countryname": {"S": "India"}}
    )
    scenario.set_countries({"India": "BH-India"})
    run(config, until_caught_up=True)
    assert rows(scenario, "code, region") == [{"code": "BH", "region": "South"}]


def test_a_row_is_rewritten_in_its_partition(spark: SparkSession, stack: Any, tmp_path: Path) -> None:
    scenario = Scenario(
        tmp_path,
        "partitioned",
        changes={
            "references.0.on_change": "rewrite_rows",
            "sink.hudi.partition_by": [{"name": "country"}, {"name": "year", "from": "year_text", "format": None}],
            "payload.schema": "id string, country string, at string, year_text string",
            "output": {"drop": ["year_text"]},
        },
    )
    config = load_config(scenario.config)
    scenario.put([event("a", "India", year_text="2026"), event("b", "USA", year_text="2025")])
    run(config, until_caught_up=True)
    scenario.set_countries({"India": "IN-IND-India"})
    run(config, until_caught_up=True)
    assert rows(scenario, "id, combinedname, country, year") == [
        {"id": "a", "combinedname": "IN-IND-India", "country": "India", "year": "2026"},
        {"id": "b", "combinedname": "US-USA", "country": "USA", "year": "2025"},
    ]


def test_a_table_without_a_stream_is_scanned_and_its_changes_are_rewritten_too(
    spark: SparkSession, stack: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = Scenario(tmp_path, "no-stream", changes={"references.0.on_change": "rewrite_rows"})
    aws_client("dynamodb").update_table(TableName=scenario.countries, StreamSpecification={"StreamEnabled": False})
    config = load_config(scenario.config)
    scenario.put([event("a", "India")])
    with caplog.at_level("WARNING"):
        run(config, until_caught_up=True)
    assert "it has no stream, so that its changes can't be followed" in caplog.text
    scenario.set_countries({"India": "IN-IND-India"})
    run(config, until_caught_up=True)
    assert rows(scenario, "combinedname") == [{"combinedname": "IN-IND-India"}]
