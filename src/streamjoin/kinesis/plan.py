"""What a batch is to read from a Kinesis stream: values only, small enough to travel to executors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import pyarrow as pa

from streamjoin.errors import ConfigError, SourceError
from streamjoin.shards.position import QUERIES, LostRange, Position, ShardPosition, ShardRange


class StreamSettings(Protocol):
    """The part of `source.kinesis` that says which stream, and how it is reached."""

    @property
    def stream_name(self) -> str | None: ...  # noqa: D102
    @property
    def stream_arn(self) -> str | None: ...  # noqa: D102
    @property
    def region(self) -> str | None: ...  # noqa: D102
    @property
    def role_arn(self) -> str | None: ...  # noqa: D102
    @property
    def fail_on_data_loss(self) -> bool: ...  # noqa: D102
    @property
    def fan_out(self) -> str | None: ...  # noqa: D102


class LimitSettings(Protocol):
    """The part of `limits` that bounds a batch."""

    @property
    def max_records_per_batch(self) -> int: ...  # noqa: D102
    @property
    def max_bytes_per_batch(self) -> int: ...  # noqa: D102


class StartSettings(Protocol):
    """The part of `source.kinesis` that says where the first start begins."""

    @property
    def starting_position(self) -> Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]: ...  # noqa: D102
    @property
    def timestamp(self) -> datetime | None: ...  # noqa: D102


Split: TypeAlias = Callable[[Sequence[bytes]], list[list[bytes]]]


@dataclass(frozen=True)
class Stream:
    """A Kinesis stream and how it is read.

    Args:
        name: The stream's name.
        arn: Needed for a stream of another account that shares it by policy.
        region: Default: the SDK's.
        role_arn: A role to assume for it.
        fail_on_data_loss: Stop when the stream no longer holds the position; else record the lost range and go on.
        split: Takes the payloads of one record apart: gives for each those that it holds. Default: itself.
        fan_out: The enhanced fan-out consumer by which it is read; registered if it is missing. Default: it is polled.
    """

    name: str
    arn: str | None = None
    region: str | None = None
    role_arn: str | None = None
    fail_on_data_loss: bool = True
    split: Split | None = None
    fan_out: str | None = None

    @classmethod
    def from_config(cls, settings: StreamSettings, split: Split | None = None) -> "Stream":
        """Return the stream of `source.kinesis`; its region is the ARN's when only that says it."""
        arn = settings.stream_arn
        name = settings.stream_name or (arn.rpartition("/")[2] if arn else "")
        if not name:
            problem = "source.kinesis: neither stream_name nor stream_arn; give one of them"
            raise ConfigError([problem])
        region = settings.region or (arn.split(":")[3] if arn else None)
        return cls(name, arn, region, settings.role_arn, settings.fail_on_data_loss, split, settings.fan_out)

    @property
    def identity(self) -> str:
        """What a position names: the ARN when known, else the name."""
        return self.arn or self.name

    def is_of(self, position: Position) -> bool:
        """Say whether the position belongs to this stream, as far as ARN and name tell."""
        if self.arn and position.stream.startswith("arn:"):
            return position.stream == self.arn
        return position.stream.rpartition("/")[2] == self.name

    def check(self, position: Position) -> None:
        """Make sure that the position belongs to this stream.

        Raises:
            SourceError: It is another one's.
        """
        if position.stream == QUERIES:
            message = (
                f"stream '{self.identity}': the table's position is of streaming queries (foreach_batch): "
                f"{', '.join(map(repr, position.shards))}. A table has either such queries or a job that reads its "
                "stream itself: set sink.hudi.base_path to another table."
            )
            raise SourceError(message)
        if not self.is_of(position):
            message = (
                f"stream '{self.identity}': the table's position is of stream '{position.stream}'. Set "
                "source.kinesis back to that one, or sink.hudi.base_path to another table."
            )
            raise SourceError(message)


@dataclass(frozen=True)
class BatchLimits:
    """What a batch may hold at most. Each shard may give one stream record, however large, so that none gets stuck.

    Args:
        records: Rows, that is user records.
        bytes: Payload bytes.
        seconds: Time to read; then each read ends where it is, after one request at least.
    """

    records: int
    bytes: int
    seconds: float = 20.0

    @classmethod
    def of(cls, settings: LimitSettings) -> "BatchLimits":
        """Return what `limits` of a configuration says."""
        return cls(settings.max_records_per_batch, settings.max_bytes_per_batch)

    def share(self, shards: int) -> "BatchLimits":
        """Return the equal share of one of `shards`; a shard that gives much must not starve the others."""
        count = max(1, shards)
        return BatchLimits(max(1, self.records // count), max(1, self.bytes // count), self.seconds)


@dataclass(frozen=True)
class ShardRead:
    """One shard's part of a plan.

    Args:
        shard_id: The shard.
        start: Where the read starts.
        limits: The shard's share.
        lost: The shard is gone, with the records of this range: nothing is read, the range is reported.
    """

    shard_id: str
    start: ShardPosition
    limits: BatchLimits
    lost: LostRange | None = None


@dataclass(frozen=True)
class Plan:
    """What one batch reads.

    Args:
        stream: The stream.
        position: What the batch starts from: the position asked for, brought up to date with the listing. Advance
            this one, not the older: it has forgotten the drained shards that the stream forgot.
        reads: One a shard, by shard id; may be empty.
        limits: For all shards together.
        through_executors: Large enough for tasks (`read`); else driver threads (`fetch`) are faster.
        waiting: Shards that wait until their parents are drained, and drained ones whose children aren't listed yet.
    """

    stream: Stream
    position: Position
    reads: tuple[ShardRead, ...]
    limits: BatchLimits
    through_executors: bool
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """What driver threads read.

    Args:
        table: Columns as `schema.RECORD_SCHEMA`; each shard's records together and in order.
        ranges: One a read of the plan, by shard id; empty for shards that gave no answer in time.
    """

    table: pa.Table
    ranges: tuple[ShardRange, ...]
