"""The completed commits that a table's timeline still holds, read without Spark.

On table version 6 a completed commit is a JSON file below `.hoodie/`, named after its instant.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyarrow import fs

from streamjoin.aws.storage import is_s3
from streamjoin.errors import SinkError

COMMIT_METADATA_PREFIX = "streamjoin."

# What a completed instant that may carry rows is called. Source: Hudi 1.0.2, timeline layout version 1.
_REPLACING = ".replacecommit"
_COMPLETED = (".commit", ".deltacommit", _REPLACING)
_SAVEPOINT = ".savepoint"


def names_in(filesystem: fs.FileSystem, root: str) -> list[str]:
    """Return the names of a timeline's files, sorted; none if there is no table.

    Raises:
        SinkError: It can't be listed.
    """
    selector = fs.FileSelector(f"{root}/.hoodie", allow_not_found=True)
    try:
        return sorted(f.base_name for f in filesystem.get_file_info(selector))
    except OSError as error:
        raise _unreadable(root, error) from error


@contextmanager
def in_turn(base_path: str) -> Iterator[None]:
    """Keep apart what Hudi does with a table in one process: reading its newest commits, and making one.

    On a local disk a commit's file appears before its content. Hudi fails on one that a compaction is writing beside
    it. On S3 an object appears whole, and nobody waits.

    Args:
        base_path: The table.
    """
    if is_s3(base_path):
        yield
        return
    with _turn(base_path):
        yield


@cache
def _turn(base_path: str) -> threading.RLock:
    return threading.RLock()


def columns_of(schema: str) -> tuple[str, ...]:
    """Return the columns of a schema in Avro's JSON; none if it is empty."""
    return tuple(field["name"] for field in json.loads(schema)["fields"]) if schema else ()


@dataclass(frozen=True)
class WrittenFile:
    """A file that a commit wrote, or wrote again.

    Args:
        file_id: What its versions have in common.
        size: In bytes.
        new_rows: How many of its rows were not in the version before.
    """

    file_id: str
    size: int
    new_rows: int


@dataclass(frozen=True)
class Commit:
    """What a completed commit says of itself.

    Args:
        metadata: What stands in it under `streamjoin.`.
        operation: What Hudi calls its operation, such as UPSERT or COMPACT.
        schema: The table's, as of this commit, as JSON of Avro; empty if it doesn't say.
        files: What it wrote.
        partitions: Paths of the partitions that it wrote to or replaced files of; none of a table without partitions.
        replaced: Path of the partition and id of each file that no longer counts from then on.
    """

    metadata: Mapping[str, str]
    operation: str | None
    schema: str
    files: tuple[WrittenFile, ...]
    partitions: frozenset[str] = frozenset()
    replaced: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Commit":
        """Return what the JSON of a commit's file says."""
        prefix, extra = COMMIT_METADATA_PREFIX, content.get("extraMetadata") or {}
        written = content.get("partitionToWriteStats") or {}
        stats = [stat for stats in written.values() for stat in stats]
        replaced = content.get("partitionToReplaceFileIds") or {}
        return cls(
            {key.removeprefix(prefix): value for key, value in extra.items() if key.startswith(prefix)},
            content.get("operationType"),
            extra.get("schema") or "",
            tuple(
                WrittenFile(str(s["fileId"]), int(s.get("fileSizeInBytes", 0)), int(s.get("numInserts", 0)))
                for s in stats
            ),
            frozenset({*written, *replaced} - {""}),
            frozenset((partition, file_id) for partition, ids in replaced.items() for file_id in ids),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's, as of this commit; none if it doesn't say."""
        return columns_of(self.schema)


@dataclass(frozen=True)
class Timeline:
    """One listing of `.hoodie/`.

    Args:
        filesystem: Where the table is.
        root: Its path there.
        commits: Instant -> file name of the completed commits, the oldest first.
        savepoints: Instants that are kept however old they get.
    """

    filesystem: fs.FileSystem
    root: str
    commits: Mapping[str, str]
    savepoints: frozenset[str] = frozenset()

    @classmethod
    def read(cls, filesystem: fs.FileSystem, root: str) -> "Timeline":
        """List the timeline; one without commits if there is no table.

        Raises:
            SinkError: It can't be listed.
        """
        names = names_in(filesystem, root)
        commits = {name.split(".")[0]: name for name in names if name.endswith(_COMPLETED)}
        savepoints = frozenset(name.split(".")[0] for name in names if name.endswith(_SAVEPOINT))
        return cls(filesystem, root, commits, savepoints)

    @property
    def oldest(self) -> str | None:
        """The instant from which on every commit is here; None if that isn't known.

        Archival takes the oldest commits first and one by one, so that it leaves no holes (HUDI-7207), but may leave
        savepoints behind.
        """
        kept = [instant for instant in self.commits if instant not in self.savepoints]
        return kept[0] if kept else max(self.commits, default=None)

    @property
    def newest(self) -> str:
        """The newest commit; empty if there is none."""
        return max(self.commits, default="")

    def metadata(self, instant: str) -> Mapping[str, str] | None:
        """Return what the commit says under `streamjoin.`; None if it didn't happen, or is no longer here.

        Raises:
            SinkError: The commit can't be read.
        """
        commit = self.commit(instant)
        return None if commit is None else commit.metadata

    def commit(self, instant: str) -> Commit | None:
        """Return what the commit says; None as for `metadata`.

        Raises:
            SinkError: The commit can't be read.
        """
        content = self._content(instant)
        return None if content is None else Commit.of(content)

    def is_complete(self, instant: str) -> bool:
        """Say whether a commit has happened, also if it is no longer here."""
        return instant in self.commits or (self.oldest is not None and instant < self.oldest)

    def replaced(self) -> set[tuple[str, str]]:
        """Return path of the partition and id of each file that is there, and no longer counts.

        Before Hudi archives a commit that says so, it has deleted the files.

        Raises:
            SinkError: A commit can't be read.
        """
        found = (self.commit(instant) for instant, name in self.commits.items() if name.endswith(_REPLACING))
        return {each for commit in found if commit is not None for each in commit.replaced}

    def schema(self) -> str:
        """Return the table's schema as its newest commit that has one says it, in Avro's JSON; empty: none has.

        Raises:
            SinkError: A commit can't be read.
        """
        for instant in sorted(self.commits, reverse=True):
            if (commit := self.commit(instant)) is not None and commit.schema:
                return commit.schema
        return ""

    def _content(self, instant: str) -> dict[str, Any] | None:
        name = self.commits.get(instant)
        if name is None:
            return None
        try:
            with self.filesystem.open_input_stream(f"{self.root}/.hoodie/{name}") as stream:
                content = stream.read().rstrip()
            # On a local disk a commit appears before its content: what doesn't end like one has not happened yet. Its
            # batch is read again, and its rows replace themselves.
            found: dict[str, Any] | None = json.loads(content) if content.endswith(b"}") else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.root, error) from error
        except ValueError as error:
            message = f"table at {self.root}: commit '{name}' is not JSON: {error}; is it of table version 6?"
            raise SinkError(message) from error
        return found


def _unreadable(root: str, error: OSError) -> SinkError:
    return SinkError(f"table at {root}: its timeline can't be read: {error}", retryable=True)
