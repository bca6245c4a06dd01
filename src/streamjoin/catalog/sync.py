"""One Hudi table and its entries in the catalog: what its commits brought, and what was missed."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeVar

from pyarrow import fs

from streamjoin.aws.errors import code_of
from streamjoin.aws.storage import open_path
from streamjoin.catalog.columns import columns_of
from streamjoin.catalog.entry import Entry, entries_of, partition_fields, values_of
from streamjoin.catalog.glue import MISSING, GlueCatalog, OvertakenError
from streamjoin.catalog.merging import Merged
from streamjoin.config.catalog_stages import CatalogTable
from streamjoin.errors import SchemaError, SinkError
from streamjoin.hudi.table_folder import properties_of
from streamjoin.hudi.timeline import Commit, Timeline

# How often it is written down how far the entries are. What is newer is looked at again after a crash.
_NOTE_SECONDS: Final = 300.0
_LISTINGS_AT_ONCE: Final = 16

_T = TypeVar("_T")
Put: TypeAlias = tuple[Entry, Merged, str | None]
"""An entry, as it is in the catalog now, and up to which commit it was up to date."""


@dataclass
class Change:
    """What was changed of one entry.

    Args:
        entry: Its name, with the database.
        said: What of the entry itself, in words.
        partitions: How many partitions were made, mended and removed.
    """

    entry: str
    said: list[str] = field(default_factory=list)
    partitions: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.said or self.partitions.total())

    def __str__(self) -> str:
        counts = [
            f"{number:,} {'partition' if number == 1 else 'partitions'} {what}"
            for what, number in self.partitions.items()
            if number
        ]
        return f"{self.entry}: {'; '.join([*self.said, *counts]) or 'as it should be'}"


class TableSync:
    """Keeps the entries of one table as its commits leave it.

    Invariant: of every commit in `_seen` the entries have columns and partitions; those in `_known` are partitions that
    they have, `_columns` the columns. So a commit that brings neither a column nor a partition costs no call.

    Args:
        table: The table.
        catalog: What is called. Default: Glue.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        table: CatalogTable,
        catalog: GlueCatalog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.table = table
        self._catalog = catalog or GlueCatalog(table)
        self._clock = clock
        self._filesystem, self._root = open_path(table.base_path)
        self._listed = partial(Timeline.read, self._filesystem, self._root)
        self._properties: Mapping[str, str] | None = None
        self._noted, self._noted_at = "", -_NOTE_SECONDS
        self._forget()

    def follow(self, timeline: Timeline | None = None, *, ends: bool = False) -> list[Change]:
        """Take in what was committed since the last time; return what that changed in the catalog.

        The first time it goes on where the entries say that they are (`last_commit_time_sync`). If the timeline
        doesn't reach back to there, or an entry is new, all partitions are listed and compared.

        Delivery: a repeat changes nothing. After an error the next call does what is left.

        Args:
            timeline: As of now. Default: it is listed.
            ends: Whether it is the last time for now: then it is written down how far the entries are.

        Raises:
            SinkError: Table or catalog can't be read or written.
        """
        return self._patiently(lambda: self._follow(timeline or self._listed(), ends=ends))

    def mend(self) -> list[Change] | None:
        """Compare all of the table with all of its entries, and mend these; return what was changed of each.

        Columns go that the table doesn't have, and partitions below its base path whose folder isn't there.

        Returns:
            A change for each entry; None: there is no table with a commit.

        Raises:
            SinkError: Table or catalog can't be read or written.
        """
        return self._patiently(self._mend)

    def _forget(self) -> None:
        self._seen: set[str] = set()
        self._known: set[str] = set()
        self._schema, self._columns = "", dict[str, str]()

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        for again in (True, False):
            try:
                return attempt()
            except SchemaError as error:
                message = f"catalog: the columns of the table at {self.table.base_path} can't be read: {error}"
                raise SinkError(message) from error
            except SinkError as error:
                # What an entry has by now isn't known any more.
                self._forget()
                # Deleted by its user, or changed by another writer that knew more: what is there now counts.
                if not again or not (isinstance(error, OvertakenError) or code_of(error) == MISSING):
                    raise
        raise AssertionError

    def _follow(self, timeline: Timeline, *, ends: bool) -> list[Change]:
        if not (newest := timeline.newest):
            return []
        changes: list[Change] = []
        if not self._schema:
            changes = self._begin(timeline, newest)
        elif new := self._new(timeline):
            changes = self._take_in(new, newest)
        self._seen &= timeline.commits.keys()
        # Of a table that has no row yet nothing is entered.
        if self._schema and (ends or (any(changes) and self._clock() - self._noted_at >= _NOTE_SECONDS)):
            self._note(newest)
        return [change for change in changes if change]

    def _begin(self, timeline: Timeline, newest: str) -> list[Change]:
        """Go on where the entries say that they are."""
        entries, schema = self._entries(timeline)
        puts = [(entry, *self._catalog.put(entry, newest)) for entry in entries]
        changes = [Change(self._named(entry), found.said) for entry, found, _ in puts]
        lasts = [last for entry, _, last in puts if entry.is_hudi]
        since = None if None in lasts else min(filter(None, lasts), default=None)
        new = {}
        if since is None or timeline.oldest is None or since < timeline.oldest:
            self._known = self._compare(puts, changes, exact=False)
            seen = set(timeline.commits)
        else:
            new = self._read(timeline, [instant for instant in timeline.commits if instant > since])
            self._enter(puts, changes, _touched(new))
            seen = {instant for instant in timeline.commits if instant <= since} | new.keys()
        self._seen, self._schema, self._columns = seen, schema, _types(schema)
        return changes

    def _take_in(self, new: Mapping[str, Commit], newest: str) -> list[Change]:
        """Bring the entries from the commits that are known to those that are there."""
        schema = next((new[i].schema for i in sorted(new, reverse=True) if new[i].schema), self._schema)
        touched = _touched(new)
        changes: list[Change] = []
        columns = self._columns if schema == self._schema else _types(schema)
        if columns.items() <= self._columns.items():
            # Some commits, as those of deletions, name a few columns only.
            schema = self._schema
        if schema != self._schema or not touched <= self._known:
            entries = entries_of(self.table, self._made_as() or {}, schema)
            puts = [(entry, *self._catalog.put(entry, newest)) for entry in entries]
            changes = [Change(self._named(entry), found.said) for entry, found, _ in puts]
            if any(found.columns_changed for _, found, _ in puts):
                self._known = self._compare(puts, changes, exact=False)
            self._enter(puts, changes, touched)
        self._seen |= new.keys()
        self._schema, self._columns = schema, {**self._columns, **columns}
        return changes

    def _mend(self) -> list[Change] | None:
        timeline = self._listed()
        entries, _ = self._entries(timeline)
        if not entries:
            return None
        newest = timeline.newest
        puts = [(entry, *self._catalog.put(entry, newest, exact=True)) for entry in entries]
        changes = [Change(self._named(entry), found.said) for entry, found, _ in puts]
        self._compare(puts, changes, exact=True)
        for entry in entries:
            if entry.is_hudi:
                self._catalog.note(entry, newest)
        return changes

    def _enter(self, puts: Sequence[Put], changes: Sequence[Change], touched: Set[str]) -> None:
        """Enter the partitions that commits wrote to, as far as they are not known to be there."""
        partitions = {values_of(path): self._location(path) for path in touched - self._known}
        for (entry, found, _), change in zip(puts, changes, strict=True):
            if entry.is_hudi and partitions:
                made, mended = self._catalog.enter(entry, found.storage, partitions)
                change.partitions.update(made=made, mended=mended)
        self._known |= touched

    def _compare(self, puts: Sequence[Put], changes: Sequence[Change], *, exact: bool) -> set[str]:
        """Compare all partitions of the table with those of the entries; return their paths."""
        if not any(entry.partition_keys for entry, _, _ in puts):
            return set()
        paths = self._paths()
        wanted = {values_of(path): self._location(path) for path in paths}
        for (entry, found, _), change in zip(puts, changes, strict=True):
            if not entry.is_hudi:
                continue
            there = self._catalog.partitions(entry)
            made, _ = self._catalog.enter(
                entry, found.storage, {values: place for values, place in wanted.items() if values not in there}
            )
            others = {values: str(each["StorageDescriptor"]["Location"]) for values, each in there.items()}
            gone = [v for v, place in others.items() if v not in wanted and self._is_own(place)] if exact else []
            self._catalog.remove(entry, gone)
            # Also of those that others have added: of any column list that differs readers refuse the whole table.
            kept = {v: wanted.get(v, place) for v, place in others.items() if v not in gone}
            change.partitions.update(
                made=made, mended=self._catalog.mend(entry, found.storage, kept, there), removed=len(gone)
            )
        return paths

    def _entries(self, timeline: Timeline) -> tuple[tuple[Entry, ...], str]:
        """Return the entries as of the newest commit, and its columns; none if no commit says them."""
        properties, schema = self._made_as(), timeline.schema()
        return (entries_of(self.table, properties, schema), schema) if properties and schema else ((), "")

    def _made_as(self) -> Mapping[str, str] | None:
        """Return the table's properties, which stay as they are for as long as it is there."""
        try:
            self._properties = self._properties or properties_of(self.table.base_path)
        except (OSError, ValueError) as error:
            message = f"catalog: the properties of the table at {self.table.base_path} can't be read: {error}"
            raise SinkError(message, retryable=True) from error
        return self._properties

    def _new(self, timeline: Timeline) -> dict[str, Commit]:
        return self._read(timeline, [instant for instant in timeline.commits if instant not in self._seen])

    def _read(self, timeline: Timeline, instants: Iterable[str]) -> dict[str, Commit]:
        found = {instant: timeline.commit(instant) for instant in instants}
        return {instant: commit for instant, commit in found.items() if commit is not None}

    def _note(self, newest: str) -> None:
        if newest == self._noted:
            return
        for entry in entries_of(self.table, self._made_as() or {}, self._schema):
            if entry.is_hudi:
                self._catalog.note(entry, newest)
        self._noted, self._noted_at = newest, self._clock()

    def _paths(self) -> set[str]:
        """List the folders of partitions, level by level.

        Raises:
            SinkError: They can't be listed.
        """
        found = [""]
        try:
            with ThreadPoolExecutor(_LISTINGS_AT_ONCE, thread_name_prefix="catalog") as pool:
                for name in partition_fields(self._made_as() or {}):
                    found = [path for paths in pool.map(partial(self._below, name), found) for path in paths]
        except OSError as error:
            message = f"catalog: the partitions of the table at {self.table.base_path} can't be listed: {error}"
            raise SinkError(message, retryable=True) from error
        return set(found)

    def _below(self, name: str, path: str) -> list[str]:
        selector = fs.FileSelector(f"{self._root}/{path}".rstrip("/"), allow_not_found=True)
        folders = (each.base_name for each in self._filesystem.get_file_info(selector) if not each.is_file)
        return [f"{path}/{folder}".lstrip("/") for folder in folders if folder.startswith(f"{name}=")]

    def _location(self, path: str) -> str:
        return f"{self.table.base_path}/{path}"

    def _is_own(self, location: str) -> bool:
        return location.startswith(f"{self.table.base_path}/")

    def _named(self, entry: Entry) -> str:
        return f"{self.table.database}.{entry.name}"


def _types(schema: str) -> dict[str, str]:
    return {column.key: column.type_text for column in columns_of(schema)}


def _touched(commits: Mapping[str, Commit]) -> set[str]:
    return {path for commit in commits.values() for path in commit.partitions}
