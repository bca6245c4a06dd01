"""A table's timeline without Hudi, whose commits are archived and taken back; a ledger that dies while it writes."""

import itertools
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from streamjoin.history.folder import Folder

FIRST_INSTANT = 20260131000000000


class Killed(BaseException):
    """The process died here."""


class FakeTable:
    """The files below `.hoodie/` that tell of commits."""

    def __init__(self, folder: Path) -> None:
        self.base_path = str(folder)
        self.hoodie = folder / ".hoodie"
        self.hoodie.mkdir(parents=True)
        self._instants = itertools.count(FIRST_INSTANT)

    def commit(self, metadata: Mapping[str, str] | None = None, action: str = "commit") -> str:
        """Make a commit; one without metadata is another writer's, a compaction say."""
        instant = str(next(self._instants))
        extra = {f"streamjoin.{key}": value for key, value in (metadata or {}).items()}
        for state in (".requested", ".inflight"):
            (self.hoodie / f"{instant}.{action}{state}").touch()
        self.write(
            instant, json.dumps({"partitionToWriteStats": {}, "extraMetadata": {"schema": "{}", **extra}}), action
        )
        return instant

    def write(self, instant: str, content: str, action: str = "commit") -> None:
        (self.hoodie / f"{instant}.{action}").write_text(content)

    def note(self, action: str) -> str:
        """Enter another action, such as a clean, a rollback or a restore."""
        instant = str(next(self._instants))
        (self.hoodie / f"{instant}.{action}").write_bytes(b"Obj\x01avro")
        return instant

    def savepoint(self, instant: str) -> None:
        (self.hoodie / f"{instant}.savepoint").write_bytes(b"Obj\x01avro")

    def commits(self) -> list[str]:
        names = [path.name for path in self.hoodie.iterdir()]
        return sorted(name.split(".")[0] for name in names if name.endswith((".commit", ".deltacommit")))

    def remove(self, *instants: str) -> None:
        for instant in instants:
            for path in self.hoodie.glob(f"{instant}.*"):
                path.unlink()

    def archive(self, *, keep: int) -> None:
        """Forget the oldest commits."""
        self.remove(*self.commits()[: max(0, len(self.commits()) - keep)])

    def restore(self, count: int) -> None:
        """Take back the newest commits."""
        self.remove(*self.commits()[max(0, len(self.commits()) - count) :])
        self.note("restore")


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """Die at the given step of writing to a ledger, counted from 0; if there are fewer, nothing happens.

    A file takes two steps: half of its bytes are on the disk; it has its name. A deletion takes one.
    """
    steps, lock = itertools.count(), threading.Lock()
    fsync, replace, delete = os.fsync, Path.replace, Folder._delete

    def dies() -> bool:
        with lock:
            return next(steps) >= step

    def half_written(descriptor: int) -> None:
        if dies():
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            raise Killed
        fsync(descriptor)

    def named(path: Path, target: str) -> Path:
        if dies():
            raise Killed
        return replace(path, target)

    def deleted(folder: Folder, name: str) -> None:
        if dies():
            raise Killed
        delete(folder, name)

    with (
        mock.patch.object(os, "fsync", half_written),
        mock.patch.object(Path, "replace", named),
        mock.patch.object(Folder, "_delete", deleted),
    ):
        try:
            yield
        except Killed:
            return
