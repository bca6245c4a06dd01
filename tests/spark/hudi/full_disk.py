"""Write a table on a disk that gets full. Run in a mount namespace of its own; prints what happened as JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

from streamjoin.errors import SinkError
from streamjoin.hudi.write import HudiTable, upsert
from streamjoin.query import query
from streamjoin.spark.session import local_session

disk, table_type = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
spark = local_session("full-disk", cores=2)
target = HudiTable(str(disk / "t"), "t", ("id",), "o", table_type=table_type)


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
# From nothing free to enough: each try breaks off at another file.
for free_bytes in (0, 8_000, 100_000, 900_000, 1_310_000, 1_330_000):
    disk_status = os.statvfs(disk)
    with ballast.open("wb", buffering=0) as file:
        file.write(b"\0" * (disk_status.f_bavail * disk_status.f_bsize - free_bytes))
    before = rows()
    try:
        write(["a", "b", f"new{free_bytes}"], len(errors) + 2)
    except SinkError as error:
        errors.append((str(error), error.retryable))
        assert rows() == before
    ballast.unlink()
write(["a", "b"], 100)
json.dump({"errors": errors, "rows": rows()}, sys.stdout)
