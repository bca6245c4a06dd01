"""A job whose columns are changed goes on with its table, or is refused before anything is written.

Each row of the table in docs/configuration.md, "When columns change".
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.aws.storage import open_path
from streamjoin.enrich.pipeline import process_batch
from streamjoin.errors import SchemaError
from streamjoin.hudi.timeline import Timeline
from streamjoin.query import query
from tests.oracle import Record
from tests.spark.harness import batch_of, make_job

BEFORE = "id string, n int, price decimal(10,2), f float, tags array<int>, s struct<a:int>, gone string, old string"
AFTER = "id string, n bigint, price decimal(14,4), f double, tags array<bigint>, s struct<a:bigint>, more string"


def send(spark: SparkSession, folder: Path, schema: str, table_type: str, number: int, **event: Any) -> None:
    job = make_job(folder, schema=schema, table_type=table_type, ordering=None)
    process_batch(job, batch_of(spark, number, [Record("s-0", number, json.dumps(event).encode())]))


def commits(folder: Path) -> list[str]:
    return list(Timeline.read(*open_path(str(folder / "t"))).commits)


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_columns_are_added_dropped_and_widened_and_every_row_stays_readable(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    first = {"n": 1, "price": 1.25, "f": 0.5, "tags": [1], "s": {"a": 1}, "gone": "x", "old": "y"}
    send(spark, tmp_path, BEFORE, table_type, 1, id="a", **first)
    second = {"n": 2**40, "price": 12345678.1234, "f": 0.1, "tags": [2**40], "s": {"a": 2**40}, "more": "z"}
    send(spark, tmp_path, AFTER, table_type, 2, id="b", **second)
    found = {row.pop("id"): row for row in query(str(tmp_path / "t"), "select * from t").to_pylist()}
    rows = {key: {name: row[name] for name in (*first, "more")} for key, row in found.items()}
    assert rows == {
        "a": {**first, "price": Decimal("1.2500"), "more": None},
        "b": {**second, "price": Decimal("12345678.1234"), "gone": None, "old": None},
    }
    before = commits(tmp_path)
    changed = "id string, n int, f string, price decimal(14,2), s struct<a:bigint,b:int>, Gone string"
    with pytest.raises(SchemaError) as raised:
        send(spark, tmp_path, changed, table_type, 3, id="c")
    for problem in (
        "column 'n' is bigint in the table, int by the configuration, which doesn't hold all values of ",
        "column 'f' is double in the table, string by the configuration",
        "column 'price' is decimal(14,4) in the table, decimal(14,2) by the ",
        "column 's' is struct<a:bigint> in the table, struct<a:bigint,b:int> by the ",
        "column 'Gone' differs from the table's 'gone' in case only",
    ):
        assert problem in str(raised.value)
    assert not raised.value.retryable
    assert commits(tmp_path) == before


def test_a_job_with_small_whole_numbers_starts_again_without_a_rewrite(spark: SparkSession, tmp_path: Path) -> None:
    schema = "id string, n smallint, tags array<tinyint>, s struct<a:smallint,m:map<string,tinyint>>"
    event = {"n": 1, "tags": [1, None], "s": {"a": 2, "m": {"k": None}}}
    for number, key in enumerate("ab", start=1):
        send(spark, tmp_path, schema, "COPY_ON_WRITE", number, id=key, **event)
    rows = query(str(tmp_path / "t"), "select n, tags, s.a as a from t order by id").to_pylist()
    assert rows == [{"n": 1, "tags": [1, None], "a": 2}] * 2
    assert len(commits(tmp_path)) == 2
