"""What a table on S3 is after requests of a commit have failed, one at a time."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SinkError
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.local.stack import LocalStack
from streamjoin.query import query
from tests.faults.sink import Request, S3Proxy
from tests.small_tables import ONE_BUCKET

KEYS = [f"k{n}" for n in range(6)]
# Both, for each writes other files in another order.
TABLE_TYPES = ["COPY_ON_WRITE", "MERGE_ON_READ"]
COMPLETED = {"COPY_ON_WRITE": ".commit", "MERGE_ON_READ": ".deltacommit"}
# Files of a commit in the order in which they are written, by the end of their names, and what becomes of them.
BREAKS = {
    "COPY_ON_WRITE": [(".inflight", "drop"), (".parquet", "503"), (".commit", "drop")],
    "MERGE_ON_READ": [(".marker.APPEND", "503"), (".log.", "drop"), (".deltacommit", "503")],
}


@pytest.fixture(scope="module")
def proxy(stack: LocalStack) -> Iterator[S3Proxy]:
    with S3Proxy(stack.endpoint).running() as running:
        yield running


@pytest.fixture
def bucket(spark: SparkSession, s3: Any, proxy: S3Proxy) -> str:
    """A bucket that Spark reaches by the proxy, and all others directly."""
    name = f"faults-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    settings: Any = spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]
    settings.set(f"fs.s3a.bucket.{name}.endpoint", proxy.endpoint)
    # What fails here fails for good: without these S3A tries for minutes.
    for limit in ("attempts.maximum", "retry.limit", "retry.throttle.limit"):
        settings.set(f"fs.s3a.bucket.{name}.{limit}", "1")
    settings.set(f"fs.s3a.bucket.{name}.retry.interval", "10ms")
    return name


def write(spark: SparkSession, target: HudiTable, keys: list[str], version: int) -> None:
    rows = spark.createDataFrame([(key, version) for key in keys], "id string, o bigint")
    upsert(rows, target, commit_metadata={"batch_id": str(version)})


def found(target: HudiTable) -> dict[str, int]:
    rows = query(target.base_path, "select id, o from t").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["o"] for row in rows}


def puts(ending: str, kind: str) -> Callable[[Request], str | None]:
    def rule(request: Request) -> str | None:
        is_it = request.name.endswith(ending) or (ending == ".log." and ending in request.name)
        is_marker = ".marker." in request.name and ".marker." not in ending
        return kind if request.method in ("PUT", "POST") and is_it and not is_marker else None

    return rule


@pytest.mark.parametrize("table_type", TABLE_TYPES)
def test_a_commit_that_s3_breaks_off_anywhere_is_not_there_and_the_next_try_doubles_nothing(
    spark: SparkSession, proxy: S3Proxy, bucket: str, table_type: str
) -> None:
    target = HudiTable(f"s3://{bucket}/lake/t", "t", ("id",), "o", table_type=table_type, options=ONE_BUCKET)
    proxy.breaks(lambda request: None)
    write(spark, target, KEYS, 1)
    version = 1
    for ending, kind in BREAKS[table_type]:
        proxy.breaks(puts(ending, kind))
        with pytest.raises(SinkError, match=r"table 't' at s3://.*: the upsert failed") as raised:
            write(spark, target, [*KEYS, f"new{ending}"], version + 1)
        assert raised.value.retryable
        assert proxy.broken, ending
        proxy.breaks(lambda request: None)
        assert found(target) == dict.fromkeys(KEYS, version), ending
        version += 1
        write(spark, target, KEYS, version)
        assert found(target) == dict.fromkeys(KEYS, version), ending


@pytest.mark.parametrize("table_type", TABLE_TYPES)
def test_a_commit_whose_last_answer_was_lost_may_have_happened_and_is_repeated_without_doubling(
    spark: SparkSession, proxy: S3Proxy, bucket: str, table_type: str
) -> None:
    target = HudiTable(f"s3://{bucket}/lake/t", "t", ("id",), "o", table_type=table_type, options=ONE_BUCKET)
    proxy.breaks(lambda request: None)
    write(spark, target, KEYS, 1)
    proxy.breaks(puts(COMPLETED[table_type], "done, drop"))
    with pytest.raises(SinkError) as raised:
        write(spark, target, [*KEYS, "new"], 2)
    assert raised.value.retryable
    proxy.breaks(lambda request: None)
    assert found(target) == dict.fromkeys([*KEYS, "new"], 2)
    write(spark, target, [*KEYS, "new"], 2)
    assert found(target) == dict.fromkeys([*KEYS, "new"], 2)


def test_a_table_whose_creation_s3_breaks_off_is_created_by_the_next_try(
    spark: SparkSession, proxy: S3Proxy, bucket: str
) -> None:
    for ending in ("hoodie.properties", ".commit"):
        target = HudiTable(f"s3://{bucket}/lake/{ending.replace('.', '')}", "t", ("id",), "o", options=ONE_BUCKET)
        proxy.breaks(puts(ending, "503"))
        with pytest.raises(SinkError) as raised:
            write(spark, target, KEYS, 1)
        assert raised.value.retryable
        proxy.breaks(lambda request: None)
        write(spark, target, KEYS, 1)
        assert found(target) == dict.fromkeys(KEYS, 1), ending
