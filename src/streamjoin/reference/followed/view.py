"""What a table's feed keeps true: the rows of one reference."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from streamjoin.dynamodb.stream.stream import ChangeRecord
from streamjoin.dynamodb.table import TableDescription
from streamjoin.reference.followed.index import ItemChange, Rank


class View(Protocol):
    """What a feed keeps true: the rows of one reference."""

    @property
    def attributes(self) -> Sequence[str]:
        """The attributes that it needs."""

    @property
    def join_attributes(self) -> Sequence[str]:
        """Those of the join key."""

    @property
    def max_staleness_seconds(self) -> float:
        """How old the items may get before it must do without them."""

    def load(self, description: TableDescription, items: Mapping[Rank, bytes]) -> None:
        """Take in the table's items for the first time; they stay the feed's."""

    def replayed(self, records: Sequence[ChangeRecord] | None) -> None:
        """Learn what changed since the position that was asked for, None if it isn't known; called after `load`."""

    def apply(self, changes: Sequence[ItemChange]) -> None:
        """Follow changes of items."""
