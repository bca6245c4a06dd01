"""Rows that were written since a compaction was planned, which hudi-rs doesn't see before it is done.

From the plan on they go into logs that are named after it, beside the files that are to be compacted; Spark and Athena
merge both, hudi-rs 0.5.0 reads the files and their older logs alone. So it is told the later logs.

Source: Hudi 1.0.2, file names of table version 6: `.<file id>_<instant of the plan>.log.<number>_<token>`.
"""

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import fastavro
import pyarrow as pa
from pyarrow import fs

from streamjoin.aws.small_objects import get_object
from streamjoin.aws.storage import open_path
from streamjoin.hudi.services.due import ServiceTimeline

if TYPE_CHECKING:
    from hudi import HudiFileSlice, HudiReadOptions, HudiTable

Plans = Mapping[tuple[str, str], str]
"""Partition path and file id -> instant of the compaction that is planned for the file."""


def plans(base_path: str) -> Plans:
    """Return what compactions are planned.

    Raises:
        SinkError: The timeline can't be listed.
        OSError: A plan can't be read.
    """
    filesystem, root = open_path(base_path)
    found: dict[tuple[str, str], str] = {}
    for instant in ServiceTimeline.read(filesystem, root).compactions:
        content = get_object(filesystem, f"{root}/.hoodie/{instant}.compaction.requested")
        plan: Any = next(fastavro.reader(io.BytesIO(content)), {}) if content else {}
        found |= {(each["partitionPath"] or "", each["fileId"]): instant for each in plan.get("operations") or ()}
    return found


def read_beside_plans(
    table: "HudiTable", base_path: str, planned: Plans, options: "HudiReadOptions"
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a merge-on-read table, also those written since compactions were planned.

    Args:
        table: As hudi-rs has it.
        base_path: The table's.
        planned: What compactions were planned before its files were listed.
        options: How to read.

    Raises:
        OSError: Logs can't be listed.
    """
    reader = table.create_file_group_reader_with_options(options)
    for each in table.get_file_slices(options):
        instant = planned.get((each.partition_path, each.file_id), "")
        # Another instant: the compaction has ended since.
        later = _later_logs(each, base_path, instant) if each.creation_instant_time < instant else []
        logs = [*each.log_files_relative_paths(), *later]
        yield reader.read_file_slice_from_paths(each.base_file_relative_path(), logs, options)


def _later_logs(found: "HudiFileSlice", base_path: str, instant: str) -> list[str]:
    filesystem, root = open_path(base_path)
    folder = f"{root}/{found.partition_path}".rstrip("/")
    begin = f".{found.file_id}_{instant}.log."
    names = [each.base_name for each in filesystem.get_file_info(fs.FileSelector(folder))]
    logs = [name for name in names if name.startswith(begin)]
    inside = f"{found.partition_path}/" if found.partition_path else ""
    return [f"{inside}{name}" for name in sorted(logs, key=lambda name: int(name.removeprefix(begin).split("_")[0]))]
