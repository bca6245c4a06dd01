"""A table's own stream, from which the job `capture` makes its table of either layout, and where it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SourceError
from tests.integration.capture.capturing import Capture, Captured, entry, live, told

# A start has more than one batch.
SMALL_BATCHES = {"limits": {"max_records_per_batch": 20}}


@pytest.fixture(scope="module")
def table(make_table: Callable[..., str]) -> Callable[[], Captured]:
    return lambda: Captured(make_table({"id": "S"}))


def test_a_tables_own_stream_makes_a_table_on_s3(
    spark: SparkSession, bucket: str, table: Callable[[], Captured]
) -> None:
    orders, base = table(), f"s3://{bucket}/lake"
    # Copy-on-write on a disk is in tests/integration/backfill/test_backfill_and_capture.py.
    tables = [entry(orders.name, base, hudi={"table_type": "MERGE_ON_READ"})]
    job = Capture(base, {"dynamodb_stream": {"table_name": orders.name}}, tables, SMALL_BATCHES)
    for seed, changes in enumerate((25, 10)):
        live(orders, seed, changes)
        job.run()
    assert job.items(orders.name) == orders.scan()
    job.check_proof()


@dataclass
class Log:
    """A changelog that was begun at the tip of its table's stream, after the first change of three parts."""

    job: Capture
    orders: Captured


@pytest.fixture(scope="module")
def log(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, table: Callable[[], Captured]) -> Log:
    orders, base = table(), str(tmp_path_factory.mktemp("log"))
    source = {"dynamodb_stream": {"table_name": orders.name, "starting_position": "LATEST"}}
    job = Capture(base, source, [entry(orders.name, base, layout="changelog")], SMALL_BATCHES)
    orders.put("before")
    job.run()
    orders.put("before", quantity=2)
    for seed, changes in enumerate((25, 10)):
        live(orders, seed, changes)
        job.run()
    return Log(job, orders)


def test_a_tables_own_stream_makes_a_changelog_and_latest_misses_nothing_since_the_first_start(log: Log) -> None:
    # A start that found nothing can't say where in the stream it was: what came before may be there too.
    before, *since = told(log.orders.source)
    assert [change for change in log.job.changes(log.orders.name) if change != before] == since
    log.job.check_proof()


def test_the_journal_goes_on_only_with_its_own_stream(log: Log, table: Callable[[], Captured]) -> None:
    other = table()
    job = Capture(log.job.base, {"dynamodb_stream": {"table_name": other.name}}, [entry(other.name, log.job.base)])
    with pytest.raises(SourceError, match=rf"'{other.name}'.*{log.orders.name}"):
        job.run()


def test_a_table_without_a_stream_says_what_to_enable(tmp_path: Path, dynamodb: Any, fresh_name: Any) -> None:
    name, base = fresh_name("table"), str(tmp_path)
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(SourceError, match="StreamViewType=NEW_AND_OLD_IMAGES"):
        Capture(base, {"dynamodb_stream": {"table_name": name}}, [entry(name, base)]).run()
