"""Files of several tables, of which one can't be listed."""

from pathlib import Path
from typing import Any

import pytest

from streamjoin.errors import SinkError
from streamjoin.hudi.table_files import TableFiles
from streamjoin.report.file_sizes import TableSizes, sizes_of
from tests.faults.ledger import FakeTable


@pytest.mark.parametrize("error", [PermissionError("denied"), SinkError("denied")])
def test_a_table_that_can_not_be_listed_says_why_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    table, listed = FakeTable(tmp_path / "t"), TableFiles.of
    instant = table.commit()
    for name, size in ((f"f-0_1_{instant}.parquet", 10), (f".f-0_{instant}.log.1_0-1-1", 3)):
        Path(table.base_path, name).write_bytes(b"x" * size)

    def of(filesystem: Any, root: str) -> TableFiles:
        if root.endswith("locked"):
            raise error
        return listed(filesystem, root)

    monkeypatch.setattr(TableFiles, "of", of)
    locked = str(tmp_path / "locked")
    assert sizes_of([("orders", table.base_path), ("locked", locked), ("none", str(tmp_path / "none"))]) == [
        TableSizes("orders", [10], [3]),
        TableSizes("locked", trouble=f"'{locked}' can't be listed: denied"),
        TableSizes("none", [], []),
    ]
