"""One subscription to a shard: a thread that takes what the service pushes, as long as there is room for it.

What is pushed beyond the room stays with the network: the thread reads no further, so that the connection fills up and
the service has to wait. Memory of a shard: `ROOM_BYTES`, one event beyond them, and the one being read.

Source of the limits: docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html: events come for up to 5
minutes, at 2 MiB/s a shard at most. How large an event may be isn't said.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Protocol

from botocore.exceptions import HTTPClientError

from streamjoin.aws.errors import SDK_ERRORS
from streamjoin.kinesis.clock import Clock

LIFE_SECONDS = 300.0
# The service says something every few seconds also when there is nothing: after so long nothing more will come. The
# Kinesis Client Library has waited 35 to 60 s (`ShardConsumer.MAX_TIME_BETWEEN_REQUEST_RESPONSE`).
SILENCE_SECONDS = 35
# What a shard may give in one second.
ROOM_BYTES = 2 * 1024 * 1024
THREAD_NAME = "kinesis-subscription"


@dataclass(frozen=True)
class Event:
    """What the service pushed at once.

    Args:
        records: In the service's shape.
        continuation: A subscription after it goes on behind this event; None at the end of the shard.
        millis_behind_latest: The lag after it.
        children: At the end of a closed shard: those that follow it, by id, each with its parents. Else None.
        taken_at: When it came, by the clock's monotonic seconds.
        taken_at_ms: Likewise in milliseconds since the epoch.
    """

    records: list[dict[str, Any]]
    continuation: str | None
    millis_behind_latest: int
    children: dict[str, tuple[str, ...]] | None
    taken_at: float
    taken_at_ms: int

    @classmethod
    def of(cls, pushed: dict[str, Any], clock: Clock) -> "Event":
        """Return what is in a `SubscribeToShardEvent` that has just come."""
        continuation, named = pushed.get("ContinuationSequenceNumber"), pushed.get("ChildShards")
        children = None
        # An empty list beside a continuation is no end: taken for one, all that follows would be lost unsaid.
        if named or continuation is None:
            children = {child["ShardId"]: tuple(child.get("ParentShards", ())) for child in named or ()}
        records, behind_ms = pushed["Records"], int(pushed.get("MillisBehindLatest", 1 if pushed["Records"] else 0))
        return cls(records, continuation, behind_ms, children, clock.monotonic(), clock.now_ms())

    @property
    def bytes(self) -> int:
        """What its payloads take."""
        return sum(len(record["Data"]) for record in self.records)


class Pushed(Protocol):
    """What one subscription has given and nobody has taken yet.

    Attributes:
        failure: What ended it; None as long as it goes on, and if it ended in time.
    """

    failure: Exception | None

    def ready(self) -> bool:
        """Say whether `take` has something to return, or says the end."""

    def take(self) -> Event | None:
        """Return the next event that came; None when there is none yet, or when nothing more will come."""

    def is_over(self) -> bool:
        """Say whether nothing more will come."""

    def close(self) -> None:
        """End it; what came and wasn't taken is dropped."""


class Subscription:
    """`Pushed` by a real connection.

    Args:
        stream: boto3's `EventStream`.
        clock: Where time comes from.
        news: Notified whenever something came; also guards what is kept here.
    """

    def __init__(self, stream: Any, clock: Clock, news: Condition) -> None:
        self.failure: Exception | None = None
        self._stream, self._clock, self._news = stream, clock, news
        self._events: deque[Event] = deque()
        self._bytes = 0
        self._is_over = self._is_closed = False
        self._ends_at = clock.monotonic() + LIFE_SECONDS
        # It keeps no process alive: a call that waits for the service can't be interrupted.
        Thread(target=self._listen, name=THREAD_NAME, daemon=True).start()

    def ready(self) -> bool:
        """Say whether an event waits, or the end."""
        return bool(self._events) or self._is_over

    def take(self) -> Event | None:
        """Return the next event, and make room for another."""
        with self._news:
            if not self._events:
                return None
            event = self._events.popleft()
            self._bytes -= event.bytes
            self._news.notify_all()
            return event

    def is_over(self) -> bool:
        """Say whether the connection has ended and all was taken."""
        with self._news:
            return self._is_over and not self._events

    def close(self) -> None:
        """Let the thread end with what it waits for, which is a few seconds at most."""
        with self._news:
            self._is_closed = True
            self._events.clear()
            self._news.notify_all()

    def _listen(self) -> None:
        failure: Exception | None = None
        try:
            self._take_all(self._stream)
        except SDK_ERRORS as error:
            failure = error
        except BaseException as error:
            # The HTTP library beneath, whose errors boto3 doesn't translate once an answer has begun.
            failure = HTTPClientError(error=error)
        with self._news:
            self.failure, self._is_over = failure, True
            self._news.notify_all()
        with suppress(OSError):
            self._stream.close()

    def _take_all(self, stream: Iterable[dict[str, Any]]) -> None:
        for message in stream:
            event = Event.of(message["SubscribeToShardEvent"], self._clock)
            with self._news:
                if self._is_closed:
                    return
                self._events.append(event)
                self._bytes += event.bytes
                self._news.notify_all()
                left_seconds = self._ends_at - self._clock.monotonic()
                # Nobody takes it: what the service still pushes on this connection would be older than it may be.
                if not self._news.wait_for(lambda: self._is_closed or self._bytes < ROOM_BYTES, max(0.0, left_seconds)):
                    return
