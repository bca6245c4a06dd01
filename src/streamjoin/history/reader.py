"""A ledger or a journal as those look at it who only want to see: what is newest, and what its dead letters come to.

Nothing but its objects is read: no timeline, no table, no Spark. Of a long history `recent` reads the last objects
alone. A second look reads what was added since: an object never changes.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from streamjoin.aws.storage import open_path
from streamjoin.history import journal
from streamjoin.history.entry import Entry
from streamjoin.history.folder import FOLDER, Folder, LedgerObject, Statement
from streamjoin.history.instants import instant_of
from streamjoin.history.replay import replay, standing

# So many small objects are read at the same time: on S3 each takes some milliseconds.
_AT_ONCE: Final = 16
_NOTHING_REJECTED: Final = '"rejected":0'
_REDRIVEN: Final = '"redriven_by_reason"'


class HistoryReader:
    """Reads the objects of one ledger or journal.

    Args:
        base_path: The table's, or the journal's.
        place: The folder of the objects below it.

    Raises:
        SinkError: The path is neither local nor on S3.
    """

    def __init__(self, base_path: str, place: str) -> None:
        self._base_path = base_path
        self._folder = Folder(*open_path(base_path), place=place)
        self._statements: dict[LedgerObject, Sequence[Statement]] = {}
        self._letters: dict[LedgerObject, Sequence[tuple[str, Mapping[str, int] | None]]] = {}

    @classmethod
    def of_ledger(cls, base_path: str) -> "HistoryReader":
        """Return the reader of a table's ledger."""
        return cls(base_path, FOLDER)

    @classmethod
    def of_journal(cls, base_path: str) -> "HistoryReader":
        """Return the reader of a journal."""
        return cls(base_path, journal.PLACE)

    def recent(self, count: int) -> list[Entry]:
        """Return the newest entries that stand, at most so many, the oldest first.

        Raises:
            SinkError: They can't be read.
        """
        return [each.entry for each in self._folder.patiently(partial(self._recent, count))]

    def since(self, moment: datetime) -> Iterator[Entry]:
        """Return the entries that stand from a moment on, the oldest first; one object in memory at a time.

        Raises:
            SinkError: They can't be read.
        """
        # Of its own instant on.
        before = instant_of(moment - timedelta(milliseconds=1))
        return (each.entry for each in standing(self._folder, before))

    def letters(self) -> dict[str, int]:
        """Return how many dead letters the commits have made and not re-driven, by reason, the most frequent first.

        Raises:
            SinkError: The history can't be read.
        """
        return self._folder.patiently(self._count_letters)

    def _recent(self, count: int) -> list[Statement]:
        objects = self._folder.list().objects
        # Those that were rolled up are read no more.
        self._statements = {each: found for each, found in self._statements.items() if each in set(objects)}
        statements: list[Statement] = []
        end = len(objects)
        while end > 0:
            # One that was rolled up has hundreds of entries.
            begin = end - 1 if objects[end - 1].level else max(0, end - _AT_ONCE)
            statements = [*self._all_of(objects[begin:end]), *statements]
            standing = list(replay(partial(iter, statements)))
            # An object holds nothing newer than its name says.
            is_whole = begin == 0 or (len(standing) >= count and objects[begin - 1].last < standing[-count].instant)
            if is_whole:
                return standing[-count:]
            end = begin
        return []

    def _all_of(self, objects: Sequence[LedgerObject]) -> Iterator[Statement]:
        missing = [each for each in objects if each not in self._statements]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda each: tuple(self._folder.read(each)), missing)
            self._statements |= zip(missing, found, strict=True)
        for each in objects:
            yield from self._statements[each]

    def _count_letters(self) -> dict[str, int]:
        objects = self._folder.list().objects
        missing = [each for each in objects if each not in self._letters]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = zip(missing, pool.map(self._letters_of, missing), strict=True)
            self._letters = {**{each: self._letters[each] for each in objects if each in self._letters}, **dict(found)}
        by_instant: dict[str, Mapping[str, int]] = {}
        for each in objects:
            for instant, letters in self._letters[each]:
                if letters is None:
                    by_instant.pop(instant, None)
                else:
                    by_instant[instant] = letters
        counts = Counter[str]()
        for letters in by_instant.values():
            counts.update(letters)
        return {reason: number for reason, number in counts.most_common() if number > 0}

    def _letters_of(self, found: LedgerObject) -> list[tuple[str, Mapping[str, int] | None]]:
        """Return what each statement of an object changes: nothing, mostly."""
        changes: list[tuple[str, Mapping[str, int] | None]] = []
        for statement in self._folder.read(found):
            if statement.metadata is None:
                changes.append((statement.instant, None))
                continue
            text = statement.metadata.get("counts", "{}")
            # Most batches reject nothing, and a year has millions of them.
            if _NOTHING_REJECTED in text and _REDRIVEN not in text:
                continue
            counts: Mapping[str, Any] = json.loads(text)
            letters = Counter[str](counts.get("rejected_by_reason", {}))
            letters.subtract(counts.get("redriven_by_reason", {}))
            if letters:
                changes.append((statement.instant, letters))
        return changes
