"""What a redrive is about to do, written down before it does it: a small object beside the table."""

import gzip
import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pyarrow import fs

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError

_FOLDER: Final = ".hoodie/.streamjoin/redrive"
_ENDING: Final = ".json.gz"


@dataclass(frozen=True)
class Intents:
    """The intents of the redrives of one table that have not come to their end.

    An intent is there before the commit that it names, and until the letters that the commit brought back are deleted.
    So whether its letters are to be deleted is decided by the timeline alone. One that a dying process wrote in part
    names a commit that never happened.

    Args:
        base_path: The table's.
    """

    base_path: str

    def write(self, batch_id: str, letters: list[str]) -> None:
        """Say that the commit `batch_id` will bring back the dead letters of these ids.

        Raises:
            SinkError: It can't be written; nothing has happened.
        """
        filesystem, folder = self._open()
        try:
            if isinstance(filesystem, fs.LocalFileSystem):
                filesystem.create_dir(folder)
            # Compressed, as the ending of the name says.
            with filesystem.open_output_stream(f"{folder}/{batch_id}{_ENDING}") as stream:
                stream.write(json.dumps({"batch_id": batch_id, "letters": letters}).encode())
        except OSError as error:
            raise self.error(batch_id, "written", error) from error

    def pending(self) -> dict[str, frozenset[str] | None]:
        """Return all intents: batch id -> ids of the letters that its commit brings back; None: it is not whole.

        One that is gone by the time it is read has come to its end.

        Raises:
            SinkError: They can't be listed, or read.
        """
        filesystem, folder = self._open()
        found = dict[str, frozenset[str] | None]()
        try:
            for file in filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
                if file.base_name.endswith(_ENDING):
                    with suppress(FileNotFoundError):
                        with filesystem.open_input_stream(file.path, compression=None) as stream:
                            found[file.base_name.removesuffix(_ENDING)] = _letters(stream.read())
        except OSError as error:
            raise self.error("*", "read", error) from error
        return dict(sorted(found.items()))

    def remove(self, batch_id: str) -> None:
        """Forget an intent: its letters are deleted, or its commit never happened."""
        filesystem, folder = self._open()
        try:
            filesystem.delete_file(f"{folder}/{batch_id}{_ENDING}")
        except OSError as error:
            raise self.error(batch_id, "removed", error) from error

    def _open(self) -> tuple[fs.FileSystem, str]:
        filesystem, root = open_path(self.base_path)
        return filesystem, f"{root}/{_FOLDER}"

    def error(self, batch_id: str, action: str, cause: object) -> SinkError:
        """Return what says that something can't be done to an intent."""
        message = f"table at {self.base_path}: the intent {_FOLDER}/{batch_id}{_ENDING} can't be {action}: {cause}"
        return SinkError(message, retryable=isinstance(cause, OSError))


def _letters(content: bytes) -> frozenset[str] | None:
    try:
        return frozenset(map(str, json.loads(gzip.decompress(content))["letters"]))
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError):
        return None
