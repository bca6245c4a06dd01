"""Tables whose last writer died, or had no room, in the middle of a file of the timeline."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from streamjoin.errors import SinkError
from streamjoin.hudi.repair import repair
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query
from tests.small_tables import ONE_BUCKET

TABLE_TYPES = ["COPY_ON_WRITE", "MERGE_ON_READ"]
COMPLETED = {"COPY_ON_WRITE": ".commit", "MERGE_ON_READ": ".deltacommit"}
KEYS = [f"k{n}" for n in range(6)]
# Where a file breaks off; tests/unit/hudi/test_repair.py has every place.
CUTS = [("COPY_ON_WRITE", 0.0), ("MERGE_ON_READ", 0.5)]


def table(base: Path, table_type: str, **options: str) -> HudiTable:
    names = {name.replace("_", "."): value for name, value in options.items()}
    return HudiTable(str(base), "t", ("id",), "o", table_type=table_type, options=names)


def write(spark: SparkSession, target: HudiTable, keys: list[str], version: int) -> None:
    rows = spark.createDataFrame([(key, version) for key in keys], "id string, o bigint")
    upsert(rows, target, commit_metadata={"batch_id": "x"})


def found(target: HudiTable) -> dict[str, int]:
    rows = query(target.base_path, "select id, o from t").to_pylist()
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["o"] for row in rows}


def timeline(target: HudiTable) -> list[Path]:
    return sorted(Path(target.base_path, ".hoodie").glob("[0-9]*"))


def tear(path: Path, cut: float) -> None:
    """Leave the first part of a file: as a power failure does, or a process killed before it had written the rest."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


@pytest.mark.parametrize(("table_type", "cut"), CUTS)
def test_a_torn_commit_has_not_happened_and_is_rolled_back_by_the_next_write(
    spark: SparkSession, tmp_path: Path, table_type: str, cut: float
) -> None:
    target = table(tmp_path / "t", table_type)
    for version in (1, 2):
        write(spark, target, KEYS, version)
    tear(timeline_end(target, COMPLETED[table_type]), cut)
    assert [name[17:] for name in repair(target.base_path)] == [COMPLETED[table_type]]
    assert repair(target.base_path) == ()
    write(spark, target, KEYS[:1], 3)
    assert found(target) == {**dict.fromkeys(KEYS, 1), KEYS[0]: 3}
    # It is in the way until it is repaired, which a write that failed does by itself.
    tear(timeline_end(target, COMPLETED[table_type]), 0.5)
    with pytest.raises(SinkError) as raised:
        write(spark, target, KEYS[1:2], 4)
    assert raised.value.retryable
    write(spark, target, KEYS[1:2], 4)
    assert found(target) == {**dict.fromkeys(KEYS, 1), KEYS[1]: 4}


def timeline_end(target: HudiTable, ending: str) -> Path:
    return [path for path in timeline(target) if path.name[17:] == ending][-1]


@pytest.mark.parametrize("table_type", TABLE_TYPES)
def test_rows_of_a_commit_that_was_rolled_back_stay_away_when_its_instant_is_archived(
    spark: SparkSession, tmp_path: Path, table_type: str
) -> None:
    # Hudi takes every file from before the timeline's first instant for committed.
    settings = {"hoodie_bucket_index_num_buckets": "4", "hoodie_clean_max_commits": "1"}
    settings |= {"hoodie_clean_commits_retained": "1", "hoodie_keep_min_commits": "2", "hoodie_keep_max_commits": "3"}
    settings |= {"hoodie_commits_archival_batch": "1", "hoodie_compact_inline_max_delta_commits": "3"}
    target = table(tmp_path / "t", table_type, **settings)
    write(spark, target, KEYS, 1)
    write(spark, target, KEYS, 2)
    torn = timeline_end(target, COMPLETED[table_type])
    tear(torn, 0.0)
    shutil.rmtree(Path(target.base_path, ".hoodie", ".temp", torn.name[:17]), ignore_errors=True)
    repair(target.base_path)
    # One bucket only: the others keep what the rollback leaves them.
    for version in range(3, 12):
        write(spark, target, KEYS[:1], version)
        if timeline(target)[0].name[:17] > torn.name[:17]:
            break
    else:
        pytest.fail("its instant was not archived")
    assert found(target) == {**dict.fromkeys(KEYS, 1), KEYS[0]: version}


Prepare = Callable[[SparkSession, HudiTable], None]


def compacted(spark: SparkSession, target: HudiTable) -> None:
    for version in (1, 2):
        write(spark, target, KEYS, version)


def cleaned(spark: SparkSession, target: HudiTable) -> None:
    for version in (1, 2, 3):
        write(spark, target, KEYS, version)


def rolled_back(spark: SparkSession, target: HudiTable) -> None:
    """Leave a rollback as the last thing done: the commit that followed it is taken away, files and all."""
    for version in (1, 2):
        write(spark, target, KEYS, version)
    timeline_end(target, ".commit").unlink()
    before = set(Path(target.base_path).rglob("*"))
    write(spark, target, KEYS, 3)
    for path in set(Path(target.base_path).rglob("*")) - before:
        if path.is_file() and ".rollback" not in path.name:
            path.unlink()


_CLEANING = {**ONE_BUCKET, "hoodie_clean_max_commits": "1", "hoodie_clean_commits_retained": "1"}
_COMPACTING = {**ONE_BUCKET, "hoodie_compact_inline_max_delta_commits": "2", "hoodie_clean_automatic": "false"}
ACTIONS: dict[str, tuple[str, Prepare, dict[str, str], int]] = {
    "clean": ("COPY_ON_WRITE", cleaned, _CLEANING, 3),
    "rollback": ("COPY_ON_WRITE", rolled_back, {**ONE_BUCKET}, 1),
    "compaction": ("MERGE_ON_READ", compacted, _COMPACTING, 2),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_torn_table_service_is_done_again_or_was_never_planned(
    spark: SparkSession, tmp_path: Path, action: str
) -> None:
    table_type, prepare, options, version = ACTIONS[action]
    target, kept = table(tmp_path / "t", table_type, **options), tmp_path / "kept"
    prepare(spark, target)
    assert repair(target.base_path) == (), "what is whole is left as it is"
    shutil.copytree(target.base_path, kept)
    for state, cut in [("", 0.5), (".inflight", 0.5), (".requested", 0.0)]:
        # In its own place: plans have absolute paths.
        shutil.rmtree(target.base_path)
        shutil.copytree(kept, target.base_path)
        torn = timeline_end(target, ".commit" if (action, state) == ("compaction", "") else f".{action}{state}")
        for path in timeline(target):
            if path.name[:17] == torn.name[:17] and _reached(path) > _reached(torn):
                path.unlink()
        tear(torn, cut)
        repair(target.base_path)
        write(spark, target, ["new"], 100)
        write(spark, target, ["new"], 101)
        assert found(target) == {**dict.fromkeys(KEYS, version), "new": 101}, (state, cut)


def _reached(path: Path) -> int:
    return {"requested": 0, "inflight": 1}.get(path.suffix[1:], 2)


def test_no_table_and_what_lies_on_s3_are_left_as_they_are(tmp_path: Path) -> None:
    assert repair(str(tmp_path / "none")) == ()
    assert repair("s3://bucket/lake/t") == ()
