"""The files that a table is made of now, told from one listing and its timeline."""

import json
from pathlib import Path

import pytest

from streamjoin.aws.storage import open_path
from streamjoin.hudi.table_files import TableFiles
from tests.faults.ledger import FakeTable


@pytest.fixture
def table(tmp_path: Path) -> FakeTable:
    return FakeTable(tmp_path / "t")


def write(table: FakeTable, *names: str, size: int = 1) -> None:
    for name in names:
        path = Path(table.base_path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def names(table: FakeTable) -> tuple[list[str], list[str]]:
    found = TableFiles.of(*open_path(table.base_path))
    base, logs = ([each.path.removeprefix(f"{table.base_path}/") for each in part] for part in (found.base, found.logs))
    return sorted(base), sorted(logs)


def test_of_a_file_s_versions_the_one_of_the_newest_commit_counts(table: FakeTable) -> None:
    first, second, third = (table.commit() for _ in range(3))
    write(table, f"f-0_9-1-1_{first}.parquet", f"f-0_1-1-1_{third}.parquet", f"f-0_5-1-1_{second}.parquet")
    write(table, f"dt=1/f-0_1-1-1_{first}.parquet", "plain.parquet", f".hoodie/h-0_1_{first}.parquet")
    assert names(table) == ([f"dt=1/f-0_1-1-1_{first}.parquet", f"f-0_1-1-1_{third}.parquet"], [])


def test_what_a_commit_wrote_that_has_not_happened_does_not_count(table: FakeTable) -> None:
    done = table.commit()
    write(
        table, f"f-0_1-1-1_{done}.parquet", f"f-0_2-1-1_{int(done) + 1}.parquet", f"g-0_2-1-1_{int(done) + 1}.parquet"
    )
    assert names(table) == ([f"f-0_1-1-1_{done}.parquet"], [])


def test_a_file_whose_commit_was_archived_counts(table: FakeTable) -> None:
    archived = table.commit()
    table.commit()
    write(table, f"f-0_1-1-1_{archived}.parquet")
    table.archive(keep=1)
    assert names(table)[0] == [f"f-0_1-1-1_{archived}.parquet"]


def test_logs_count_until_they_are_merged_into_a_base_file(table: FakeTable) -> None:
    first = table.commit(action="deltacommit")
    write(table, f"f-0_1-1-1_{first}.parquet", f".f-0_{first}.log.1_0-1-1", f".f-0_{first}.log.2_0-1-1")
    # A group that has no base file yet.
    write(table, f".g-0_{first}.log.1_0-1-1", f"..g-0_{first}.log.1_0-1-1.crc")
    assert names(table)[1] == [f".f-0_{first}.log.1_0-1-1", f".f-0_{first}.log.2_0-1-1", f".g-0_{first}.log.1_0-1-1"]
    compacted = table.commit()
    write(table, f"f-0_1-1-1_{compacted}.parquet")
    assert names(table) == ([f"f-0_1-1-1_{compacted}.parquet"], [f".g-0_{first}.log.1_0-1-1"])


def test_files_that_were_joined_into_others_do_not_count(table: FakeTable) -> None:
    first = table.commit()
    write(table, f"dt=1/f-0_1-1-1_{first}.parquet", f"dt=2/f-0_1-1-1_{first}.parquet")
    joined = table.commit(action="replacecommit")
    said = {"partitionToWriteStats": {}, "partitionToReplaceFileIds": {"dt=1": ["f-0"]}, "extraMetadata": {}}
    table.write(joined, json.dumps(said), "replacecommit")
    write(table, f"dt=1/g-0_1-1-1_{joined}.parquet")
    assert names(table)[0] == [f"dt=1/g-0_1-1-1_{joined}.parquet", f"dt=2/f-0_1-1-1_{first}.parquet"]


def test_no_table_has_no_files(tmp_path: Path) -> None:
    found = TableFiles.of(*open_path(str(tmp_path / "none")))
    assert (found.base, found.logs) == ((), ())
