"""What all calls to one stream have in common: where it is, their pace, and their errors in streamjoin's words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from streamjoin.aws.errors import THROTTLED, Remedies, translated
from streamjoin.errors import SourceError
from streamjoin.kinesis.clock import Clock
from streamjoin.kinesis.pace import CallPace
from streamjoin.kinesis.plan import Stream
from streamjoin.shards.position import ShardPosition

REMEDIES = Remedies(
    missing="Check source.kinesis.stream_name, stream_arn and region.",
    denied=(
        "Allow kinesis:ListShards, kinesis:GetShardIterator, kinesis:GetRecords and kinesis:DescribeStreamSummary on "
        "the stream to the job's role, or set source.kinesis.role_arn to a role that has them."
    ),
    throttled="See what else reads or lists this stream.",
    unreachable="Check the network, the credentials, source.kinesis.region and AWS_ENDPOINT_URL.",
)


class IteratorExpiredError(Exception):
    """The shard iterator is too old; open another."""


class ListingExpiredError(Exception):
    """The listing's next page was asked for too late; begin again."""


class ThrottledError(Exception):
    """The shard's read throughput is used up, or another reader of the same name is in; nothing was read."""


class SequenceNumberNotHeldError(Exception):
    """The service refuses to open an iterator at this position."""


class GapError(Exception):
    """What follows the records that were read before is no longer held."""


class ShardGoneError(Exception):
    """The stream is there, the shard no longer."""


@dataclass(frozen=True)
class Page:
    """Records of one shard that follow each other.

    Args:
        records: In the service's shape; none may be missing between two.
        next_iterator: Continues after them; None at the end of a closed shard.
        millis_behind_latest: The lag after them.
        as_of_ms: If that is 0: every record that arrived before this time is among the page's or came earlier.
    """

    records: list[dict[str, Any]]
    next_iterator: str | None
    millis_behind_latest: int
    as_of_ms: int


class Pages(Protocol):
    """A way to read shards. A shard's calls are one thread's at a time.

    What may be raised by each: `ThrottledError`, `ShardGoneError`, and `SourceError` for all that is not said below.
    """

    def open(self, shard_id: str, position: ShardPosition, *, is_near_trim_horizon: bool = False) -> str:
        """Return an iterator whose first record is the position's own, or the first one from its time on.

        Args:
            shard_id: The shard.
            position: Where to begin.
            is_near_trim_horizon: Whether what follows may be trimmed within minutes.

        Raises:
            SequenceNumberNotHeldError: The service doesn't know the position.
        """

    def records(self, shard_id: str, iterator: str, limit: int) -> Page:
        """Return the next page, of `limit` records at most.

        Raises:
            IteratorExpiredError: Open another and go on.
        """

    def within(self, shard_id: str, iterator: str, count: int) -> str | None:
        """Return what continues after the first `count` records of the page that `iterator` gave; None: open another.

        Of no use once that page's own next iterator was read with.
        """

    def await_news(self, shard_ids: list[str]) -> None:
        """Wait, a moment at most, until one of the shards has something to give, or can't tell without being asked."""


class StreamCalls:
    """The calls to one stream, whoever makes them.

    Args:
        stream: The stream.
        client: boto3's Kinesis client.
        clock: Where time comes from.
        pace: When each shard may be asked again.
    """

    def __init__(self, stream: Stream, client: Any, clock: Clock, pace: CallPace) -> None:
        self.stream, self.client, self.clock, self.pace = stream, client, clock, pace
        self.address = {"StreamARN": stream.arn} if stream.arn else {"StreamName": stream.name}

    def summary(self) -> dict[str, Any]:
        """Return what `DescribeStreamSummary` says.

        Raises:
            SourceError: Stream missing, denied or unreachable.
        """
        with self.errors("DescribeStreamSummary"):
            answer = self.client.describe_stream_summary(**self.address)
        return dict(answer["StreamDescriptionSummary"])

    @contextmanager
    def errors(
        self,
        operation: str,
        shard_id: str | None = None,
        not_held: str | None = None,
        remedies: Remedies = REMEDIES,
    ) -> Iterator[None]:
        """Turn the SDK's errors of one call into what reading can go on from, or into `SourceError`.

        Args:
            operation: The service's name of the call.
            shard_id: With a call of one shard.
            not_held: The code that says that the position isn't known.
            remedies: What to do about the rest.
        """
        meanings: dict[str, Callable[[str], Exception]] = {"ExpiredNextTokenException": ListingExpiredError}
        if shard_id is not None:
            meanings |= dict.fromkeys(THROTTLED | {"ResourceInUseException"}, ThrottledError)
            meanings |= {"ExpiredIteratorException": IteratorExpiredError, "ResourceNotFoundException": ShardGoneError}
            if not_held is not None:
                meanings[not_held] = SequenceNumberNotHeldError
        place = self.stream.region or "the SDK's default region"
        shard = f" shard '{shard_id}'" if shard_id else ""
        failed = f"stream '{self.stream.name}'{shard} in {place}: {operation}"
        try:
            with translated(SourceError, failed, remedies, meanings):
                yield
        except ShardGoneError:
            # The same code says that the stream is missing: then this raises, and says so.
            self.summary()
            raise
