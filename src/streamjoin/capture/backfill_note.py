"""What a backfill says beside the table that it fills: which moment its rows are of, and how far it is."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

from streamjoin.aws.small_objects import get_object, put_object
from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError

FOLDER: Final = ".hoodie/.streamjoin"
_NAME: Final = "backfill.json"

State: TypeAlias = Literal["scanning", "writing", "done"]


@dataclass(frozen=True)
class Noted:
    """What the newest backfill of a table has noted.

    Args:
        id: Names the backfill, and the folder of its staged items.
        noted_us: The moment that its rows count as being of, in microseconds since 1970: before the reading began.
        oldest_us: The least such moment of all backfills of the table: what changed since may be missing in its rows.
        source: Tells one source and filter from another.
        segments: In how many segments the source is read.
        state: How far it is: `scanning`, `writing` rows, or `done`.
        files: How many staged files there are, once all is read.
        written_files: How many of them have become rows.
    """

    id: str
    noted_us: int
    oldest_us: int
    source: str
    segments: int
    state: State = "scanning"
    files: int = 0
    written_files: int = 0


@dataclass(frozen=True)
class BackfillNote:
    """The note beside one table: `<base_path>/.hoodie/.streamjoin/backfill.json`.

    Args:
        base_path: The table's.
    """

    base_path: str

    def read(self) -> Noted | None:
        """Return what the newest backfill has noted; None if there was none.

        Raises:
            SinkError: The note can't be read.
        """
        filesystem, root = open_path(self.base_path)
        path = f"{root}/{FOLDER}/{_NAME}"
        try:
            content = get_object(filesystem, path)
            return None if content is None else Noted(**json.loads(content))
        except OSError as error:
            raise self._failed("read", error) from error
        except (ValueError, TypeError) as error:
            message = (
                f"table at '{self.base_path}': the note of its backfill, '{path}', isn't one: {type(error).__name__}. "
                "Delete it and start the backfill again."
            )
            raise SinkError(message) from error

    def write(self, noted: Noted) -> None:
        """Write the note, in place of the one before.

        Delivery: the old note or the new one, whenever the process dies.

        Raises:
            SinkError: It can't be written.
        """
        filesystem, root = open_path(self.base_path)
        try:
            put_object(filesystem, f"{root}/{FOLDER}/{_NAME}", json.dumps(asdict(noted), indent=1).encode())
        except OSError as error:
            raise self._failed("written", error) from error

    def folder(self, backfill_id: str) -> str:
        """Return where a backfill's staged items are."""
        return f"{self.base_path}/{FOLDER}/backfill/{backfill_id}"

    def _failed(self, done: str, error: OSError) -> SinkError:
        message = f"table at '{self.base_path}': the note of its backfill can't be {done}: {error}"
        return SinkError(message, retryable=True)


@dataclass(frozen=True)
class NotedMoment:
    """What the backfills of a job's tables have noted.

    Args:
        us: The oldest of their moments, in microseconds since 1970: changes from then on may be missing in the rows.
        is_of_all: Whether every table has one, so that nothing older is wanted either.
    """

    us: int
    is_of_all: bool


def noted_moment(base_paths: Iterable[str], *, has_template: bool) -> NotedMoment | None:
    """Return from when on changes must be captured; None if no backfill was begun.

    Args:
        base_paths: Where tables of the job are, or will be.
        has_template: Whether there may be others, which no backfill has filled.

    Raises:
        SinkError: A note can't be read.
    """
    found = [BackfillNote(path).read() for path in base_paths]
    noted = [each.oldest_us for each in found if each is not None]
    if not noted:
        return None
    return NotedMoment(min(noted), is_of_all=len(noted) == len(found) and not has_template)
