"""What a streaming query leaves behind, and a query over files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from streamjoin.history.ledger import Ledger
from streamjoin.query import query
from streamjoin.verify import verify
from tests.e2e.scenario import Scenario


def start_query(spark: SparkSession, folder: str | Path, take: Callable[[DataFrame, int], None]) -> None:
    """Run a query over all files of `source`, a file a batch, with its checkpoint beside them."""
    frames = spark.readStream.schema("data binary").option("maxFilesPerTrigger", 1).parquet(f"{folder}/source")
    writer = frames.writeStream.foreachBatch(take).option("checkpointLocation", f"{folder}/checkpoint")
    running = writer.trigger(availableNow=True).start()
    try:
        running.awaitTermination()
    finally:
        running.stop()


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
