"""The ledger's objects: whole or not there at all, in the order in which they were written, small ones rolled up.

An object is `<level>-<first>-<last>.jsonl.gz`; `first` and `last` are the span that it covers of the order of all
objects, in instants. Gzip members follow each other as well as lines do, so that objects are rolled up by joining
their bytes.
"""

import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pyarrow import fs

from streamjoin.errors import SinkError
from streamjoin.history.entry import Entry

FOLDER = ".hoodie/.streamjoin/ledger"
# So many objects of one level become one of the next.
ROLL_UP_OBJECTS = 100
# An object of 10,000 commits has some 10 MB: rolled up further, the job would wait for it.
_HIGHEST_LEVEL = 2
_THREADS = 16
# A reader that met a roll-up begins again.
_READ_ATTEMPTS = 5

_NAME = re.compile(r"(\d)-(\d+)-(\d+)\.jsonl\.gz")
_UNFINISHED = ".unfinished"

T = TypeVar("T")


class Statement(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: what a commit said, word for word; without it: the commit was withdrawn.

    Beside it may stand what was observed of the commit.
    """

    instant: str
    metadata: dict[str, str] | None = None
    observed: dict[str, Any] | None = None

    @property
    def entry(self) -> Entry:
        """What it says, read.

        Raises:
            SinkError: It isn't what streamjoin writes.
        """
        return Entry.of(self.instant, self.metadata or {}, self.observed)


@dataclass(frozen=True, order=True)
class LedgerObject:
    """One object, known by its name; sorts in the order of writing."""

    first: str
    last: str
    level: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.level}-{self.first}-{self.last}.jsonl.gz"

    def covers(self, other: "LedgerObject") -> bool:
        """Tell whether this was made of `other`, which then is a left-over of a roll-up that was cut short."""
        return self.level > other.level and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True)
class Listing:
    """What the folder holds.

    Args:
        objects: Those that count, the oldest first; their spans don't overlap.
        left_over: Names of what a process left that died: covered objects, and files never finished.
    """

    objects: tuple[LedgerObject, ...]
    left_over: tuple[str, ...]


class Folder:
    """The folder of one table's ledger, or of a journal.

    Args:
        filesystem: Where the table is.
        root: Its path there.
        place: The folder's path below it.
    """

    def __init__(self, filesystem: fs.FileSystem, root: str, place: str = FOLDER) -> None:
        self._filesystem = filesystem
        self._path = f"{root}/{place}"

    def list(self) -> Listing:
        """Return what is there; nothing if the ledger wasn't begun.

        Raises:
            SinkError: It can't be listed.
        """
        selector = fs.FileSelector(self._path, allow_not_found=True)
        try:
            names = [f.base_name for f in self._filesystem.get_file_info(selector)]
        except OSError as error:
            raise self._failed("read", error) from error
        found = [LedgerObject(m[2], m[3], int(m[1])) for m in map(_NAME.fullmatch, names) if m]
        kept: list[LedgerObject] = []
        left_over = [name for name in names if name.endswith(_UNFINISHED)]
        # An object that covers another begins no later, and of two that begin together it is the longer one.
        for each in sorted(found, key=lambda o: (o.first, -int(o.last), -o.level)):
            if kept and kept[-1].covers(each):
                left_over.append(each.name)
            else:
                kept.append(each)
        return Listing(tuple(kept), tuple(left_over))

    def read(self, found: LedgerObject) -> Iterator[Statement]:
        """Yield what the object says, in the order of writing.

        Raises:
            FileNotFoundError: It was rolled up since the listing.
            SinkError: It can't be read.
        """
        decoder = msgspec.json.Decoder(Statement)
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(self._bytes(found))) as lines:
                for line in lines:
                    yield decoder.decode(line)
        except (EOFError, gzip.BadGzipFile, zlib.error, msgspec.DecodeError) as error:
            message = (
                f"ledger object '{self._path}/{found.name}' is damaged: {error}. Delete it: what the table's timeline "
                "still holds of it is written again; streamjoin verify then says which commits it can't know."
            )
            raise SinkError(message) from error

    def read_all(self, objects: Iterable[LedgerObject]) -> Iterator[Statement]:
        """Yield what several objects say, one after the other; errors are those of `read`."""
        for each in objects:
            yield from self.read(each)

    def patiently(self, read: Callable[[], T]) -> T:
        """Return what `read` does, which begins with a listing; again if an object was rolled up since then.

        Raises:
            SinkError: As `read`, or it was rolled up again and again.
        """
        for _ in range(_READ_ATTEMPTS):
            try:
                return read()
            except FileNotFoundError:
                continue
        raise self._never_still()

    def behind(
        self, instant: str, read: Callable[[Sequence[LedgerObject]], Iterable[Statement]]
    ) -> Iterator[Statement]:
        """Yield the statements later than an instant; if objects are rolled up meanwhile, go on behind the newest.

        Args:
            instant: Empty for all of them.
            read: Gives those of objects, the oldest first; it may give older ones too.

        Raises:
            SinkError: As `patiently`.
        """
        for _ in range(_READ_ATTEMPTS):
            # An object holds nothing newer than its name says.
            objects = [each for each in self.list().objects if each.last > instant]
            try:
                for statement in read(objects):
                    if statement.instant > instant:
                        instant = statement.instant
                        yield statement
            except FileNotFoundError:
                continue
            return
        raise self._never_still()

    def write(self, span: tuple[str, str], statements: Iterable[Statement]) -> LedgerObject:
        """Add an object of the lowest level.

        Delivery: the whole object, or none; writing it again replaces it.

        Raises:
            SinkError: It can't be written.
        """
        written = LedgerObject(*span, level=0)
        lines = b"".join(msgspec.json.encode(statement) + b"\n" for statement in statements)
        self._put(written, gzip.compress(lines, mtime=0))
        return written

    def roll_up(self, objects: Sequence[LedgerObject]) -> tuple[LedgerObject, ...]:
        """Join objects if there are enough of one level; return those that count then.

        Delivery: the joined object is there before the small ones are deleted. Those that stay when the process dies
        in between are covered by it, and are deleted as left over.

        Raises:
            SinkError: An object can't be read, written or deleted.
        """
        kept = list(objects)
        for level in range(_HIGHEST_LEVEL):
            small = [each for each in kept if each.level == level]
            while len(small) >= ROLL_UP_OBJECTS:
                joined, small = small[:ROLL_UP_OBJECTS], small[ROLL_UP_OBJECTS:]
                whole = LedgerObject(joined[0].first, joined[-1].last, level + 1)
                self._put(whole, self._joined(joined))
                self.delete([each.name for each in joined])
                kept = sorted([*(each for each in kept if each not in joined), whole])
        return tuple(kept)

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects and left-overs; what is gone already is no error.

        Raises:
            SinkError: One can't be deleted.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(self._delete, names):
                pass

    def _delete(self, name: str) -> None:
        try:
            self._filesystem.delete_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("rolled up", error) from error

    def _bytes(self, found: LedgerObject) -> bytes:
        try:
            with self._filesystem.open_input_stream(f"{self._path}/{found.name}", compression=None) as stream:
                content: bytes = stream.read()
                return content
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._failed("read", error) from error

    def _joined(self, objects: Sequence[LedgerObject]) -> bytes:
        try:
            with ThreadPoolExecutor(_THREADS) as pool:
                return b"".join(pool.map(self._bytes, objects))
        except FileNotFoundError as error:
            raise self._failed("rolled up", error) from error

    def _put(self, written: LedgerObject, content: bytes) -> None:
        path = f"{self._path}/{written.name}"
        try:
            if isinstance(self._filesystem, fs.LocalFileSystem):
                # On S3 an object appears whole or not at all; on a disk that takes a second name.
                Path(self._path).mkdir(parents=True, exist_ok=True)
                with Path(path + _UNFINISHED).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(path + _UNFINISHED).replace(path)
            else:
                with self._filesystem.open_output_stream(path, compression=None) as stream:
                    stream.write(content)
        except OSError as error:
            raise self._failed("written", error) from error

    def _never_still(self) -> SinkError:
        message = f"ledger '{self._path}' was rolled up again and again while it was read; try again"
        return SinkError(message, retryable=True)

    def _failed(self, done: str, error: OSError) -> SinkError:
        message = (
            f"ledger '{self._path}' can't be {done}: {error}. The table's commits stand; the next job that starts "
            "brings the ledger up to date."
        )
        return SinkError(message, retryable=True)
