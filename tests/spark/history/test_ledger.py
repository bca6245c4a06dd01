"""The ledger of real tables, whose timelines compact, clean, archive and go back."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query
from streamjoin.shards.position import Position
from streamjoin.verify import verify
from tests.history import JobHistory, Metadata

DDL = "id string, v int, o bigint"
# Archived and cleaned as soon as Hudi lets us.
FORGETFUL = {
    "hoodie.clean.commits.retained": "1",
    "hoodie.clean.max.commits": "1",
    "hoodie.keep.min.commits": "2",
    "hoodie.keep.max.commits": "3",
    "hoodie.commits.archival.batch": "1",
    "hoodie.compact.inline.max.delta.commits": "2",
}


def table(folder: Path, table_type: str = "COPY_ON_WRITE", **options: str) -> HudiTable:
    return HudiTable(str(folder / "t"), "t", ("id",), "o", table_type=table_type, options={**FORGETFUL, **options})


def write(spark: SparkSession, target: HudiTable, number: int, metadata: Metadata) -> None:
    upsert(spark.createDataFrame([("a", number, number)], DDL), target, commit_metadata=metadata)


def on_timeline(target: HudiTable) -> set[str]:
    names = [path.name for path in Path(target.base_path, ".hoodie").iterdir()]
    return {name.split(".")[0] for name in names if name.endswith((".commit", ".deltacommit"))}


def instants(target: HudiTable) -> list[str]:
    return [entry.instant for entry in Ledger(target.base_path).entries()]


def position_at(target: HudiTable) -> Position:
    found = checkpoint.read(target.base_path)
    assert found is not None
    return found.position


@pytest.mark.parametrize("table_type", ["COPY_ON_WRITE", "MERGE_ON_READ"])
def test_the_ledger_keeps_what_hudi_archives_and_the_position_with_it(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    target, ledger, followed = table(tmp_path, table_type), Ledger(str(tmp_path / "t")), list[str]()
    number = 0

    def commit(metadata: Metadata) -> None:
        nonlocal number
        number += 1
        write(spark, target, number, metadata)
        (added,) = ledger.follow()
        followed.append(added.instant)
        assert position_at(target) == job.position

    job = JobHistory(commit)
    job.start("s")
    for _ in range(5):
        job.batch({"s": 1})
    names = [path.name for path in Path(target.base_path, ".hoodie").iterdir()]
    assert any(name.endswith(".clean") for name in names)
    if table_type == "MERGE_ON_READ":
        assert any(name.endswith(".compaction.requested") for name in names), "it was to be compacted"
    assert len(followed) == 6
    assert not set(followed) <= on_timeline(target), "nothing was archived"
    assert instants(target) == followed
    assert verify(target.base_path, str(tmp_path / "dead")).holds

    # What another writer commits takes the last commit that has a position off the timeline.
    for _ in range(8):
        if not on_timeline(target) & set(followed):
            break
        number += 1
        write(spark, target, number, {})
    assert not on_timeline(target) & set(followed)
    assert position_at(target) == job.position
    assert verify(target.base_path, str(tmp_path / "dead")).records == 5
    assert ledger.follow() == ()
    assert query(target.base_path, "select v from t").to_pylist() == [{"v": number}]
    Path(target.base_path, ".hoodie", ".streamjoin").rename(tmp_path / "away")
    with pytest.raises(SinkError, match=r"none of its \d commits carries a position"):
        checkpoint.read(target.base_path)


def test_a_clustering_is_no_batch_of_its_own(spark: SparkSession, tmp_path: Path) -> None:
    target = table(
        tmp_path,
        **{
            "hoodie.index.type": "GLOBAL_SIMPLE",
            "hoodie.clustering.inline": "true",
            "hoodie.clustering.inline.max.commits": "2",
        },
    )
    ledger = Ledger(target.base_path)

    def commit(metadata: Metadata) -> None:
        write(spark, target, 1, metadata)
        assert len(ledger.follow()) == 1

    job = JobHistory(commit)
    job.start("s")
    for _ in range(3):
        job.batch({"s": 2})
    names = [path.name for path in Path(target.base_path, ".hoodie").iterdir()]
    assert any(name.endswith(".replacecommit") for name in names)
    assert position_at(target) == job.position
    report = verify(target.base_path, str(tmp_path / "dead"))
    assert report.holds, report.violations
    assert report.records == 6


def test_a_restored_savepoint_takes_position_and_ledger_back_with_it(spark: SparkSession, tmp_path: Path) -> None:
    calm = {"hoodie.keep.min.commits": "20", "hoodie.keep.max.commits": "30", "hoodie.clean.commits.retained": "10"}
    target = table(tmp_path, **calm)
    ledger = Ledger(target.base_path)
    positions: list[Position] = []

    def commit(metadata: Metadata) -> None:
        write(spark, target, len(positions), metadata)
        ledger.follow()
        positions.append(job.position)

    job = JobHistory(commit)
    job.start("s")
    for _ in range(3):
        job.batch({"s": 2})
    made = instants(target)
    client = _client(spark, target)
    client.savepoint(made[2], "test", "test")
    client.restoreToSavepoint(made[2])
    client.close()
    assert position_at(target) == positions[2]
    assert ledger.follow() == ()
    assert instants(target) == made[:3]
    job.position = positions[2]
    job.batch({"s": 3})
    report = verify(target.base_path, str(tmp_path / "dead"))
    assert report.holds, report.violations
    assert report.records == 2 + 2 + 3
    assert query(target.base_path, "select v from t").to_pylist() == [{"v": 4}]


def _client(spark: SparkSession, target: HudiTable) -> Any:
    jvm: Any = spark._jvm
    config = (
        jvm.org.apache.hudi.config.HoodieWriteConfig.newBuilder()
        .withPath(target.base_path)
        .forTable(target.table_name)
        .withProps({**target.writer_options(1), "hoodie.rollback.using.markers": "false"})
        .build()
    )
    context = jvm.org.apache.hudi.client.common.HoodieSparkEngineContext(spark._jsc)
    return jvm.org.apache.hudi.client.SparkRDDWriteClient(context, config)
