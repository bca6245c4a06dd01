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
    names a commit that never happened, and is never read.

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
            raise self._error(batch_id, "written", error) from error

    def pending(self) -> list[str]:
        """Return the batch ids of all intents."""
        filesystem, folder = self._open()
        try:
            found = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
        except OSError as error:
            raise self._error("*", "listed", error) from error
        return sorted(each.base_name.removesuffix(_ENDING) for each in found if each.base_name.endswith(_ENDING))

    def letters(self, batch_id: str) -> list[str]:
        """Return the ids of an intent whose commit has happened.

        Raises:
            SinkError: It can't be read.
        """
        filesystem, folder = self._open()
        try:
            with filesystem.open_input_stream(f"{folder}/{batch_id}{_ENDING}") as stream:
                return [str(each) for each in json.loads(stream.read())["letters"]]
        except (OSError, ValueError, KeyError) as error:
            raise self._error(batch_id, "read", error) from error

    def whole(self) -> dict[str, frozenset[str]]:
        """Return those that can be read: batch id -> ids of the dead letters that its redrive was to delete.

        Raises:
            SinkError: They can't be read.
        """
        filesystem, folder = self._open()
        found = {}
        try:
            for file in filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
                if not file.base_name.endswith(_ENDING):
                    continue
                # One that is not whole is of a redrive that died before it did anything; one that is gone came to its
                # end.
                with suppress(FileNotFoundError, EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError):
                    with filesystem.open_input_stream(file.path, compression=None) as stream:
                        intent = json.loads(gzip.decompress(stream.read()))
                    found[str(intent["batch_id"])] = frozenset(map(str, intent["letters"]))
        except OSError as error:
            message = f"the unfinished redrives in '{self.base_path}/{_FOLDER}' can't be read: {error!r}"
            raise SinkError(message, retryable=True) from error
        return found

    def remove(self, batch_id: str) -> None:
        """Forget an intent: its letters are deleted, or its commit never happened."""
        filesystem, folder = self._open()
        try:
            filesystem.delete_file(f"{folder}/{batch_id}{_ENDING}")
        except OSError as error:
            raise self._error(batch_id, "removed", error) from error

    def _open(self) -> tuple[fs.FileSystem, str]:
        filesystem, root = open_path(self.base_path)
        return filesystem, f"{root}/{_FOLDER}"

    def _error(self, batch_id: str, action: str, error: Exception) -> SinkError:
        message = f"table at {self.base_path}: the intent {_FOLDER}/{batch_id}{_ENDING} can't be {action}: {error}"
        return SinkError(message, retryable=isinstance(error, OSError))
