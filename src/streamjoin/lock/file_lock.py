"""The lock of a table on a disk: a lock of the operating system, which ends with the process however it ends."""

import fcntl
import logging
import os
from pathlib import Path

from streamjoin.lock.holder import Holder
from streamjoin.lock.refusal import Place, held, lost, unusable

log = logging.getLogger(__name__)


class FileLock:
    """An exclusive lock on a file.

    Invariant: while `_descriptor` is set, the file that it is open on is locked. Nothing that this process starts
    inherits it (PEP 446), so that no Java or Python worker keeps the lock when the process is killed.

    Args:
        place: What is locked, for messages.
        path: The file; made when missing, and never deleted: two processes could hold two files of one name.
        holder: This process.
    """

    def __init__(self, place: Place, path: Path, holder: Holder) -> None:
        self._place, self._path, self._holder = place, path, holder
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock, or raise at once.

        Raises:
            SinkError: Another process has it, or the file can't be written.
        """
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self._holder.to_json(), 0)
        except BlockingIOError as error:
            content = os.pread(descriptor, 10_000, 0)
            os.close(descriptor)
            evidence = f"it has locked '{self._path}'"
            raise held(self._place, Holder.from_json(content), evidence, refused=self._holder) from error
        except OSError as error:
            os.close(descriptor)
            raise unusable(self._place, error) from error
        self._descriptor = descriptor

    def check(self) -> None:
        """Raise unless the file that others would lock is the one that is locked.

        Raises:
            SinkError: The file was deleted or replaced, perhaps with the table.
        """
        if self._descriptor is None:
            raise lost(self._place, None, "it was not taken")
        ours = os.fstat(self._descriptor)
        try:
            there = self._path.stat()
        except FileNotFoundError as error:
            raise lost(self._place, None, f"'{self._path}' was deleted") from error
        except OSError as error:
            raise unusable(self._place, error) from error
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise lost(self._place, None, f"'{self._path}' was replaced by another file")

    def release(self) -> None:
        """Give the lock back; nothing happens if it was not taken."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            os.ftruncate(descriptor, 0)
        except OSError as error:
            log.warning("%s: its lock still names this job, which gave it back: %s", self._place.name, error)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise unusable(self._place, error) from error
