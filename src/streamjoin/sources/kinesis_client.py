"""The Kinesis calls that reading needs, paced and with their errors in streamjoin's words.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: per shard 5 `GetRecords`
a second and 2 MiB/s, shared by all its consumers; 10,000 records or 10 MiB a call; iterators live 5 minutes.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from streamjoin.clients import aws_client
from streamjoin.errors import SourceError
from streamjoin.sources.kinesis_plan import Stream
from streamjoin.sources.position import Position, PositionKind, ShardPosition
from streamjoin.sources.shards import Shard, is_outdated

MAX_RECORDS_PER_CALL = 10_000
SECONDS_BETWEEN_CALLS = 0.2
LISTING_MAX_AGE_SECONDS = 60.0

_ACTIONS = "kinesis:ListShards, kinesis:GetShardIterator, kinesis:GetRecords, kinesis:DescribeStreamSummary"
_THROTTLED = {"ProvisionedThroughputExceededException", "LimitExceededException", "KMSThrottlingException"}
_DENIED = {"AccessDeniedException", "AccessDenied", "KMSAccessDeniedException"}


class IteratorExpiredError(Exception):
    """The shard iterator is too old; open another."""


class ThrottledError(Exception):
    """The shard's read throughput is used up; nothing was read."""


class SequenceNumberNotHeldError(Exception):
    """The service refuses to open an iterator at this position."""


class ShardGoneError(Exception):
    """The stream is there, the shard no longer."""


@dataclass(frozen=True)
class Page:
    """One answer of `GetRecords`; `next_iterator` is None at the end of a closed shard."""

    records: list[dict[str, Any]]
    next_iterator: str | None
    millis_behind_latest: int


@dataclass(frozen=True)
class ShardMemory:
    """What is kept of a shard between two batches.

    Invariant: `iterator` continues exactly at `place`; a read that starts elsewhere must not use it.

    Args:
        place: `ShardPosition.place` that the iterator belongs to.
        iterator: None when it must be opened anew.
        expected: A sequence number that the iterator's first record must still prove to be held.
        outer_records: Stream records of the last read, with what they held, to size the next request.
        rows: User records in these.
        bytes: Payload bytes in these.
    """

    place: tuple[str, int | None, str | None]
    iterator: str | None
    expected: str | None
    outer_records: int
    rows: int
    bytes: int


class Clock(Protocol):
    """Where time comes from, so that tests need none."""

    def now_ms(self) -> int: ...  # noqa: D102
    def monotonic(self) -> float: ...  # noqa: D102
    def sleep(self, seconds: float) -> None: ...  # noqa: D102


class SystemClock:
    """The machine's time."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class StreamClient:
    """One stream, as one process sees it: calls, the cached listing, and what is kept of each shard.

    Args:
        stream: The stream.
        client: boto3's Kinesis client.
        clock: Default: the machine's.
        jitter: Gives numbers in [0, 1) that spread the retries of several readers.
    """

    def __init__(
        self,
        stream: Stream,
        client: Any,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.stream = stream
        self.clock: Clock = clock or SystemClock()
        self.jitter = jitter
        self.memory: dict[str, ShardMemory] = {}
        self._client = client
        self._address = {"StreamARN": stream.arn} if stream.arn else {"StreamName": stream.name}
        self._called_at: dict[str, float] = {}
        self._listing: tuple[Shard, ...] | None = None
        self._listed_at = 0.0
        self._listing_lock = threading.Lock()
        self._retention_ms: int | None = None

    def shards(self, position: Position | None = None) -> tuple[Shard, ...]:
        """Return the stream's shards: a new listing when the last one is old, or older than `position` knows."""
        with self._listing_lock:
            kept, now_seconds = self._listing, self.clock.monotonic()
            is_old = now_seconds - self._listed_at >= LISTING_MAX_AGE_SECONDS
            if kept is None or position is None or is_old or is_outdated(kept, position):
                kept = tuple(self._list())
                self._listing, self._listed_at = kept, now_seconds
            return kept

    def _list(self) -> Iterator[Shard]:
        arguments: Mapping[str, Any] = self._address
        while True:
            with self._errors():
                answer = self._client.list_shards(**arguments)
            for listed in answer["Shards"]:
                parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
                numbers = listed["SequenceNumberRange"]
                yield Shard(
                    listed["ShardId"],
                    tuple(parent for parent in parents if parent),
                    numbers["StartingSequenceNumber"],
                    numbers.get("EndingSequenceNumber"),
                )
            if not answer.get("NextToken"):
                return
            # The token stands for all other arguments; the service refuses both together.
            arguments = {"NextToken": answer["NextToken"]}

    def retention_ms(self) -> int:
        """Return how long the stream keeps a record; asked once a process."""
        if self._retention_ms is None:
            self._retention_ms = int(self._summary()["RetentionPeriodHours"]) * 3_600_000
        return self._retention_ms

    def _summary(self) -> dict[str, Any]:
        with self._errors():
            answer = self._client.describe_stream_summary(**self._address)
        return dict(answer["StreamDescriptionSummary"])

    def open(self, shard_id: str, position: ShardPosition) -> str:
        """Return an iterator whose first record is the position's own, or the first one from its time on.

        Raises:
            SequenceNumberNotHeldError: The service doesn't know the position.
            ShardGoneError: The shard is no longer there.
            ThrottledError: Too many requests.
            SourceError: Anything else.
        """
        kind: dict[str, Any] = {"ShardIteratorType": position.kind.value}
        if position.kind is PositionKind.AFTER:
            kind = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": position.sequence_number}
        elif position.kind is PositionKind.AT_TIMESTAMP:
            kind["Timestamp"] = (position.timestamp_ms or 0) / 1000
        # A shard's beginning is always held: refusing that means another mistake.
        not_held = None if position.kind is PositionKind.TRIM_HORIZON else "InvalidArgumentException"
        with self._errors(shard_id, not_held):
            answer = self._client.get_shard_iterator(**self._address, ShardId=shard_id, **kind)
        return str(answer["ShardIterator"])

    def records(self, shard_id: str, iterator: str, limit: int) -> Page:
        """Return the next page, no sooner than the shard may be asked again.

        Raises:
            IteratorExpiredError: Open another and go on.
            ShardGoneError: The shard is no longer there.
            ThrottledError: Nothing was read.
            SourceError: Anything else.
        """
        called_at = self._called_at.get(shard_id)
        if called_at is not None:
            wait_seconds = called_at + SECONDS_BETWEEN_CALLS - self.clock.monotonic()
            if wait_seconds > 0:
                self.clock.sleep(wait_seconds)
        self._called_at[shard_id] = self.clock.monotonic()
        arguments: dict[str, Any] = {"ShardIterator": iterator, "Limit": min(limit, MAX_RECORDS_PER_CALL)}
        if self.stream.arn:
            arguments["StreamARN"] = self.stream.arn
        with self._errors(shard_id):
            answer = self._client.get_records(**arguments)
        # A service that doesn't report the lag can't be read to its end by it: an empty page has to do.
        behind = answer.get("MillisBehindLatest", 1 if answer["Records"] else 0)
        return Page(answer["Records"], answer.get("NextShardIterator"), int(behind))

    @contextmanager
    def _errors(self, shard_id: str | None = None, not_held: str | None = None) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if shard_id is not None:
                if code == "ExpiredIteratorException":
                    raise IteratorExpiredError from error
                if code in _THROTTLED:
                    raise ThrottledError from error
                if code == not_held:
                    raise SequenceNumberNotHeldError(str(error)) from error
                if code == "ResourceNotFoundException":
                    # The same code says that the stream is missing: then this raises, and says so.
                    self._summary()
                    raise ShardGoneError from error
            raise _source_error(self.stream, error, code, shard_id) from error
        except BotoCoreError as error:
            retryable = isinstance(error, HTTPClientError | ConnectionError)
            message = f"stream '{self.stream.name}' can't be reached: {error}"
            raise SourceError(message, retryable=retryable) from error


def _source_error(stream: Stream, error: ClientError, code: str, shard_id: str | None) -> SourceError:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    where = f"stream '{stream.name}'" + (f" shard '{shard_id}'" if shard_id else "")
    text = error.response.get("Error", {}).get("Message", "")
    if code == "ResourceNotFoundException":
        place = stream.region or "the SDK's default region"
        return SourceError(
            f"{where} not found in {place}: {text}. Check source.kinesis.stream_name, stream_arn and region."
        )
    if code in _DENIED:
        return SourceError(f"{where}: access denied to {error.operation_name}: {text}. Allow {_ACTIONS} on it.")
    retryable = status >= 500 or code in _THROTTLED or code in {"InternalFailureException", "ResourceInUseException"}
    return SourceError(f"{where}: {error.operation_name} failed with {code}: {text}", retryable=retryable)


@cache
def stream_client(stream: Stream) -> StreamClient:
    """Return this process's client of `stream`, so that iterators and the listing are kept between batches.

    Raises:
        SourceError: No client can be made, as without a region.
    """
    try:
        return StreamClient(stream, aws_client("kinesis", stream.region, stream.role_arn))
    except BotoCoreError as error:
        message = f"stream '{stream.name}': no Kinesis client: {error} Set source.kinesis.region or AWS_REGION."
        raise SourceError(message) from error
