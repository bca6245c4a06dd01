"""The job of the demo of flights, in this process; tests/e2e/test_demo.py runs the other two demos whole."""

from itertools import islice
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.entry import load_config, query
from streamjoin.local.demo.reference_origin import DynamoDbOrigin
from streamjoin.local.demo.scenarios import SCENARIOS
from streamjoin.local.samples.datasets import DATASETS
from streamjoin.local.samples.names import DatasetName
from streamjoin.local.samples.produce import produce
from streamjoin.local.tables import create_stream
from tests.small_tables import ONE_BUCKET

FLIGHTS = 500

pytestmark = pytest.mark.usefixtures("stack")


def test_flights_are_joined_with_four_references(spark: SparkSession, tmp_path: Path) -> None:
    dataset, scenario = DATASETS[DatasetName.FLIGHTS], SCENARIOS[DatasetName.FLIGHTS]
    origin = DynamoDbOrigin(dataset, scenario.change)
    document = scenario.config(str(tmp_path / "t"), str(tmp_path / "dead"))
    document["sink"]["hudi"]["options"] = ONE_BUCKET
    config, stream = load_config(document), document["source"]["kinesis"]["stream_name"]
    origin.create()
    origin.change_rows()
    create_stream(aws_client("kinesis"), stream, 4)
    produce(aws_client("kinesis"), stream, islice(dataset.records(0, 0), FLIGHTS), record_key=dataset.record_key)
    run(config, until_caught_up=True)
    (counts,) = query(
        config,
        "SELECT count(*) AS n, count(DISTINCT id) AS keys, count(airline_name) AS airlines, "
        "count(origin_name) AS origins, count(dest_name) > 400 AS most_dests, count(seats) > 300 AS most_planes "
        "FROM flights",
    ).to_pylist()
    assert counts == {
        **dict.fromkeys(("n", "keys", "airlines", "origins"), FLIGHTS),
        "most_dests": True,
        "most_planes": True,
    }
    names = query(config, "SELECT DISTINCT airline_name AS name FROM t WHERE carrier = 'UA'").to_pylist()
    assert names == [{"name": "United Airlines, Inc."}]
    # What the demo counts and shows.
    airlines = dataset.references[0]
    first = {row["carrier"]: row["name"] for row in airlines.rows()}
    changed = [first[row["carrier"]] for row in airlines.changed_rows()]
    assert [name for name in changed if f"'{name}'" not in scenario.outdated_sql] == []
    assert query(config, scenario.outdated_sql).to_pylist() == [{"n": 0}]
    carriers = query(config, scenario.summary_sql).to_pylist()
    assert sum(row["flights"] for row in carriers) == FLIGHTS
    assert query(config, scenario.sample_sql).num_rows == 5
