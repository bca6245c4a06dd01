"""Small objects beside a table, on a disk and on S3: whole, or not there at all."""

import os
from pathlib import Path

from pyarrow import fs

_UNFINISHED = ".unfinished"


def put_object(filesystem: fs.FileSystem, path: str, content: bytes) -> None:
    """Write an object, in place of the one that is there.

    Delivery: the old content or the new one, whenever the process dies.

    Raises:
        OSError: It can't be written.
    """
    if not isinstance(filesystem, fs.LocalFileSystem):
        # On S3 an object appears when it is complete.
        with filesystem.open_output_stream(path, compression=None) as stream:
            stream.write(content)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two attempts of one task may write at the same time.
    unfinished = target.with_name(f"{target.name}.{os.getpid()}{_UNFINISHED}")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)


def get_object(filesystem: fs.FileSystem, path: str) -> bytes | None:
    """Return what the object holds; None if there is none.

    Raises:
        OSError: It can't be read.
    """
    try:
        with filesystem.open_input_stream(path, compression=None) as stream:
            content: bytes = stream.read()
            return content
    except FileNotFoundError:
        return None
