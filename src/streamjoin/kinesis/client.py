"""One stream, as one process sees it: its listing, the way its shards are read, and what is kept of each shard.

Source of the limits: docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html: 1,000 shards a page; its
tokens live 300 seconds.
"""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from streamjoin.aws.clients import aws_client
from streamjoin.errors import SourceError
from streamjoin.kinesis.calls import ListingExpiredError, Pages, StreamCalls
from streamjoin.kinesis.clock import Clock, SystemClock
from streamjoin.kinesis.consumer import Consumer
from streamjoin.kinesis.fan_out import FanOut, Listen
from streamjoin.kinesis.pace import CallPace
from streamjoin.kinesis.plan import Stream
from streamjoin.kinesis.polling import Polling
from streamjoin.kinesis.subscription import SILENCE_SECONDS, Subscription
from streamjoin.shards.lineage import Shard, is_outdated
from streamjoin.shards.position import Position

LISTING_MAX_AGE_SECONDS = 60.0
# A listing shows the children of a closed shard after seconds. One that shows none for so long never will.
CHILDREN_AWAITED_SECONDS = 60.0
_LISTING_ATTEMPTS = 3


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
        listen: With `stream.fan_out`: what takes what a subscription pushes.

    Attributes:
        pages: How its shards are read.
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
        listen: Listen = Subscription,
    ) -> None:
        self.stream = stream
        self.clock: Clock = clock or SystemClock()
        self.memory: dict[str, ShardMemory] = {}
        self.pace = CallPace(self.clock, jitter)
        self.readings: dict[str, object] = {}
        self.readings_lock = threading.Lock()
        self.slow: set[str] = set()
        self._client = client
        self._calls = StreamCalls(stream, client, self.clock, self.pace)
        self._told: dict[str, Shard] = {}
        polling = Polling(self._calls, shard_client or client)
        self._consumer = Consumer(self._calls, stream.fan_out) if stream.fan_out else None
        self.pages: Pages = polling
        if self._consumer is not None:
            fan_out_client = shard_client or client
            self.pages = FanOut(self._calls, fan_out_client, self._consumer, polling, self._take_note, listen)
        self._listing: tuple[Shard, ...] | None = None
        self._listed_at = 0.0
        self._childless_since: dict[str, float] = {}
        self._listing_lock = threading.Lock()
        self._retention_ms: int | None = None

    def check(self) -> None:
        """Ask for the stream's shards, and for its consumer with `stream.fan_out`, which is registered if missing.

        Raises:
            SourceError: Either is missing and can't be made, denied or unreachable.
        """
        self.shards()
        if self._consumer is not None:
            self._consumer.arn()

    def shards(self, position: Position | None = None) -> tuple[Shard, ...]:
        """Return the stream's shards: a new listing when the last one is old, or older than `position` knows.

        The filter asks for what lineage needs: the open shards, and the closed ones that still hold records. With a
        narrower one (AT_LATEST, FROM_TIMESTAMP) unread parents would be missing, or a shard left out at the first start
        be taken for a new one later.
        """
        with self._listing_lock:
            kept, now_seconds = self._listing, self.clock.monotonic()
            is_old = now_seconds - self._listed_at >= LISTING_MAX_AGE_SECONDS
            if kept is None or position is None or is_old or is_outdated((*kept, *self._unlisted(kept)), position):
                kept = self._list()
                self._listing, self._listed_at = kept, now_seconds
            return (*kept, *self._unlisted(kept))

    def _take_note(self, children: Iterable[Shard]) -> None:
        """Take note of shards that a drained one named: they are there, also if a listing doesn't show them yet."""
        with self._listing_lock:
            self._told |= {child.shard_id: child for child in children}

    def _unlisted(self, listing: Iterable[Shard]) -> tuple[Shard, ...]:
        listed = {shard.shard_id for shard in listing}
        self._told = {shard_id: child for shard_id, child in self._told.items() if shard_id not in listed}
        return tuple(self._told.values())

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
        arguments: Mapping[str, Any] = {**self._calls.address, "ShardFilter": {"Type": "FROM_TRIM_HORIZON"}}
        while True:
            with self._calls.errors("ListShards"):
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
            self._retention_ms = int(self._calls.summary()["RetentionPeriodHours"]) * 3_600_000
        return self._retention_ms


@cache
def stream_client(stream: Stream) -> StreamClient:
    """Return this process's client of `stream`, so that iterators and the listing are kept between batches.

    Raises:
        AwsSettingsError: No client can be made, as without a region.
    """
    place = (stream.region, stream.role_arn)
    # A shard's calls are tried again by its reading, at the shard's own pace: the SDK's retries would look like
    # hanging. An answer of 10 MiB at 2 MiB/s takes 5 s; a subscription says something every few seconds.
    seconds = SILENCE_SECONDS if stream.fan_out else 10
    shard_client = aws_client("kinesis", *place, read_timeout_seconds=seconds, attempts=1)
    return StreamClient(stream, aws_client("kinesis", *place), shard_client=shard_client)
