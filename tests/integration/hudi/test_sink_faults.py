"""What a table on S3 is after requests of a commit have failed, one at a time."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
# Of a table's very first commit.
BREAKS_OF_CREATION = ["hoodie.properties", ".commit"]


@pytest.fixture(scope="module")
def proxy(stack: LocalStack) -> Iterator[S3Proxy]:
    with S3Proxy(stack.endpoint).running() as running:
        yield running


@pytest.fixture(scope="module")
def bucket(spark: SparkSession, s3: Any, proxy: S3Proxy, fresh_name: Callable[[str], str]) -> str:
    """A bucket that Spark reaches by the proxy, and all others directly."""
    name = fresh_name("faults")
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


@dataclass
class Tried:
    """A commit that was broken off, and what the table held afterwards: the version of each row by its key.

    Args:
        error: What the writer was told.
        rows: When it had ended; None: there was nothing to look at yet.
        mended: After the next try; empty if there was none.
    """

    error: SinkError
    rows: dict[str, int] | None
    mended: dict[str, int]


@dataclass
class Story:
    """One table after tries of its commits that were broken off.

    Args:
        creation: Those of its first commit, one after the other; only of copy-on-write.
        created: What the table held after the next one.
        broken: By the ending of the file that broke it, the n-th of version n + 1; the next try is of the same.
        lost: One that was done, but whose last answer was lost, and the same again.
        twice: One whose rollback was broken off too, and a third try.
    """

    creation: dict[str, Tried]
    created: dict[str, int]
    broken: dict[str, Tried]
    lost: Tried
    twice: Tried


@pytest.fixture(scope="module", params=TABLE_TYPES)
def story(spark: SparkSession, proxy: S3Proxy, bucket: str, request: pytest.FixtureRequest) -> Story:
    table_type: str = request.param
    path = f"s3://{bucket}/{table_type.lower()}/t"
    target = HudiTable(path, "t", ("id",), "o", table_type=table_type, options=ONE_BUCKET)

    def done(keys: list[str], version: int) -> dict[str, int]:
        write(spark, target, keys, version)
        return found(target)

    def tried(ending: str, kind: str, version: int, then: list[str]) -> Tried:
        proxy.breaks(puts(ending, kind))
        with pytest.raises(SinkError) as raised:
            write(spark, target, [*KEYS, "new"], version)
        assert proxy.broken, f"{ending}: {raised.value}"
        proxy.breaks(lambda request: None)
        return Tried(raised.value, found(target) if version > 1 else None, done(then, version) if then else {})

    proxy.breaks(lambda request: None)
    endings = BREAKS_OF_CREATION if table_type == "COPY_ON_WRITE" else []
    creation = {ending: tried(ending, "503", 1, []) for ending in endings}
    created = done(KEYS, 1)
    breaks = enumerate(BREAKS[table_type], 2)
    broken = {ending: tried(ending, kind, version, KEYS) for version, (ending, kind) in breaks}
    lost = tried(COMPLETED[table_type], "done, drop", 5, [*KEYS, "new"])
    written = BREAKS[table_type][1]
    tried(*written, 6, [])
    twice = tried(*written, 6, [*KEYS, "new"])
    return Story(creation, created, broken, lost, twice)


def test_a_table_whose_creation_s3_breaks_off_is_created_by_the_next_try(story: Story) -> None:
    assert [ending for ending, each in story.creation.items() if not each.error.retryable] == []
    assert story.created == dict.fromkeys(KEYS, 1)


def test_a_commit_that_s3_breaks_off_anywhere_is_not_there_and_the_next_try_doubles_nothing(story: Story) -> None:
    for version, (ending, each) in enumerate(story.broken.items(), 2):
        assert re.match(r"table 't' at s3://.*: the upsert failed", str(each.error)), ending
        assert each.error.retryable, ending
        assert each.rows == dict.fromkeys(KEYS, version - 1), ending
        assert each.mended == dict.fromkeys(KEYS, version), ending


def test_a_commit_whose_last_answer_was_lost_may_have_happened_and_is_repeated_without_doubling(story: Story) -> None:
    assert story.lost.error.retryable
    assert story.lost.rows == dict.fromkeys([*KEYS, "new"], 5)
    assert story.lost.mended == dict.fromkeys([*KEYS, "new"], 5)


def test_a_commit_whose_rollback_s3_breaks_off_too_is_not_there_and_the_third_try_doubles_nothing(story: Story) -> None:
    assert story.twice.error.retryable
    assert story.twice.rows == dict.fromkeys([*KEYS, "new"], 5)
    assert story.twice.mended == dict.fromkeys([*KEYS, "new"], 6)
