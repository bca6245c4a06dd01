"""The ledger of one table: brought up to date with its timeline, and read back whole."""

import heapq
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from streamjoin.aws.storage import open_path
from streamjoin.errors import SinkError
from streamjoin.history.entry import Entry
from streamjoin.history.figures import Files, Observed
from streamjoin.history.folder import Folder, LedgerObject, Statement
from streamjoin.history.replay import replay, standing
from streamjoin.hudi.timeline import Timeline

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outstanding:
    """What the ledger lacks of the timeline.

    Args:
        timeline: What was compared.
        added: Commits that the ledger doesn't have, the oldest first.
        withdrawn: Commits that it has and that were taken back since.
    """

    timeline: Timeline
    added: tuple[Statement, ...]
    withdrawn: tuple[str, ...]

    @property
    def statements(self) -> list[Statement]:
        """What is to be written."""
        return [*self.added, *map(Statement, self.withdrawn)]


class Ledger:
    """Every commit of a table that carried a position.

    The timeline has the last word: a commit that the ledger lacks is written from it, one that was rolled back or
    restored away is withdrawn by a further statement. What is older than the timeline's oldest commit was archived:
    there the ledger is the only witness.

    Invariant: `_known` tells of every commit that the timeline may still hold whether the ledger has it.

    Args:
        base_path: The table's.

    Attributes:
        timeline: The table's, as the ledger was compared with it last; None at first.

    Raises:
        SinkError: The path is neither local nor on S3.
    """

    def __init__(self, base_path: str) -> None:
        self._base_path = base_path
        self._filesystem, self._root = open_path(base_path)
        self._folder = Folder(self._filesystem, self._root)
        self._objects: tuple[LedgerObject, ...] = ()
        self._known: dict[str, bool] | None = None
        self.timeline: Timeline | None = None
        # Commits of others, which need not be read again.
        self._foreign: set[str] = set()

    def follow(self, observed: Mapping[str, Observed] | None = None) -> tuple[Entry, ...]:
        """Bring the ledger up to date with the timeline; return what was added, the oldest first.

        Only for the holder of the table's lock: a job at its start and after each commit.

        Args:
            observed: What is known of commits beside what they say, by their batch ids.

        Delivery: all that was missing is added, or nothing; the next call adds what still is.

        Raises:
            SinkError: Timeline or ledger can't be read or written. The commits stand.
        """
        try:
            if self._known is None:
                self._folder.delete(self._folder.list().left_over)
            missing = self._outstanding()
            if observed:
                missing = replace(missing, added=tuple(_with(each, observed) for each in missing.added))
            if missing.statements:
                self._write(missing.statements)
            self._objects = self._folder.roll_up(self._objects)
        except SinkError:
            # What was written isn't known: read it again.
            self._known = None
            raise
        if missing.withdrawn:
            log.warning(
                "table at %s: %d commits that were recorded have been rolled back or restored away: %s",
                *(self._base_path, len(missing.withdrawn), ", ".join(missing.withdrawn[:10])),
            )
        return tuple(each.entry for each in missing.added)

    def entries(self) -> Iterator[Entry]:
        """Yield what the ledger has, the oldest first, without what was withdrawn; each instant once.

        Raises:
            SinkError: The ledger can't be read.
        """
        yield from (each.entry for each in standing(self._folder))

    def history(self) -> "History":
        """Return what the ledger would have after `follow`; nothing is written.

        Raises:
            SinkError: Timeline or ledger can't be read.
        """
        self._known = None
        return History(self._outstanding(), partial(standing, self._folder))

    def newest(self, *, older_than: str | None) -> Entry | None:
        """Return the newest entry that stands; None if there is none.

        Args:
            older_than: Pass over this instant and newer ones; None: pass over none.

        Raises:
            SinkError: The ledger can't be read.
        """
        return self._folder.patiently(lambda: self._newest(older_than))

    def _newest(self, older_than: str | None) -> Entry | None:
        objects = self._folder.list().objects
        for begin in reversed(range(len(objects))):
            found = None
            for statement in replay(partial(self._folder.read_all, objects[begin:])):
                if older_than is None or statement.instant < older_than:
                    found = statement
            # An object holds nothing newer than its name says.
            if found is not None and (begin == 0 or objects[begin - 1].last <= found.instant):
                return found.entry
        return None

    def _outstanding(self) -> Outstanding:
        return self._folder.patiently(self._compare)

    def _compare(self) -> Outstanding:
        if self._known is None:
            # Before the timeline, so that what a job adds meanwhile is not taken for commits that the timeline lost.
            self._objects = self._folder.list().objects
        timeline = self.timeline = Timeline.read(self._filesystem, self._root)
        oldest = timeline.oldest
        if oldest is None:
            self._known = self._known or {}
            return Outstanding(timeline, (), ())
        if self._known is None:
            statements = self._folder.read_all([each for each in self._objects if each.last >= oldest])
            self._known = {each.instant: each.metadata is not None for each in statements}
        known = self._known = {instant: stands for instant, stands in self._known.items() if instant >= oldest}
        self._foreign &= timeline.commits.keys()
        added = []
        for instant in timeline.commits:
            if instant < oldest or known.get(instant) or instant in self._foreign:
                continue
            commit = timeline.commit(instant)
            if commit is not None and "position" in commit.metadata:
                observed = Observed(files=Files.of(commit)).to_dict()
                added.append(Statement(instant, dict(commit.metadata), observed))
            elif commit is not None:
                self._foreign.add(instant)
        # Hudi takes commits back from the newest on. A hole between recorded commits is something else, and stays.
        gone = [instant for instant, stands in known.items() if stands and instant not in timeline.commits]
        newest_kept = max((i for i, stands in known.items() if stands and i in timeline.commits), default="")
        return Outstanding(timeline, tuple(added), tuple(sorted(i for i in gone if i > newest_kept)))

    def _write(self, statements: Sequence[Statement]) -> None:
        """Write the statements behind all others, under the instants of their commits if these are the newest."""
        instants = [each.instant for each in statements if each.metadata is not None]
        behind = ""
        if self._objects:
            last = self._objects[-1].last
            behind = str(int(last) + 1).zfill(len(last))
        first = max(min(instants, default=behind), behind)
        written = self._folder.write((first, max(max(instants, default=first), first)), statements)
        self._objects = (*self._objects, written)
        known = self._known if self._known is not None else {}
        self._known = {**known, **{each.instant: each.metadata is not None for each in statements}}


@dataclass(frozen=True)
class History:
    """All commits of a table as ledger and timeline have them together, at one moment.

    Args:
        outstanding: What the ledger lacks.
        standing: Gives the ledger's own statements.
    """

    outstanding: Outstanding
    standing: Callable[[], Iterator[Statement]]

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """Instants of recorded commits that were rolled back or restored away since."""
        return self.outstanding.withdrawn

    def entries(self) -> Iterator[Entry]:
        """Yield every commit, the oldest first.

        Raises:
            SinkError: The ledger can't be read.
        """
        timeline, withdrawn = self.outstanding.timeline, frozenset(self.outstanding.withdrawn)
        newest = max(timeline.commits, default=None)
        last = ""
        for statement in heapq.merge(self.standing(), self.outstanding.added, key=lambda s: s.instant):
            # A job may write at the same time: what is newer than the timeline looked at is not judged.
            is_later = newest is not None and statement.instant > newest
            if statement.instant != last and statement.instant not in withdrawn and not is_later:
                last = statement.instant
                yield statement.entry

    def contradiction(self, entry: Entry) -> str | None:
        """Return how the timeline contradicts an entry; None if it agrees, or no longer knows.

        Raises:
            SinkError: The timeline can't be read.
        """
        timeline = self.outstanding.timeline
        if timeline.oldest is None or entry.instant < timeline.oldest:
            return None
        if entry.instant not in timeline.commits:
            return "the timeline lacks this commit, though it has older and newer ones"
        metadata = timeline.metadata(entry.instant)
        if metadata is None:
            return "the commit's file is not whole, or was archived at this moment"
        agrees = "position" in metadata and Entry.of(entry.instant, metadata) == entry
        return None if agrees else "the commit says something else than the ledger"


def _with(statement: Statement, observed: Mapping[str, Observed]) -> Statement:
    """Return a statement of the timeline with what is known of its commit beside."""
    known = observed.get((statement.metadata or {}).get("batch_id", ""))
    both = {**(known.to_dict() if known else {}), **(statement.observed or {})}
    return Statement(statement.instant, statement.metadata, both)
