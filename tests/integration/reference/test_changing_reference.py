"""Whole jobs whose references change, from the emulator's DynamoDB and its streams to Hudi tables."""

import logging
from dataclasses import dataclass, field
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


def test_rows_already_written_follow_the_reference_also_what_changed_while_the_job_was_stopped(
    spark: SparkSession, stack: Any, tmp_path: Path
) -> None:
    # With the other type the job dies at each step of a rewrite in test_crashes.py.
    changes = {"references.0.on_change": "rewrite_rows", "sink.hudi.table_type": "MERGE_ON_READ"}
    scenario = Scenario(tmp_path, "rewrite", changes=changes)
    config = load_config(scenario.config)
    scenario.put(events(90, seed=11))
    run(config, until_caught_up=True)
    scenario.set_countries({"India": "IN-IND-India", "Atlantis": "AT-Atlantis"})
    scenario.put(events(60, seed=12))
    summary = run(config, until_caught_up=True)
    assert summary.caught_up
    scenario.check({**COUNTRIES, "India": "IN-IND-India", "Atlantis": "AT-Atlantis"})


@dataclass(eq=False)
class Found(logging.Handler):
    """Rows and versions of a job with five references, before and after their tables change, and what it said."""

    before: list[dict[str, Any]] = field(default_factory=list)
    after: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def was_and_is(self, *columns: str) -> list[tuple[Any, ...]]:
        """Return these columns of the rows a and b: before, then after."""
        return [tuple(row[column] for column in columns) for row in (*self.before, *self.after)]


@pytest.fixture(scope="module")
def found(spark: SparkSession, stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Found:
    dynamodb, found = aws_client("dynamodb"), Found()
    create_table(dynamodb, "prices", {"country": "S", "size": "N"})
    create_table(dynamodb, "regions", {"code": "S"})
    create_table(dynamodb, "zones", {"country": "S"})
    dynamodb.update_table(TableName="zones", StreamSpecification={"StreamEnabled": False})
    put_items(dynamodb, "prices", [{"country": "India", "size": 1, "price": "1.5"}, {"country": "USA", "size": 2}])
    put_items(dynamodb, "regions", [{"code": "IN", "region": "Asia"}, {"code": "BH", "region": "South"}])
    put_items(dynamodb, "zones", [{"country": "India", "zone": "+05:00"}])
    changes = {
        "payload.schema": "id string, country string, at string, size int, code string, year_text string",
        "sink.hudi.partition_by": [{"name": "country"}, {"name": "year", "from": "year_text", "format": None}],
        "output": {
            "drop": ["year_text"],
            "reference_version": {"country": "country_version", "by_code": "code_version"},
        },
    }
    scenario = Scenario(tmp_path_factory.mktemp("changing"), "changing", changes=changes)
    document = scenario.document()
    of_country = {"combinedname": "combinedname", "code": "country_code"}
    country = {**document["references"][0], "columns": of_country, "on_change": "rewrite_rows"}
    document["references"] = [
        country,
        {**country, "name": "by_code", "on": {"code": "code"}, "columns": {"combinedname": "name_of_code"}},
        {
            **country,
            "name": "region",
            "dynamodb": {"table_name": "regions"},
            "on": {"country_code": "code"},
            "columns": ["region"],
        },
        {
            **country,
            "name": "zone",
            "dynamodb": {"table_name": "zones"},
            "on": {"country": "country"},
            "columns": ["zone"],
        },
        {
            "name": "price",
            "dynamodb": {"table_name": "prices"},
            "on": {"country": "country", "size": "size"},
            "columns": ["price"],
            "mode": "lookup",
            "schema": "country string, size int, price string",
        },
    ]
    config = load_config(document)
    scenario.put([
        ("a", b'{"id": "a", "country": "India", "at": "1/1/10", "size": 1, "code": "US", "year_text": "2026"}'),
        ("b", b'{"id": "b", "country": "USA", "at": "1/1/10", "size": 1, "code": "XX", "year_text": "2025"}'),
    ])  # fmt: skip
    logging.getLogger("streamjoin").addHandler(found)
    run(config, until_caught_up=True)
    logging.getLogger("streamjoin").removeHandler(found)
    found.before = rows(scenario, "*")

    # The item of India moves to another code, and so to another region.
    dynamodb.delete_item(TableName=scenario.countries, Key={"code": {"S": "IN"}, "countryname": {"S": "India"}})
    scenario.set_countries({"USA": "US-USA-US", "India": "BH-India"})
    put_items(dynamodb, "prices", [{"country": "India", "size": 1, "price": "2.5"}])
    put_items(dynamodb, "zones", [{"country": "India", "zone": "+05:30"}])
    run(config, until_caught_up=True)
    found.after = rows(scenario, "*")
    last = checkpoint.read(f"{scenario.base}/t")
    assert last is not None
    found.versions = {name: each["version"] for name, each in last.references.items()}
    return found


def test_several_references_one_table_twice_one_looked_up_by_a_composite_key_and_their_versions_in_the_rows(
    found: Found,
) -> None:
    assert found.was_and_is("id", "combinedname", "name_of_code") == [
        ("a", "IN-India", "US-USA"),
        ("b", "US-USA", None),
        ("a", "BH-India", "US-USA-US"),
        ("b", "US-USA-US", None),
    ]
    # What is looked up is not rewritten: only new events see it.
    assert found.was_and_is("price") == [("1.5",), (None,), ("1.5",), (None,)]
    assert found.was_and_is("country_version", "code_version") == [(1, 1), (1, 1), (2, 2), (2, 2)]
    versions = {**found.versions}
    assert versions.pop("price")
    assert versions == {"country": 2, "by_code": 2, "region": 1, "zone": 2}


def test_a_chain_of_references_is_rewritten_through(found: Found) -> None:
    assert found.was_and_is("country_code", "region") == [("IN", "Asia"), ("US", None), ("BH", "South"), ("US", None)]


def test_a_row_is_rewritten_in_its_partition(found: Found) -> None:
    assert found.was_and_is("country", "year", "_hoodie_partition_path") == 2 * [
        ("India", "2026", "country=India/year=2026"),
        ("USA", "2025", "country=USA/year=2025"),
    ]


def test_a_table_without_a_stream_is_scanned_and_its_changes_are_rewritten_too(found: Found) -> None:
    (warning,) = (line for line in found.said if "it has no stream, so that its changes can't be followed" in line)
    assert "zones" in warning
    assert found.was_and_is("zone") == [("+05:00",), (None,), ("+05:30",), (None,)]
