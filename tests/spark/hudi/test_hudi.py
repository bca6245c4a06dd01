"""What the writer leaves behind, read back by hudi-rs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.hudi.conflict import conflicts
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query
from streamjoin.shards.position import Position

TABLE_TYPES = ["COPY_ON_WRITE", "MERGE_ON_READ"]
DDL = "id string, dt string, v int, o bigint"
METADATA = {"batch_id": "x", **checkpoint.to_metadata(Position("s", {}), (), {"r": {"version": 1}}, {"read": 1})}


def table(folder: Path, table_type: str = "COPY_ON_WRITE", **changes: Any) -> HudiTable:
    settings: dict[str, Any] = {"record_key": ("id",), "ordering": "o", "partition_by": ("dt",), **changes}
    return HudiTable(str(folder / "t"), "t", table_type=table_type, **settings)


def write(spark: SparkSession, target: HudiTable, *rows: tuple[Any, ...], ddl: str = DDL) -> None:
    upsert(spark.createDataFrame(list(rows), ddl), target, commit_metadata=METADATA)


def found(target: HudiTable, columns: str = "id, dt, v") -> set[tuple[Any, ...]]:
    rows = query(target.base_path, f"select {columns} from t").to_pylist()  # noqa: S608
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    return {tuple(row.values()) for row in rows}


@pytest.fixture(scope="module", params=TABLE_TYPES)
def plain(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> HudiTable:
    """Return a table of two commits, without partitions."""
    target = table(tmp_path_factory.mktemp("plain"), request.param, partition_by=())
    write(spark, target, ("a", "x", 1, 10), ("b", "x", 1, 10), ("c", "x", 1, 10))
    write(spark, target, ("a", "x", 2, 9), ("b", "x", 2, 10), ("c", "x", 2, 11))
    return target


def test_the_greater_ordering_wins_and_on_a_tie_the_later_batch(plain: HudiTable) -> None:
    assert found(plain) == {("a", "x", 1), ("b", "x", 2), ("c", "x", 2)}


def test_a_table_has_no_conflict_with_what_wrote_it(plain: HudiTable) -> None:
    assert conflicts(plain) == []


def test_the_table_is_one_that_athena_reads(plain: HudiTable) -> None:
    properties = Path(plain.base_path, ".hoodie", "hoodie.properties").read_text()
    assert "hoodie.table.version=6\n" in properties
    assert "hoodie.timeline.layout.version=1\n" in properties
    assert "hoodie.table.timeline.timezone=UTC\n" in properties
    assert not Path(plain.base_path, ".hoodie", "metadata").exists()


def test_spark_and_the_timeline_reader_see_the_same_commit_metadata(spark: SparkSession, plain: HudiTable) -> None:
    here = checkpoint.read(plain.base_path)
    jvm: Any = spark._jvm
    client = (
        jvm.org.apache.hudi.common.table.HoodieTableMetaClient.builder()
        .setConf(jvm.org.apache.hudi.storage.hadoop.HadoopStorageConfiguration(spark._jsc.hadoopConfiguration()))
        .setBasePath(plain.base_path)
        .build()
    )
    timeline = client.getActiveTimeline().getCommitsTimeline().filterCompletedInstants()
    last = timeline.lastInstant().get()
    extra = jvm.org.apache.hudi.common.table.timeline.TimelineUtils.getCommitMetadata(last, timeline).getExtraMetadata()
    assert here is not None
    assert here.instant == last.requestedTime()
    assert {key: extra.get(f"streamjoin.{key}") for key in METADATA} == METADATA


@pytest.mark.parametrize("table_type", TABLE_TYPES)
def test_a_row_that_moves_to_another_partition_stays_one_row_and_an_older_event_does_not_bring_it_back(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    target = table(tmp_path, table_type)
    write(spark, target, *[(key, "20190523", 1, 10) for key in "ab"], ("c", "20190524", 2, 20))
    write(spark, target, ("a", "20190524", 2, 20), ("c", "20190525", 3, 15))
    assert found(target) == {("a", "20190524", 2), ("b", "20190523", 1), ("c", "20190524", 2)}
    assert conflicts(target) == []
    folders = {path.parent.name for path in Path(target.base_path).rglob("*.parquet")}
    assert folders == {"dt=20190523", "dt=20190524"}


# One key with no partition, and with one, is what the tests above have.
@pytest.mark.parametrize(("keys", "partitions"), [(("id", "v"), ()), (("id", "v"), ("dt",)), (("id",), ("dt", "v"))])
def test_every_number_of_keys_and_partitions_is_one_row_a_key(
    spark: SparkSession, tmp_path: Path, keys: tuple[str, ...], partitions: tuple[str, ...]
) -> None:
    target = table(tmp_path, record_key=keys, partition_by=partitions)
    second = [("b", "x/y", 2)] if len(keys) == 2 else []
    expected = [("a", "x", 1), ("b", "x/y", 1), *second]
    for ordering in (1, 2):
        write(spark, target, *[(*row, ordering) for row in expected])
    assert found(target) == set(expected)
    assert conflicts(target) == []
    folders = {p.parent.relative_to(target.base_path) for p in Path(target.base_path).rglob("*.parquet")}
    assert all(len(folder.parts) == len(partitions) for folder in folders), folders
    if partitions:
        assert all(folder.parts[0].startswith("dt=") for folder in folders)


def test_a_table_whose_instants_are_local_times_goes_on_with_them(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = table(tmp_path, partition_by=())
    with monkeypatch.context() as earlier:
        earlier.setattr("streamjoin.hudi.write._CREATION_SETTINGS", {})
        write(spark, target, ("a", "x", 1, 1))
    write(spark, target, ("b", "x", 1, 1))
    assert found(target) == {("a", "x", 1), ("b", "x", 1)}
    assert "timezone=LOCAL\n" in Path(target.base_path, ".hoodie", "hoodie.properties").read_text()


def test_no_value_of_a_partition_leads_out_of_the_table(spark: SparkSession, tmp_path: Path) -> None:
    values = ["../../../x", "/etc/x", "..", ".", "a\\..\\b", "%2e%2e%2f", "s3://b/k", "x\0y", "file:///x"]
    target = table(tmp_path / "a" / "b")
    write(spark, target, *[(str(n), value, n, 1) for n, value in enumerate(values)])
    assert found(target, "v") == {(n,) for n in range(len(values))}
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and Path(target.base_path) not in path.parents]
    assert outside == []
    folders = {path.parent for path in Path(target.base_path).rglob("*.parquet")}
    assert len(folders) == len(values)
    assert {folder.parent for folder in folders} == {Path(target.base_path)}


def test_no_name_of_a_partition_leads_out_of_the_table(spark: SparkSession, tmp_path: Path) -> None:
    for number, name in enumerate(("../../x", "a/b", "..", "/etc/x")):
        place = tmp_path / str(number)
        target = table(place / "b", partition_by=(name,))
        with pytest.raises(SinkError):
            write(spark, target, ("a", "x", 1, 1), ddl=f"id string, `{name}` string, v int, o bigint")
        outside = [path for path in place.rglob("*") if path.is_file() and Path(target.base_path) not in path.parents]
        assert outside == [], name


@pytest.mark.parametrize("table_type", TABLE_TYPES)
def test_a_commit_that_its_writer_left_half_written_is_rolled_back_by_the_next(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    # All data is written, the commit isn't: Hudi's own check between the two fails, and it leaves everything as it is.
    fails = {
        "hoodie.precommit.validators": "org.apache.hudi.client.validator.SqlQuerySingleResultPreCommitValidator",
        "hoodie.precommit.validators.single.value.sql.queries": "select count(*) from <TABLE_NAME>#-1",
    }
    target = table(tmp_path, table_type, partition_by=())
    write(spark, target, ("a", "x", 1, 1), ("b", "x", 1, 1))
    with pytest.raises(SinkError):
        write(spark, replace(target, options=fails), ("a", "x", 2, 2), ("c", "x", 2, 2))
    (half,) = Path(target.base_path, ".hoodie", ".temp").iterdir()
    assert any(half.name in path.name for path in Path(target.base_path).rglob("*.parquet"))
    assert found(target) == {("a", "x", 1), ("b", "x", 1)}
    write(spark, target, ("c", "x", 3, 2), ("d", "x", 3, 3))
    assert found(target) == {("a", "x", 1), ("b", "x", 1), ("c", "x", 3), ("d", "x", 3)}
    assert not any(half.name in path.name for path in Path(target.base_path).rglob("*.parquet"))


# Without any: test_what_lies_in_the_folder_of_a_table_before_its_first_commit_stays.
@pytest.mark.parametrize("properties", [None, "hoodie.table.name=t\n"])
def test_a_table_whose_creator_was_killed_is_created_by_the_next_try(
    spark: SparkSession, tmp_path: Path, properties: str | None
) -> None:
    target = table(tmp_path, partition_by=())
    Path(target.base_path, ".hoodie", ".temp").mkdir(parents=True)
    if properties is not None:
        Path(target.base_path, ".hoodie", "hoodie.properties").write_text(properties)
    try:
        write(spark, target, ("a", "x", 1, 1))
    except SinkError as error:
        assert error.retryable
        write(spark, target, ("a", "x", 1, 1))
    assert found(target) == {("a", "x", 1)}


def test_a_write_that_can_not_happen_is_one_error_that_names_the_table(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a file where the table should be")
    with pytest.raises(SinkError, match=r"table 't' at .*: the upsert failed: ") as raised:
        write(spark, table(tmp_path), ("a", "x", 1, 1))
    assert raised.value.retryable
