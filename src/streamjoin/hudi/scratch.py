"""Tables that live for one question: does Hudi write these rows? They lie in the folder of the table, unseen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from pyarrow import fs
from pyspark.sql import DataFrame

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.hudi.table import HudiTable

_FOLDER: Final = ".hoodie/.streamjoin/scratch"


@contextmanager
def scratch_writes(
    table: HudiTable, write: Callable[[DataFrame, HudiTable], None]
) -> Iterator[Callable[[DataFrame], SinkError | None]]:
    """Give a function that writes rows as `table` would have them, each time into a new table; it returns the error.

    Delivery: the table itself is not touched. What a process leaves that dies is removed by `remove_scratch`.

    Args:
        table: What is to be known of; no other process may be writing it.
        write: Writes rows into a table.
    """
    number = 0

    def attempt(rows: DataFrame) -> SinkError | None:
        nonlocal number
        number += 1
        target = replace(table, base_path=f"{_folder(table.base_path)}/{number}")
        try:
            write(rows, target)
        except SinkError as error:
            return error
        finally:
            _remove(target.base_path)
        return None

    remove_scratch(table.base_path)
    try:
        yield attempt
    finally:
        remove_scratch(table.base_path)


def remove_scratch(base_path: str) -> None:
    """Remove what a process left that died while it asked.

    Raises:
        SinkError: It can't be removed.
    """
    _remove(_folder(base_path))


def _folder(base_path: str) -> str:
    return f"{base_path.rstrip('/')}/{_FOLDER}"


def _remove(folder: str) -> None:
    try:
        filesystem, root = open_path(folder)
        if filesystem.get_file_info(root).type == fs.FileType.Directory:
            filesystem.delete_dir(root)
    except OSError as error:
        message = f"'{folder}' can't be removed: {error}"
        raise SinkError(message, retryable=True) from error
