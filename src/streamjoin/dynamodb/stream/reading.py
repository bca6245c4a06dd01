"""One poll of a table's stream: requests in threads, lineage in order, bounds kept, errors collected."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from streamjoin.dynamodb.stream.client import (
    MAX_RECORDS_PER_CALL,
    ChangeRecord,
    Listing,
    Page,
    StreamLostError,
    StreamService,
)
from streamjoin.dynamodb.stream.progress import Progress, lost_before
from streamjoin.errors import SourceError
from streamjoin.shards.position import Position

THREADS = 8
_LISTING_MAX_AGE_MS = 60_000
# A poll lists again so often for children that a listing doesn't name yet.
_LISTINGS_FOR_CHILDREN = 3
# A closed shard ends in a page without an iterator; after so many empty ones the next poll goes on.
_PATIENCE_WITH_CLOSED = 25


@dataclass(frozen=True)
class Polled:
    """What a poll gave.

    Args:
        records: In order within each shard, and parents' before their children's.
        at_tip: Every shard was read to an empty page, or drained with its children read likewise.
        error: A shard could not be read, or the stream not be listed. What other shards gave, and this one before, is
            in `records` all the same; the next poll goes on where each shard stands.
    """

    records: tuple[ChangeRecord, ...]
    at_tip: bool
    error: SourceError | None


@dataclass(frozen=True)
class Bounds:
    """Where a poll ends before the tip.

    Args:
        patience: So many empty pages in a row make a shard's tip.
        deadline: No request is begun after this time, in seconds since the epoch.
        max_records: No more are asked for.
    """

    patience: int
    deadline: float
    max_records: int


def list_after(service: StreamService, position: Position) -> Listing:
    """List the stream's shards, having made sure that what follows the position is still there.

    Raises:
        StreamLostError: It isn't, or there is no such stream.
        SourceError: The stream could not be listed.
    """
    listing = service.list()
    if lost_before(listing, position) is not None:
        # A listing may lag behind the one before: only a second one is believed.
        listing = service.list()
    lost = lost_before(listing, position)
    if lost is not None:
        message = f"{service.name}: {lost}"
        raise StreamLostError(message)
    return listing


class Reading:
    """A poll at work.

    Args:
        service: The stream.
        progress: Where it stands; changed.
        clock: Gives seconds since the epoch.
        bounds: Where the poll ends.
    """

    def __init__(self, service: StreamService, progress: Progress, clock: Callable[[], float], bounds: Bounds) -> None:
        self.progress = progress
        self._service = service
        self._clock = clock
        self._bounds = bounds
        self._records: list[ChangeRecord] = []
        self._empty_pages: dict[str, int] = {}
        self._error: SourceError | None = None
        self._failed: set[str] = set()
        self._may_list = True

    @property
    def is_everything_read(self) -> bool:
        """Whether every shard is at its tip or drained, and no child is left out."""
        progress = self.progress
        is_complete = not (progress.is_outdated or progress.awaits_children or progress.is_waiting)
        return self._error is None and is_complete and not any(map(self._is_unread, progress.readable))

    def result(self) -> Polled:
        """Return what was read."""
        # A stream that is being switched off has no tip: later changes don't reach it.
        at_tip = self.is_everything_read and self.progress.listing.status == "ENABLED"
        return Polled(tuple(self._records), at_tip, self._error)

    def run(self) -> None:
        """Read until every shard is at its tip, or a bound is reached, or what is left can't be read.

        Raises:
            StreamLostError: Records between were trimmed.
        """
        for shard_id, page in list(self.progress.first_pages.items()):
            del self.progress.first_pages[shard_id]
            self._records += page.records
            self.progress.advance(shard_id, page)
        if self._must_list():
            self._relist()
        listings_for_children = 0
        while True:
            self._read()
            if self._is_over() or not self._may_list:
                return
            if not self.progress.is_outdated:
                if not self.progress.awaits_children or listings_for_children == _LISTINGS_FOR_CHILDREN:
                    return
                listings_for_children += 1
            self._relist()

    def _must_list(self) -> bool:
        listing = self.progress.listing
        age_ms = self._service.now_ms() - listing.at_ms
        # A listing from the future: the machine's time was set back.
        is_old = not 0 <= age_ms < _LISTING_MAX_AGE_MS
        return is_old or not self.progress.readable or listing.status != "ENABLED"

    def _relist(self) -> None:
        try:
            self.progress.relist(list_after(self._service, self.progress.position))
        except SourceError as error:
            self._error = self._error or error
            self._may_list = False

    def _read(self) -> None:
        """Read all that can be read without another listing, one request a shard at a time."""
        running: dict[Future[Page], tuple[str, int]] = {}
        with ThreadPoolExecutor(THREADS, thread_name_prefix="stream") as pool:
            while True:
                self._submit(pool, running)
                if not running:
                    return
                for each in wait(running, return_when=FIRST_COMPLETED).done:
                    shard_id, _ = running.pop(each)
                    try:
                        self._take(shard_id, each.result())
                    except SourceError as error:
                        self._error = self._error or error
                        self._failed.add(shard_id)

    def _submit(self, pool: ThreadPoolExecutor, running: dict[Future[Page], tuple[str, int]]) -> None:
        busy = {shard_id for shard_id, _ in running.values()} | self._failed
        wanted = [s for s in self.progress.readable if s not in busy and self._is_unread(s)]
        for shard_id in sorted(wanted, key=self.progress.turn):
            # What running requests may bring counts as read, so that the bound is one.
            left = self._bounds.max_records - len(self._records) - sum(limit for _, limit in running.values())
            if len(running) == THREADS or left < 1 or self._clock() >= self._bounds.deadline:
                return
            limit = min(left, MAX_RECORDS_PER_CALL)
            place, iterator = self.progress.places[shard_id], self.progress.iterators.get(shard_id)
            running[pool.submit(self._service.page, shard_id, place, iterator, limit)] = shard_id, limit

    def _take(self, shard_id: str, page: Page) -> None:
        self._records += page.records
        self._empty_pages[shard_id] = 0 if page.records else self._empty_pages.get(shard_id, 0) + 1
        self.progress.advance(shard_id, page)

    def _is_unread(self, shard_id: str) -> bool:
        """Say whether the shard should be asked for more; a closed one is, until it is drained."""
        patience = self._bounds.patience
        if self.progress.is_closed(shard_id):
            patience = max(patience, _PATIENCE_WITH_CLOSED)
        return self._empty_pages.get(shard_id, 0) < patience

    def _is_over(self) -> bool:
        return len(self._records) >= self._bounds.max_records or self._clock() >= self._bounds.deadline
