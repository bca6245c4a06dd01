"""What docs/deploy.md has an operator do by hand: a table moved to another place, a stream made anew."""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from streamjoin.aws.clients import aws_client
from streamjoin.enrich.pipeline import run
from streamjoin.enrich.set_position import set_position
from streamjoin.entry import parse_config
from streamjoin.history.set_position import StartAt
from streamjoin.local.tables import create_stream
from streamjoin.query import query
from streamjoin.verify import verify
from tests.e2e.scenario import Scenario, events


def test_a_moved_table_goes_on_where_it_was_and_a_stream_made_anew_is_read_from_its_beginning(
    spark: SparkSession, tmp_path: Path
) -> None:
    scenario = Scenario(tmp_path, "by-hand")
    scenario.put(events(60, seed=3))
    run(parse_config(scenario.document()), until_caught_up=True)

    # Both base paths, with all that is in them.
    scenario.base = str(shutil.move(scenario.base, tmp_path / "elsewhere"))
    config = parse_config(scenario.document())
    scenario.put(events(60, seed=4))
    run(config, until_caught_up=True)
    scenario.check()
    assert verify(f"{scenario.base}/t", f"{scenario.base}/dead").holds

    kinesis = aws_client("kinesis")
    kinesis.delete_stream(StreamName=scenario.stream)
    create_stream(kinesis, scenario.stream, 2)
    before = ids(scenario)
    scenario.put([("n1", b'{"id": "n1", "country": "India", "at": "1/1/13", "amount": 1}')])
    assert set_position(config, StartAt("TRIM_HORIZON"), session=lambda: spark)
    run(config, until_caught_up=True)
    assert ids(scenario) == before | {"n1"}


def ids(scenario: Scenario) -> set[str]:
    return set(query(f"{scenario.base}/t", "select id from t").column("id").to_pylist())
