"""What a table's stream lost: where each shard stood, until what it still has shows what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from streamjoin.dynamodb.stream.client import ChangeRecord
from streamjoin.shards.position import LostRange, Position, PositionKind, ShardRange, sequence_order


@dataclass
class Gaps:
    """The shards that are read again from their oldest change, and the last change that was read of each before.

    Invariant: a shard is in here as long as it has given nothing after that change. Its place is the old one until
    then, so that a process that starts there meets the gap again.

    Args:
        after: Shard -> its last change that was read; None: there was none.
    """

    after: dict[str, str | None] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, position: Position) -> Self:
        """Return the gaps of a stream that lost something after `position`, in a shard that isn't known."""
        places = position.shards.items()
        return cls({shard_id: p.sequence_number for shard_id, p in places if p.kind is not PositionKind.DRAINED})

    def __contains__(self, shard_id: str) -> bool:
        return shard_id in self.after

    def unread(self, records: Iterable[ChangeRecord]) -> list[ChangeRecord]:
        """Return the records that were not read before; a shard that still has older ones has lost nothing."""
        unread = []
        for record in records:
            after = self.after.get(record.shard_id)
            if after is not None and sequence_order(record.sequence_number) <= sequence_order(after):
                self._held.add(record.shard_id)
            else:
                unread.append(record)
        return unread

    def lost(self, shard_id: str, first: str | None, *, is_over: bool) -> LostRange | None:
        """Return what a shard lost, as far as what was read of it tells.

        Args:
            shard_id: The shard.
            first: The first change after the gap; None: none came yet.
            is_over: Whether none comes any more, or for now.
        """
        if shard_id not in self.after or shard_id in self._held or (first is None and not is_over):
            return None
        return LostRange(self.after[shard_id], first)

    def covered(self, found: Position, before: Position) -> Position:
        """Return the position `found`, but with the shards that are still in here where they stood `before`."""
        places = {shard_id: before.shards[shard_id] for shard_id in self.after if shard_id in found.shards}
        return Position(found.stream, {**found.shards, **places})

    def forget(self, ranges: Iterable[ShardRange]) -> None:
        """Forget the shards of which a batch tells."""
        for read in ranges:
            self.after.pop(read.shard_id, None)
