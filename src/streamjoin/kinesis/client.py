"""The Kinesis calls that reading needs, paced and with their errors in streamjoin's words.

Source of the limits: docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html: per shard 2 MiB/s, shared by
all its consumers; 10,000 records or 10 MiB a call; iterators live 5 minutes.
.../APIReference/API_ListShards.html: 1,000 shards a page; its tokens live 300 seconds.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from streamjoin.aws.clients import aws_client
from streamjoin.aws.errors import THROTTLED, Remedies, translated
from streamjoin.errors import SourceError
from streamjoin.kinesis.clock import Clock, SystemClock
from streamjoin.kinesis.pace import CallPace
from streamjoin.kinesis.plan import Stream
from streamjoin.shards.lineage import Shard, is_outdated
from streamjoin.shards.position import Position, PositionKind, ShardPosition

MAX_RECORDS_PER_CALL = 10_000
LISTING_MAX_AGE_SECONDS = 60.0
# A listing shows the children of a closed shard after seconds. One that shows none for so long never will.
CHILDREN_AWAITED_SECONDS = 60.0
_LISTING_ATTEMPTS = 3

_REMEDIES = Remedies(
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
    """The shard's read throughput is used up; nothing was read."""


class SequenceNumberNotHeldError(Exception):
    """The service refuses to open an iterator at this position."""


class GapError(Exception):
    """What follows the records that were read before is no longer held."""


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
        iterator: None when it must be opened again.
        expected: A sequence number that the iterator's first record must still prove to be held.
        seen: Stream records, user records and payload bytes of the last read, to size the next request.
    """

    place: tuple[str, int | None, str | None]
    iterator: str | None
    expected: str | None
    seen: tuple[int, int, int]


class StreamClient:
    """One stream, as one process sees it: calls, the cached listing, and what is kept of each shard.

    Args:
        stream: The stream.
        client: boto3's Kinesis client.
        clock: Default: the machine's.
        jitter: Gives numbers in [0, 1) that spread the retries of several readers.
        shard_client: Likewise, for the calls of single shards, which are tried again by `ShardReading` at the shard's
            pace: best one that doesn't do so itself. Default: `client`.

    Attributes:
        memory: What is kept of each shard between two batches.
        pace: When each shard may be asked again.
        readings: What `ShardReadings` reads in this process, by shard id, also what it left behind; guarded by
            `readings_lock`. Of no use to the client, which lives as long.
        slow: The shards left behind, until they answer in time again.
    """

    def __init__(
        self,
        stream: Stream,
        client: Any,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        *,
        shard_client: Any = None,
    ) -> None:
        self.stream = stream
        self.clock: Clock = clock or SystemClock()
        self.memory: dict[str, ShardMemory] = {}
        self.pace = CallPace(self.clock, jitter)
        self.readings: dict[str, object] = {}
        self.readings_lock = threading.Lock()
        self.slow: set[str] = set()
        self._client, self._shard_client = client, shard_client or client
        self._address = {"StreamARN": stream.arn} if stream.arn else {"StreamName": stream.name}
        self._listing: tuple[Shard, ...] | None = None
        self._listed_at = 0.0
        self._childless_since: dict[str, float] = {}
        self._listing_lock = threading.Lock()
        self._retention_ms: int | None = None

    def shards(self, position: Position | None = None) -> tuple[Shard, ...]:
        """Return the stream's shards: a new listing when the last one is old, or older than `position` knows.

        The filter asks for what lineage needs: the open shards, and the closed ones that still hold records. With a
        narrower one (AT_LATEST, FROM_TIMESTAMP) unread parents would be missing, or a shard left out at the first start
        be taken for a new one later.
        """
        with self._listing_lock:
            kept, now_seconds = self._listing, self.clock.monotonic()
            is_old = now_seconds - self._listed_at >= LISTING_MAX_AGE_SECONDS
            if kept is None or position is None or is_old or is_outdated(kept, position):
                kept = self._list()
                self._listing, self._listed_at = kept, now_seconds
            return kept

    def awaited(self, childless: Iterable[str]) -> tuple[str, ...]:
        """Return those of the drained shards without children whose children may still come to be listed."""
        now_seconds = self.clock.monotonic()
        self._childless_since = {s: self._childless_since.get(s, now_seconds) for s in childless}
        return tuple(s for s, since in self._childless_since.items() if now_seconds - since < CHILDREN_AWAITED_SECONDS)

    def _list(self) -> tuple[Shard, ...]:
        for _ in range(_LISTING_ATTEMPTS):
            # Between two pages the token got too old: only the beginning can be asked for again.
            with suppress(ListingExpiredError):
                return tuple(self._listed())
        message = (
            f"stream '{self.stream.name}': the shards could not be listed: {_LISTING_ATTEMPTS} times a page came later "
            "than the 300 s for which the service remembers the one before. Check this machine's network."
        )
        raise SourceError(message, retryable=True)

    def _listed(self) -> Iterator[Shard]:
        arguments: Mapping[str, Any] = {**self._address, "ShardFilter": {"Type": "FROM_TRIM_HORIZON"}}
        while True:
            with self._errors("ListShards"):
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
        with self._errors("DescribeStreamSummary"):
            answer = self._client.describe_stream_summary(**self._address)
        return dict(answer["StreamDescriptionSummary"])

    def open(self, shard_id: str, position: ShardPosition) -> str:
        """Return an iterator whose first record is the position's own, or the first one from its time on; paced.

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
        self.pace.await_turn("GetShardIterator", shard_id)
        with self._errors("GetShardIterator", shard_id, not_held):
            answer = self._shard_client.get_shard_iterator(**self._address, ShardId=shard_id, **kind)
        return str(answer["ShardIterator"])

    def records(self, shard_id: str, iterator: str, limit: int) -> Page:
        """Return the next page, no sooner than the shard may be asked again.

        Raises:
            IteratorExpiredError: Open another and go on.
            ShardGoneError: The shard is no longer there.
            ThrottledError: Nothing was read.
            SourceError: Anything else.
        """
        arguments: dict[str, Any] = {"ShardIterator": iterator, "Limit": min(limit, MAX_RECORDS_PER_CALL)}
        if self.stream.arn:
            arguments["StreamARN"] = self.stream.arn
        self.pace.await_turn("GetRecords", shard_id)
        with self._errors("GetRecords", shard_id):
            answer = self._shard_client.get_records(**arguments)
        # A service that doesn't report the lag can't be read to its end by it: an empty page has to do.
        behind = answer.get("MillisBehindLatest", 1 if answer["Records"] else 0)
        return Page(answer["Records"], answer.get("NextShardIterator"), int(behind))

    @contextmanager
    def _errors(self, operation: str, shard_id: str | None = None, not_held: str | None = None) -> Iterator[None]:
        meanings: dict[str, Callable[[str], Exception]] = {"ExpiredNextTokenException": ListingExpiredError}
        if shard_id is not None:
            meanings |= dict.fromkeys(THROTTLED, ThrottledError)
            meanings |= {"ExpiredIteratorException": IteratorExpiredError, "ResourceNotFoundException": ShardGoneError}
            if not_held is not None:
                meanings[not_held] = SequenceNumberNotHeldError
        place = self.stream.region or "the SDK's default region"
        shard = f" shard '{shard_id}'" if shard_id else ""
        failed = f"stream '{self.stream.name}'{shard} in {place}: {operation}"
        try:
            with translated(SourceError, failed, _REMEDIES, meanings):
                yield
        except ShardGoneError:
            # The same code says that the stream is missing: then this raises, and says so.
            self._summary()
            raise


@cache
def stream_client(stream: Stream) -> StreamClient:
    """Return this process's client of `stream`, so that iterators and the listing are kept between batches.

    Raises:
        SourceError: No client can be made, as without a region.
    """
    with translated(SourceError, f"stream '{stream.name}': making a client", _REMEDIES):
        place = (stream.region, stream.role_arn)
        # A shard's calls are tried again by its reading, at the shard's own pace: the SDK's retries would look like
        # hanging. An answer of 10 MiB at 2 MiB/s takes 5 s.
        shard_client = aws_client("kinesis", *place, read_timeout_seconds=10, attempts=1)
        return StreamClient(stream, aws_client("kinesis", *place), shard_client=shard_client)
