"""How far a table's stream was read: places that last, iterators that don't, and which shards may be read next."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace

from streamjoin.dynamodb.stream.client import Listing, Page
from streamjoin.shards.lineage import first_position, follow
from streamjoin.shards.position import TRIM_HORIZON, Position, PositionKind, ShardPosition

# How long a drained shard's children are waited for. A shard is closed because others follow it, but a listing may not
# name them yet: github.com/apache/flink-connector-aws/pull/151, github.com/awslabs/amazon-kinesis-client/issues/164.
_CHILDREN_AWAITED_MS = 60_000


class Progress:
    """Where each shard of a stream stands.

    Invariant: `iterators[s]` continues at `places[s]`. Only if nothing was read since the tip was noted does it
    continue later, at the tip, while the place is still the trim horizon.

    Invariant: a place's `caught_up_ms` is so early that its shard's records from before are read or unwanted, and that
    every shard which the position doesn't know is younger than the newest of them. So a process that starts at the
    position can tell whether anything after it may have been trimmed.

    Args:
        position: Where to begin.
        listing: Has lost nothing that follows the position.
        younger_than_ms: Shards that the position doesn't know are younger; None when that isn't known.

    Attributes:
        places: What a later process may start at.
        listing: The newest.
        iterators: Of the shards that have one.
        first_pages: What the notice of the tip gave and no poll has returned yet.
        readable: Shards with unread records whose parents are drained.
        is_waiting: Whether others wait for a parent to be drained.
        is_outdated: Whether a shard was drained since the listing, so that its children may be missing there.
    """

    def __init__(self, position: Position, listing: Listing, younger_than_ms: int | None) -> None:
        self.stream_arn = position.stream
        self.places: dict[str, ShardPosition] = dict(position.shards)
        self.iterators: dict[str, str] = {}
        self.first_pages: dict[str, Page] = {}
        self._younger_than_ms = younger_than_ms
        self._turns: dict[str, int] = {}
        self._childless_since_ms: dict[str, int] = {}
        self.relist(listing)

    @classmethod
    def at_tip(cls, stream_arn: str, listing: Listing, first_pages: Mapping[str, Page]) -> "Progress":
        """Return the progress of who wants what comes after `listing`; its open shards gave these pages."""
        noted = first_position(listing.shards, stream_arn, TRIM_HORIZON, skip_closed=True)
        places = {shard_id: replace(place, caught_up_ms=listing.at_ms) for shard_id, place in noted.shards.items()}
        progress = cls(Position(stream_arn, places), listing, listing.at_ms)
        progress.first_pages = dict(first_pages)
        return progress

    @classmethod
    def after(cls, position: Position, listing: Listing) -> "Progress":
        """Return the progress of who goes on from a position that an earlier process reached."""
        known_ms = [place.caught_up_ms for place in position.shards.values() if place.caught_up_ms is not None]
        return cls(position, listing, max(known_ms, default=None))

    def copy(self) -> "Progress":
        """Return one that goes on alone."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(other, name, dict(value))
        return other

    @property
    def position(self) -> Position:
        """What a later process may start at."""
        return Position(self.stream_arn, self.places)

    @property
    def is_drained(self) -> bool:
        """Whether every listed shard is closed and was read to its end."""
        return not self.readable and not self.is_waiting

    @property
    def awaits_children(self) -> bool:
        """Whether a drained shard's children should be listed and aren't."""
        awaited_ms = [self.listing.at_ms - since_ms for since_ms in self._childless_since_ms.values()]
        return self.listing.status == "ENABLED" and any(each < _CHILDREN_AWAITED_MS for each in awaited_ms)

    def turn(self, shard_id: str) -> int:
        """Return what orders shards by when they were read last, so that none waits for ever behind a busy one."""
        return self._turns.get(shard_id, 0)

    def is_closed(self, shard_id: str) -> bool:
        """Say whether the listing calls the shard closed."""
        return shard_id in self._closed

    def relist(self, listing: Listing) -> None:
        """Take in a listing: shards that it has and the position hasn't start at their beginning.

        An ancestor of a known shard is an exception: it was left out of an earlier listing, and is drained or unwanted.
        """
        new = ShardPosition(PositionKind.TRIM_HORIZON, caught_up_ms=self._younger_than_ms)
        old = ShardPosition(PositionKind.DRAINED, caught_up_ms=self._younger_than_ms)
        ancestors = _ancestors(listing, self.places.keys())
        found = {shard.shard_id: old if shard.shard_id in ancestors else new for shard in listing.shards}
        self.places = found | self.places
        self.listing, self._younger_than_ms, self.is_outdated = listing, listing.at_ms, False
        self._closed = {shard.shard_id for shard in listing.shards if shard.is_closed}
        self._follow()
        self._turns = {shard_id: turn for shard_id, turn in self._turns.items() if shard_id in self.places}
        parents = {parent_id for shard in listing.shards for parent_id in shard.parent_ids}
        self._childless_since_ms = {
            shard.shard_id: self._childless_since_ms.get(shard.shard_id, listing.at_ms)
            for shard in listing.shards
            if shard.shard_id not in parents and self.places[shard.shard_id].kind is PositionKind.DRAINED
        }

    def advance(self, shard_id: str, page: Page) -> None:
        """Go past what a page of the shard gave."""
        self._turns[shard_id] = max(self._turns.values(), default=0) + 1
        if page.records:
            last = page.records[-1]
            caught_up_ms = self.places[shard_id].caught_up_ms
            if last.created_at_ms is not None:
                caught_up_ms = min(last.created_at_ms, self.listing.at_ms)
            self.places[shard_id] = ShardPosition(
                PositionKind.AFTER, sequence_number=last.sequence_number, caught_up_ms=caught_up_ms
            )
        if page.next_iterator is not None:
            self.iterators[shard_id] = page.next_iterator
            return
        self.iterators.pop(shard_id, None)
        self.places[shard_id] = ShardPosition(PositionKind.DRAINED, caught_up_ms=self.listing.at_ms)
        self.is_outdated = True
        self._follow()

    def _follow(self) -> None:
        lineage = follow(self.listing.shards, self.position, self.listing.at_ms, fail_on_data_loss=False)
        self.places = dict(lineage.position.shards)
        self.readable, self.is_waiting = lineage.readable, bool(lineage.waiting)


def _ancestors(listing: Listing, shard_ids: Iterable[str]) -> set[str]:
    parents = {shard.shard_id: shard.parent_ids for shard in listing.shards}
    found: set[str] = set()
    rest = list(shard_ids)
    while rest:
        unseen = set(parents.get(rest.pop(), ())) - found
        found |= unseen
        rest += unseen
    return found


def lost_before(listing: Listing, position: Position) -> str | None:
    """Return what the stream had after `position` and no longer has at `listing`, as a clause; None if all is there.

    Every shard that came after a position descends from a shard in it: one without a known parent shows that shards
    between were trimmed before they were read.
    """
    gone = follow(listing.shards, position, listing.at_ms, fail_on_data_loss=False).gone
    if gone:
        shard_id, place = gone[0]
        return f"shard '{shard_id}', read to {place}, is no longer listed: what followed was trimmed unread"
    return None
