"""Shard lineage: which shards may be read now. Pure; the shapes of Kinesis and of DynamoDB Streams fit it alike.

The service gives a record key's events in order only to readers that finish a parent before its children
(docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streamjoin.errors import DataLossError
from streamjoin.sources.position import (
    DRAINED,
    TRIM_HORIZON,
    LostRange,
    Position,
    PositionKind,
    ShardPosition,
    ShardRange,
    sequence_order,
)

__all__ = [
    "DRAINED",
    "TRIM_HORIZON",
    "Lineage",
    "LostRange",
    "Position",
    "PositionKind",
    "Shard",
    "ShardPosition",
    "ShardRange",
    "first_position",
    "follow",
    "is_outdated",
    "sequence_order",
]


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
        position: The one given, with the shards found since and without the drained ones that the listing forgot.
        readable: Shards to read now, by id.
        waiting: Shards that wait for a parent to be drained, by id.
        gone: Shards whose unread rest went with them, with where they stood; they count as drained.
    """

    position: Position
    readable: tuple[str, ...]
    waiting: tuple[str, ...]
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
    return False


def follow(shards: Iterable[Shard], position: Position, *, fail_on_data_loss: bool) -> Lineage:
    """Find the shards to read now: each only when all its parents are drained.

    A shard that the position doesn't know was made after the first start and is read from TRIM_HORIZON, also when
    the job was started at LATEST. A parent that neither listing nor position knows is gone, and counts as drained.

    Raises:
        DataLossError: A shard of the position is no longer listed and not drained, and `fail_on_data_loss` is true.
    """
    listed = {s.shard_id: s for s in shards}
    places = {shard_id: TRIM_HORIZON for shard_id in listed} | dict(position.shards)
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
    kept = {shard_id: place for shard_id, place in places.items() if shard_id in listed or shard_id in lost}
    return Lineage(Position(position.stream, kept), readable, waiting, gone)
