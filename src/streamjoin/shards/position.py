"""Where the reading of a stream stands, shard by shard: what a commit carries, and how a batch moves it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from streamjoin.errors import SourceError

# What the position of a table names as its stream if streaming queries write it. Its "shards" are the queries, by their
# ids, and a "sequence number" is a batch id of Spark's. No stream of Kinesis can be called so.
QUERIES: Final = "Structured Streaming"


class PositionKind(StrEnum):
    """How a shard's next read is opened."""

    TRIM_HORIZON = "TRIM_HORIZON"
    AT_TIMESTAMP = "AT_TIMESTAMP"
    AFTER = "AFTER"
    DRAINED = "DRAINED"


def sequence_order(number: str) -> tuple[int, str]:
    """Return the sort key of a sequence number; compare two numbers of one shard by it, never as text.

    Sequence numbers are decimal strings of varying width (up to 56 digits in the service, 30 in an emulator), so
    without leading zeros the longer one is the greater, and among equals of length text order is number order.
    """
    digits = number.lstrip("0")
    return len(digits), digits


@dataclass(frozen=True)
class ShardPosition:
    """Where the next read of one shard starts.

    Args:
        kind: A shard from which nothing was read yet keeps the kind that it was started with.
        timestamp_ms: With `AT_TIMESTAMP`: records that arrived earlier aren't wanted.
        sequence_number: With `AFTER`: the last record read (the outer one when it is aggregated).
        caught_up_ms: Every record that arrived before this time was read or isn't wanted. While it lies within the
            stream's retention period, nothing after the position can have been trimmed. With `DRAINED`: likewise, and
            the shard was still open then.
        unlisted_ms: With `DRAINED`: since when the stream was seen not to list the shard; None while it does.
    """

    kind: PositionKind
    timestamp_ms: int | None = None
    sequence_number: str | None = None
    caught_up_ms: int | None = None
    unlisted_ms: int | None = None

    @property
    def place(self) -> tuple[str, int | None, str | None]:
        """The position without what is known about it: equal places read the same records."""
        return self.kind.value, self.timestamp_ms, self.sequence_number

    def __str__(self) -> str:
        detail = self.sequence_number or self.timestamp_ms
        return self.kind.value if detail is None else f"{self.kind.value} {detail}"


TRIM_HORIZON = ShardPosition(PositionKind.TRIM_HORIZON)
DRAINED = ShardPosition(PositionKind.DRAINED)


@dataclass(frozen=True)
class LostRange:
    """Records that the stream held once and no longer does.

    Args:
        after: The last record read before the gap; None when none was read.
        first_available: The first record after the gap; None when there is none yet.
    """

    after: str | None
    first_available: str | None


@dataclass(frozen=True)
class ShardRange:
    """What one batch read from one shard.

    Args:
        shard_id: The shard.
        first: Sequence number of the first record (the outer one when it is aggregated); None when nothing was read.
        last: Likewise of the last record.
        records: Rows, that is user records.
        bytes: Payload bytes of these.
        drained: The shard is closed and was read to its end.
        millis_behind_latest: The shard's lag at the end of the read; None when it could not be asked.
        read_at_ms: When the last request was sent.
        lost: What was skipped because the stream no longer held it (only with `fail_on_data_loss: false`).
        after: Sequence number of the record after which the read began; None if none had been read before. It is
            the `last` of an earlier batch, or a record is missing between the two.
        last_arrived_ms: When the last record arrived; None when nothing was read.
        empty: User records that were read and hold no event, so that they are none of `records`.
    """

    shard_id: str
    first: str | None
    last: str | None
    records: int
    bytes: int
    drained: bool
    millis_behind_latest: int | None
    read_at_ms: int
    lost: LostRange | None = None
    after: str | None = None
    last_arrived_ms: int | None = None
    empty: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the range as JSON values."""
        values = asdict(self)
        return values if self.empty else {key: value for key, value in values.items() if key != "empty"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ShardRange":
        """Read what `to_dict` gave."""
        lost = values.get("lost")
        return cls(**{**values, "lost": LostRange(**lost) if lost else None})


def _advanced(old: ShardPosition, read: ShardRange) -> ShardPosition:
    if read.drained:
        # Closed after its last record, and after it was last found caught up and open: so its children are younger.
        known_ms = max((ms for ms in (old.caught_up_ms, read.last_arrived_ms) if ms is not None), default=None)
        return ShardPosition(PositionKind.DRAINED, caught_up_ms=known_ms)
    caught_up_ms = read.read_at_ms if read.millis_behind_latest == 0 else old.caught_up_ms
    if read.last is not None:
        return ShardPosition(PositionKind.AFTER, sequence_number=read.last, caught_up_ms=caught_up_ms)
    if read.lost is not None:
        # The gap is recorded with this batch: the next one must not meet it again.
        known_ms = read.read_at_ms if read.millis_behind_latest == 0 else None
        return ShardPosition(PositionKind.TRIM_HORIZON, caught_up_ms=known_ms)
    return ShardPosition(old.kind, old.timestamp_ms, old.sequence_number, caught_up_ms)


@dataclass(frozen=True)
class Position:
    """Where the next batch starts, for every shard known.

    Args:
        stream: The stream's ARN when known, else its name.
        shards: Shards that aren't here were not known yet: they start at TRIM_HORIZON.
    """

    stream: str
    shards: Mapping[str, ShardPosition]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shards", MappingProxyType(dict(self.shards)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Position, (self.stream, dict(self.shards))

    def advance(self, ranges: Iterable[ShardRange]) -> "Position":
        """Return the position after a batch of these ranges; shards without a range stay where they are."""
        moved = {r.shard_id: _advanced(self.shards.get(r.shard_id, TRIM_HORIZON), r) for r in ranges}
        return Position(self.stream, {**self.shards, **moved})

    def to_json(self) -> str:
        """Return compact JSON, the same text for equal positions."""
        shards = {
            shard_id: {key: value for key, value in asdict(position).items() if value is not None}
            for shard_id, position in self.shards.items()
        }
        return json.dumps({"stream": self.stream, "shards": shards}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Position":
        """Read what `to_json` gave.

        Raises:
            SourceError: The text isn't a position.
        """
        try:
            value = json.loads(text)
            shards = {
                shard_id: ShardPosition(**{**fields, "kind": PositionKind(fields["kind"])})
                for shard_id, fields in value["shards"].items()
            }
            return cls(str(value["stream"]), shards)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = (
                f"{text[:80]!r} is not a position of a stream ({error!r}). "
                "See where the table stands with: streamjoin checkpoint show CONFIG"
            )
            raise SourceError(message) from error
