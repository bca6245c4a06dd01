"""Which rows of the table a change of the reference has not reached yet: the join keys that wait to be rewritten."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from streamjoin.errors import SourceError
from streamjoin.reference.followed.index import Row
from streamjoin.shards.position import Position

# Beyond it, comparing all rows with the whole reference is less work than looking for so many keys.
MOST_KEYS = 50_000


@dataclass(frozen=True)
class Mark:
    """A version of the reference, and where its table stood then.

    Args:
        version: The snapshot's.
        content_hash: Equal for equal rows.
        as_of: What was in the table by then is in it; seconds since 1970.
        stream: Where the table's stream had been read to.
    """

    version: int
    content_hash: str
    as_of: float
    stream: Position | None

    def to_dict(self) -> dict[str, Any]:
        """Return the mark as it stands in a commit."""
        return {
            "version": self.version,
            "content_hash": self.content_hash,
            "as_of": datetime.fromtimestamp(self.as_of, UTC).isoformat(),
            "stream": None if self.stream is None else self.stream.to_json(),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Mark":
        """Return the mark of a commit; without a position if that can't be read."""
        try:
            stream = None if found["stream"] is None else Position.from_json(found["stream"])
        except SourceError:
            stream = None
        as_of = datetime.fromisoformat(found["as_of"]).timestamp()
        return cls(int(found["version"]), str(found["content_hash"]), as_of, stream)


@dataclass(frozen=True)
class PendingKey:
    """A join key whose row changed.

    Args:
        values: The key's values, in the order of `on`.
        age: When the first change that was not rewritten yet was noticed; seconds since 1970.
    """

    values: Row
    age: float


@dataclass(frozen=True)
class Pending:
    """What is left to rewrite of one reference.

    Invariant: a row of the table differs from what a join with the newest version would give only if its join key is
    in `keys`, or while `everything` is true.

    Args:
        rewritten: All rows of the table have at least the values of this version.
        later: The versions after it, the oldest first; the last one is the newest.
        keys: The join keys that wait, by their text.
        everything: Which keys changed isn't known: every row has to be looked at.
    """

    rewritten: Mark
    later: tuple[Mark, ...] = ()
    keys: Mapping[str, PendingKey] = field(default_factory=dict)
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether every row of the table is true."""
        return not self.keys and not self.everything

    def noticed(self, newest: Mark, changed: Mapping[str, Row]) -> "Pending":
        """Return this with a version more, and the join keys that it changed."""
        # Ages decide the order: a clock that was set back must not mix them up.
        last = self.later[-1] if self.later else self.rewritten
        newest = replace(newest, as_of=max(newest.as_of, last.as_of))
        if self.is_empty and not changed:
            return Pending(newest)
        if self.everything:
            return replace(self, later=(newest,))
        if not changed:
            # Nothing new to wait for: the same version, or one whose changes are known already.
            return replace(self, later=(*self.later[:-1], newest) if self._is_last(newest) else (*self.later, newest))
        keys = {text: PendingKey(values, newest.as_of) for text, values in changed.items()}
        found = replace(self, later=(*self.later, newest), keys={**keys, **self.keys})
        return found.unknown() if len(found.keys) > MOST_KEYS else found

    def _is_last(self, mark: Mark) -> bool:
        return bool(self.later) and self.later[-1].version == mark.version

    def unknown(self) -> "Pending":
        """Return this with every row to be looked at."""
        return replace(self, keys={}, everything=True)

    def rest(self, left_from: float | None) -> "Pending":
        """Return what is left after a pass.

        Args:
            left_from: Keys of this age or younger may have rows left; None: no row is left.
        """
        newest = self.later[-1] if self.later else self.rewritten
        if self.everything and left_from is not None:
            return self
        keys = {text: key for text, key in self.keys.items() if left_from is not None and key.age >= left_from}
        if left_from is None or not keys:
            return Pending(newest)
        done = [mark for mark in self.later if mark.as_of < left_from]
        return Pending(
            rewritten=done[-1] if done else self.rewritten,
            later=tuple(mark for mark in self.later if mark.as_of >= left_from),
            keys=keys,
        )
