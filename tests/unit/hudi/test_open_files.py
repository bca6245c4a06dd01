"""The files that new rows go to, by what the commits say."""

import json
from pathlib import Path
from typing import Any

import pytest

from streamjoin.aws.storage import open_path
from streamjoin.history.checkpoint import read
from streamjoin.hudi.record_index.open_files import OPENED, OpenFiles
from streamjoin.hudi.telling import files_wanted
from streamjoin.hudi.timeline import Timeline


def commit(folder: Path, instant: str, kind: str = "commit", opened: str = "", **files: tuple[int, int]) -> None:
    stats: list[dict[str, Any]] = [
        {"fileId": file_id, "fileSizeInBytes": size, "numInserts": new_rows}
        for file_id, (size, new_rows) in files.items()
    ]
    extra = {"streamjoin.opened": opened} if opened else {"streamjoin.batch_id": "b"}
    (folder / ".hoodie").mkdir(exist_ok=True)
    content = {"partitionToWriteStats": {"": stats}, "extraMetadata": extra}
    (folder / ".hoodie" / f"{instant}.{kind}").write_text(json.dumps(content))


def begun(folder: Path, limit: int = 100) -> OpenFiles:
    files = OpenFiles(limit)
    files.begin(Timeline.read(*open_path(str(folder))))
    return files


def test_new_rows_go_to_the_fullest_file_below_the_limit_that_the_newest_commit_with_new_rows_wrote(
    tmp_path: Path,
) -> None:
    assert begun(tmp_path).fullest(1) == []
    commit(tmp_path, "1", a=(10, 5))
    commit(tmp_path, "2", b=(20, 5), c=(90, 1), d=(100, 9), e=(50, 0))
    commit(tmp_path, "3", a=(30, 0))
    files = begun(tmp_path)
    assert files.fullest(1) == ["c"]
    assert files.fullest(5) == ["c", "b"]
    commit(tmp_path, "4", c=(101, 2), b=(40, 0), f=(99, 0))
    timeline = Timeline.read(*open_path(str(tmp_path)))
    four = timeline.commit("4")
    assert four is not None
    files.see(four)
    assert files.fullest(5) == ["b"]


def test_opened_files_take_rows_however_small_the_limit_and_files_from_before_a_replacement_don_t(
    tmp_path: Path,
) -> None:
    commit(tmp_path, "1", a=(10, 5))
    commit(tmp_path, "2", opened="2", b=(1, 0), c=(200, 0))
    assert begun(tmp_path).fullest(5) == ["c", "b"]
    commit(tmp_path, "3", kind="replacecommit", d=(100, 7))
    assert begun(tmp_path).fullest(5) == []


def test_a_table_that_has_opened_files_alone_has_no_position_yet_and_is_nobody_elses(tmp_path: Path) -> None:
    commit(tmp_path, "1", opened="1", a=(10, 0))
    assert OPENED == "opened"
    assert read(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("rows", "tasks", "files"), [(0, 2, 0), (1, 2, 1), (50_000, 8, 1), (50_001, 8, 2), (10**6, 8, 8)]
)
def test_large_batches_fill_several_files_at_once(rows: int, tasks: int, files: int) -> None:
    assert files_wanted(rows, tasks) == files
