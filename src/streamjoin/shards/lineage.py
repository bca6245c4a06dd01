"""Shard lineage: which shards may be read now. Pure; the shapes of Kinesis and of DynamoDB Streams fit it alike.

The service gives a record key's events in order only to readers that finish a parent before its children
(docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from streamjoin.errors import DataLossError
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position, PositionKind, ShardPosition

# How long a drained shard is remembered that is no longer listed, in case a later listing has it again: read once more,
# its old records would come after the newer ones of its children.
REMEMBERED_MS = 24 * 3_600_000


@dataclass(frozen=True)
class Shard:
    """A shard as the service lists it.

    Args:
        shard_id: Unique in its stream, for ever.
        parent_ids: None at first, one after a split, two after a merge; they may no longer be listed.
        starting_sequence_number: Where its range begins.
        ending_sequence_number: None while it is open. A closed shard isn't a finished one: it may be unread.
    """

    shard_id: str
    parent_ids: tuple[str, ...]
    starting_sequence_number: str
    ending_sequence_number: str | None

    @property
    def is_closed(self) -> bool:
        """Whether no record can be added any more."""
        return self.ending_sequence_number is not None


@dataclass(frozen=True)
class Lineage:
    """What may be read, given a listing and a position.

    Args:
        position: The one given, with the shards found since and without the drained ones that listings forgot.
        readable: Shards to read now, by id.
        waiting: Shards that wait for a parent to be drained, by id.
        childless: Drained shards that are listed without a shard that follows them.
        gone: Shards whose unread rest went with them, with where they stood; they count as drained.
    """

    position: Position
    readable: tuple[str, ...]
    waiting: tuple[str, ...]
    childless: tuple[str, ...]
    gone: tuple[tuple[str, ShardPosition], ...]


def first_position(shards: Iterable[Shard], stream: str, start: ShardPosition, *, skip_closed: bool) -> Position:
    """Return the position of a first start: `start` for every listed shard, so that a restart misses nothing.

    Args:
        shards: The listing.
        stream: What the position names itself after.
        start: TRIM_HORIZON or AT_TIMESTAMP.
        skip_closed: Take closed shards as drained, since nothing new comes to them (LATEST).
    """
    return Position(stream, {s.shard_id: DRAINED if skip_closed and s.is_closed else start for s in shards})


def is_outdated(shards: Sequence[Shard], position: Position) -> bool:
    """Say whether the position knows of shards more than the listing does, so that the listing must be renewed."""
    listed = {s.shard_id: s for s in shards}
    for shard_id, place in position.shards.items():
        shard = listed.get(shard_id)
        drained = place.kind is PositionKind.DRAINED
        if (shard is None and not drained) or (shard is not None and drained and not shard.is_closed):
            return True
    return bool(_childless(listed, position.shards))


def _childless(listed: Mapping[str, Shard], places: Mapping[str, ShardPosition]) -> tuple[str, ...]:
    """Return the listed shards that are drained and have no child: a shard is closed because others follow it."""
    parents = {parent_id for shard in listed.values() for parent_id in shard.parent_ids}
    drained = (s for s in listed if s in places and places[s].kind is PositionKind.DRAINED)
    return tuple(sorted(shard_id for shard_id in drained if shard_id not in parents))


def follow(shards: Iterable[Shard], position: Position, now_ms: int, *, fail_on_data_loss: bool) -> Lineage:
    """Find the shards to read now: each only when all its parents are drained.

    A shard that the position doesn't know was made after the first start and is read from TRIM_HORIZON, also when
    the job was started at LATEST. A parent that neither listing nor position knows counts as drained; it went unread
    when its child is new.
    A drained shard is forgotten when it hasn't been listed for `REMEMBERED_MS`.

    Args:
        shards: The listing.
        position: What was read.
        now_ms: When it was listed, in milliseconds since the epoch.
        fail_on_data_loss: What to do about a shard whose unread rest went with it: raise, or name it in `gone`.

    Raises:
        DataLossError: A shard of the position is no longer listed and not drained, and `fail_on_data_loss` is true.
    """
    listed = {s.shard_id: s for s in shards}
    places = {shard_id: TRIM_HORIZON for shard_id in listed} | _unseen(listed, position) | dict(position.shards)
    places |= _dated(listed, places)
    gone = tuple(
        (shard_id, place)
        for shard_id, place in sorted(places.items())
        if shard_id not in listed and place.kind is not PositionKind.DRAINED
    )
    if gone and fail_on_data_loss:
        shard_id, place = gone[0]
        more = f" (and {len(gone) - 1} more shards)" if len(gone) > 1 else ""
        message = (
            f"stream '{position.stream}' shard '{shard_id}'{more}: position {place} is in a shard that the stream no "
            "longer lists; the records after it are gone. Set source.kinesis.fail_on_data_loss: false to go on with "
            "the shards that followed it."
        )
        raise DataLossError(message)
    lost = {shard_id for shard_id, _ in gone}

    def is_done(parent_id: str) -> bool:
        place = places.get(parent_id)
        return place is None or place.kind is PositionKind.DRAINED or parent_id in lost

    unread = [s for _, s in sorted(listed.items()) if places[s.shard_id].kind is not PositionKind.DRAINED]
    readable = tuple(s.shard_id for s in unread if all(map(is_done, s.parent_ids)))
    waiting = tuple(s.shard_id for s in unread if not all(map(is_done, s.parent_ids)))
    kept = {shard_id: _noted(place, now_ms, is_listed=shard_id in listed) for shard_id, place in places.items()}
    remembered = {s: place for s, place in kept.items() if now_ms - (place.unlisted_ms or now_ms) <= REMEMBERED_MS}
    childless = _childless(listed, remembered)
    return Lineage(Position(position.stream, remembered), readable, waiting, childless, gone)


def _unseen(listed: Mapping[str, Shard], position: Position) -> dict[str, ShardPosition]:
    """Return the places of shards that came and went between two listings: only new shards name them, as parents."""
    if not position.shards:
        return {}
    new = [shard for shard_id, shard in listed.items() if shard_id not in position.shards]
    parents = {parent_id for shard in new for parent_id in shard.parent_ids}
    return dict.fromkeys(sorted(parents - listed.keys() - position.shards.keys()), TRIM_HORIZON)


def _dated(listed: Mapping[str, Shard], places: Mapping[str, ShardPosition]) -> dict[str, ShardPosition]:
    """Return the places of unread children with since when there can be records in them: their parents were open then.

    So a reader that opens them knows if one may have been trimmed. A parent that is gone was closed for longer than
    the stream keeps records: if nothing says when it was open, 0 does.
    """
    dated: dict[str, ShardPosition] = {}
    for shard_id, shard in listed.items():
        parents = [(places[p], p in listed) for p in shard.parent_ids if p in places]
        known_ms = [ms for place, is_listed in parents if (ms := _open_ms(place, is_listed=is_listed)) is not None]
        if places[shard_id] == TRIM_HORIZON and known_ms:
            dated[shard_id] = replace(TRIM_HORIZON, caught_up_ms=max(known_ms))
    return dated


def _open_ms(parent: ShardPosition, *, is_listed: bool) -> int | None:
    if _is_drained(parent):
        return parent.caught_up_ms
    return None if is_listed else parent.caught_up_ms or 0


def _is_drained(place: ShardPosition) -> bool:
    return place.kind is PositionKind.DRAINED


def _noted(place: ShardPosition, now_ms: int, *, is_listed: bool) -> ShardPosition:
    """Return a shard's place with since when it is no longer listed; only what is drained may be forgotten by that."""
    unlisted_ms = None
    if not is_listed and place.kind is PositionKind.DRAINED:
        unlisted_ms = now_ms if place.unlisted_ms is None else place.unlisted_ms
    return place if unlisted_ms == place.unlisted_ms else replace(place, unlisted_ms=unlisted_ms)
