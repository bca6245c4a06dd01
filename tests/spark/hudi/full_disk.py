"""Write tables on a disk that gets full. Run in a mount namespace of its own; prints what happened as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from streamjoin.errors import SinkError
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query
from streamjoin.spark.session import local_session

disk = Path(sys.argv[1])
UNCOMPILED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
# As the session of all other tests: compiled expressions earn nothing on ten rows.
spark = local_session("full-disk", cores=1, settings=UNCOMPILED)
# From nothing free to enough, in pages of 4 kB: each try breaks off at another file.
FREE_PAGES = (0, 2, 5, 9)


def tried(table_type: str) -> dict[str, Any]:
    """Return the errors of all tries on a full disk, and the rows after one that had room."""
    target = HudiTable(str(disk / table_type), "t", ("id",), "o", table_type=table_type)

    def write(keys: list[str], version: int) -> None:
        rows = spark.createDataFrame([(key, version) for key in keys], "id string, o bigint")
        upsert(rows, target, commit_metadata={"batch_id": str(version)})

    def rows() -> dict[str, int]:
        found = query(target.base_path, "select id, o from t").to_pylist()
        assert len({row["id"] for row in found}) == len(found)
        return {row["id"]: row["o"] for row in found}

    write(["a", "b"], 1)
    ballast = disk / "ballast"
    errors = []
    for number, pages in enumerate(FREE_PAGES):
        disk_status = os.statvfs(disk)
        with ballast.open("wb", buffering=0) as file:
            file.write(b"\0" * (disk_status.f_bavail * disk_status.f_bsize - pages * 4096))
        before = rows()
        try:
            write(["a", "b", f"new{pages}"], number + 2)
        except SinkError as error:
            errors.append((str(error), error.retryable))
            assert rows() == before
        ballast.unlink()
    write(["a", "b"], 100)
    return {"errors": errors, "rows": rows()}


json.dump({table_type: tried(table_type) for table_type in ("COPY_ON_WRITE", "MERGE_ON_READ")}, sys.stdout)
