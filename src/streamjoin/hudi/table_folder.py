"""The folder `.hoodie` of a table that Hudi has not made yet, or not made whole.

Hudi takes a base path that has this folder for a table, and fails if it has no properties. Tombstones and a
backfill's staged items may lie in it before the table's first commit, and a process may die while it creates the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from pyarrow import fs

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.hudi.table import HudiTable

_META: Final = ".hoodie"
_PROPERTIES: Final = f"{_META}/hoodie.properties"
_OURS: Final = ".streamjoin"
_PATTERN: Final = f"{_META}/{_OURS}/pattern"
# The last thing that Hudi writes into the properties.
_WHOLE: Final = b"hoodie.table.checksum="


def is_table(base_path: str) -> bool:
    """Say whether Hudi, or `give_properties`, has made the table.

    Raises:
        OSError: It can't be looked at.
    """
    filesystem, root = open_path(base_path)
    return filesystem.get_file_info(f"{root}/{_PROPERTIES}").type == fs.FileType.File


def is_begun(base_path: str) -> bool:
    """Say whether something lies in the folder already, though there is no table.

    Raises:
        OSError: It can't be looked at.
    """
    filesystem, root = open_path(base_path)
    return not is_table(base_path) and filesystem.get_file_info(f"{root}/{_META}").type == fs.FileType.Directory


def properties_of(base_path: str) -> Mapping[str, str] | None:
    """Return the properties of the table that is there; None if there is none.

    Raises:
        OSError: They can't be read.
    """
    filesystem, root = open_path(base_path)
    content = get_object(filesystem, f"{root}/{_PROPERTIES}")
    if content is None or _WHOLE not in content:
        return None
    lines = (line.partition("=") for line in content.decode().splitlines() if not line.startswith("#"))
    # Java writes a colon in a value with a backslash before it.
    return {name: value.replace("\\", "") for name, _, value in lines}


def give_properties(table: HudiTable, make: Callable[[HudiTable], None]) -> None:
    """Make a table of what `is_begun`, with the properties that Hudi itself gives one of the same settings.

    Delivery: a table without any commit, or what was there. What a process leaves that dies is made again.

    Args:
        table: What it is; no other process may be writing it.
        make: Lets Hudi make a table without rows, of the same columns.

    Raises:
        OSError: It can't be read or written.
    """
    filesystem, root = open_path(table.base_path)
    _remove(filesystem, f"{root}/{_PATTERN}")
    make(replace(table, base_path=f"{table.base_path.rstrip('/')}/{_PATTERN}"))
    properties = get_object(filesystem, f"{root}/{_PATTERN}/{_PROPERTIES}")
    assert properties is not None  # noqa: S101  (Hudi fails if it can't write them)
    put_object(filesystem, f"{root}/{_PROPERTIES}", properties)
    _remove(filesystem, f"{root}/{_PATTERN}")


def clear_unborn(base_path: str) -> None:
    """Remove what a process left that died while it created the table; Hudi takes it for a broken table for ever.

    Only if there is no instant, so no row, and the table's properties were not written to their end. What is ours
    stays.

    Raises:
        OSError: It can't be read or written.
    """
    filesystem, root = open_path(base_path)
    meta = f"{root}/{_META}"
    if filesystem.get_file_info(meta).type != fs.FileType.Directory:
        return
    found = filesystem.get_file_info(fs.FileSelector(meta))
    if any(each.base_name[:1].isdigit() for each in found):
        return
    properties = get_object(filesystem, f"{root}/{_PROPERTIES}")
    if properties is not None and _WHOLE in properties:
        return
    for each in found:
        if each.type == fs.FileType.Directory and each.base_name != _OURS:
            filesystem.delete_dir(each.path)
        elif each.type == fs.FileType.File:
            filesystem.delete_file(each.path)
    if not filesystem.get_file_info(fs.FileSelector(meta, allow_not_found=True)):
        _remove(filesystem, meta)


def _remove(filesystem: fs.FileSystem, path: str) -> None:
    if filesystem.get_file_info(path).type == fs.FileType.Directory:
        filesystem.delete_dir(path)
