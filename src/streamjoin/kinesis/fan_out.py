"""Shards read by being pushed to: `SubscribeToShard`, with throughput of its own (enhanced fan-out).

It gives the same pages as asking does, so that positions, limits, gaps and faults are handled once, in `shard.py`. An
iterator names a shard's feed and how many of its records were passed. What a batch has no room for waits in the feed's
event; what was pushed since, in its subscription; what is beyond that, with the service.

Delivery: a feed goes on behind the last event that was taken from it, in a new subscription when the old one ends:
nothing is lost between two, and nothing comes twice. When it can't be shown that nothing was trimmed meanwhile, the
feed ends, and its reader opens another at its position, whose own record must come first.

Source of the limits: docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html: a subscription lives 5
minutes; one call a second for each shard and consumer; within 5 s of a successful call another is refused, later it
takes the subscription over.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition
from typing import Any, TypeAlias

from streamjoin.aws.errors import code_of
from streamjoin.errors import SourceError
from streamjoin.kinesis.calls import (
    IteratorExpiredError,
    Page,
    SequenceNumberNotHeldError,
    ShardGoneError,
    StreamCalls,
    ThrottledError,
)
from streamjoin.kinesis.clock import Clock
from streamjoin.kinesis.consumer import FAN_OUT_REMEDIES, Consumer
from streamjoin.kinesis.feed import Feed
from streamjoin.kinesis.pace import SECONDS_BETWEEN_CALLS
from streamjoin.kinesis.polling import Polling, not_held
from streamjoin.kinesis.subscription import LIFE_SECONDS, Pushed
from streamjoin.kinesis.taken import arrival_ms
from streamjoin.shards.lineage import Shard
from streamjoin.shards.position import PositionKind, ShardPosition

log = logging.getLogger(__name__)

Listen: TypeAlias = Callable[[Any, Clock, Condition], Pushed]

RENEWED_AFTER_SECONDS = LIFE_SECONDS - 15
TAKEN_OVER_AFTER_SECONDS = 5.0
# How long a new subscription may take to say something: as long as a call may.
_FIRST_EVENT_SECONDS = 10.0
_SECONDS_BETWEEN_SUBSCRIPTIONS = 1.0
_POLLED, _OUTDATED = "polled ", "outdated"


class FanOut:
    """`Pages` that are pushed. A shard of which records may be trimmed soon is asked instead: only that shows a gap.

    Args:
        calls: The stream.
        client: boto3's Kinesis client, for subscriptions; best one that makes no failed call again.
        consumer: The consumer, of which a shard has one subscription at a time.
        polling: How shards are asked.
        take_note: Told of the shards that a drained one names as its children.
        listen: Takes what a subscription pushes.
    """

    def __init__(
        self,
        calls: StreamCalls,
        client: Any,
        consumer: Consumer,
        polling: Polling,
        take_note: Callable[[Iterable[Shard]], None],
        listen: Listen,
    ) -> None:
        self._calls, self._client, self._consumer, self._polling = calls, client, consumer, polling
        self._take_note, self._listen = take_note, listen
        self._feeds: dict[str, Feed] = {}
        self._subscribed_at: dict[str, float] = {}
        self._names = itertools.count(1)
        self._news = Condition()
        self._taken_over: set[str] = set()

    def open(self, shard_id: str, position: ShardPosition, *, is_near_trim_horizon: bool = False) -> str:
        """Return an iterator of a new subscription; paced, and not sooner than the service takes one.

        A batch that failed is read again from the event in hand, if the position's own record is still in it.
        """
        feed = self._feeds.get(shard_id)
        if feed is not None and not is_near_trim_horizon:
            found = feed.place_of(position.sequence_number)
            if found is not None:
                return feed.iterator(found)
        self._close(shard_id)
        if is_near_trim_horizon:
            return _POLLED + self._polling.open(shard_id, position)
        start: dict[str, Any] = {"Type": position.kind.value}
        if position.kind is PositionKind.AFTER:
            start = {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": position.sequence_number}
        elif position.kind is PositionKind.AT_TIMESTAMP:
            start["Timestamp"] = (position.timestamp_ms or 0) / 1000
        feed = Feed(str(next(self._names)), start)
        self._subscribe(shard_id, feed, not_held(position))
        feed.heard_at = feed.subscribed_at
        self._feeds[shard_id] = feed
        return feed.iterator(0)

    def records(self, shard_id: str, iterator: str, limit: int) -> Page:
        """Return what was pushed after the iterator, one event's at most; an empty page at the shard's tip."""
        if iterator.startswith(_POLLED):
            page = self._polling.records(shard_id, iterator.removeprefix(_POLLED), limit)
            # The next one is opened, so that it is a subscription's once nothing is near the trim horizon.
            return replace(page, next_iterator=None if page.next_iterator is None else _OUTDATED)
        feed, passed = self._found(shard_id, iterator)
        if passed == feed.end and not feed.is_drained:
            self._advance(shard_id, feed)
        event = feed.event
        rest = event.records[passed - feed.begin :] if event else []
        given, behind_ms = rest[:limit], event.millis_behind_latest if event else 0
        after = feed.iterator(passed + len(given))
        if len(given) < len(rest):
            behind_ms = max(1, behind_ms, self._calls.clock.now_ms() - arrival_ms(rest[len(given)]))
        elif event and event.children is not None:
            self._take_note(Shard(child, parents, "0", None) for child, parents in event.children.items())
            return Page(given, None, 0, feed.as_of_ms)
        elif feed.pushed and feed.pushed.ready():
            behind_ms = max(1, behind_ms)
        return Page(given, after, behind_ms, feed.as_of_ms)

    def within(self, shard_id: str, iterator: str, count: int) -> str | None:
        """Return what continues within the event in hand, or None for a page that was asked for."""
        if iterator.startswith(_POLLED):
            return None
        feed, passed = self._found(shard_id, iterator)
        return feed.iterator(passed + count)

    def await_news(self, shard_ids: list[str]) -> None:
        """Wait as long as asking would be spaced, if all shards are at their tip; let go of all other shards."""
        for shard_id in self._feeds.keys() - set(shard_ids):
            self._close(shard_id)
        self._calls.clock.wait_for(self._news, lambda: any(map(self._has_news, shard_ids)), SECONDS_BETWEEN_CALLS)

    def _has_news(self, shard_id: str) -> bool:
        feed = self._feeds.get(shard_id)
        if feed is None or feed.pushed is None or not feed.is_at_tip or feed.passed < feed.end:
            return True
        return feed.pushed.ready() or self._is_old(feed)

    def _found(self, shard_id: str, iterator: str) -> tuple[Feed, int]:
        name, _, passed = iterator.partition(":")
        feed = self._feeds.get(shard_id)
        if feed is None or feed.name != name or int(passed) < feed.begin:
            raise IteratorExpiredError
        return feed, int(passed)

    def _advance(self, shard_id: str, feed: Feed) -> None:
        """Put the next event into the feed; at its tip only if there is one."""
        if feed.pushed is not None and feed.pushed.is_over():
            self._end(shard_id, feed, feed.pushed)
        pushed = feed.pushed or self._renewed(shard_id, feed)
        if not feed.is_at_tip:
            self._calls.clock.wait_for(self._news, pushed.ready, _FIRST_EVENT_SECONDS)
        event = pushed.take()
        if event is not None:
            feed.put(event)
        elif pushed.is_over() or not feed.is_at_tip:
            self._end(shard_id, feed, pushed)
            message = f"{self._where(shard_id)}: SubscribeToShard gave nothing for {_FIRST_EVENT_SECONDS:.0f} s"
            raise SourceError(message, retryable=True)
        if feed.is_at_tip and self._is_old(feed) and not feed.is_drained and not pushed.ready():
            # Until the new one says something, the tip of the old one is believed.
            self._renewed(shard_id, feed)

    def _end(self, shard_id: str, feed: Feed, pushed: Pushed) -> None:
        """Let go of a subscription, so that the next read renews it; raise what ended it, if that wasn't its time."""
        pushed.close()
        feed.pushed, feed.is_at_tip = None, False
        if pushed.failure is not None:
            self._raise(shard_id, feed, pushed.failure)

    def _renewed(self, shard_id: str, feed: Feed) -> Pushed:
        if self._calls.clock.monotonic() - feed.heard_at > LIFE_SECONDS:
            # Records behind the feed may have been trimmed by now: it can't show that none was.
            self._close(shard_id)
            raise IteratorExpiredError
        try:
            return self._subscribe(shard_id, feed, "InvalidArgumentException")
        except SequenceNumberNotHeldError as error:
            self._close(shard_id)
            raise IteratorExpiredError from error

    def _subscribe(self, shard_id: str, feed: Feed, code_of_not_held: str | None) -> Pushed:
        clock, feed.consumer_arn = self._calls.clock, self._consumer.arn()
        too_soon_seconds = (
            self._subscribed_at.get(shard_id, -TAKEN_OVER_AFTER_SECONDS) + TAKEN_OVER_AFTER_SECONDS - clock.monotonic()
        )
        if too_soon_seconds > 0:
            clock.sleep(too_soon_seconds)
        self._calls.pace.await_turn("SubscribeToShard", shard_id, _SECONDS_BETWEEN_SUBSCRIPTIONS)
        asked_at_ms = clock.now_ms()
        with self._errors(shard_id, feed, code_of_not_held):
            answer = self._client.subscribe_to_shard(
                ConsumerARN=feed.consumer_arn, ShardId=shard_id, StartingPosition=feed.start
            )
        if feed.pushed is not None:
            feed.pushed.close()
        # Not before: a refused call leaves the old subscription, whose events may have been on their way.
        feed.asked_at_ms, feed.subscribed_at = asked_at_ms, clock.monotonic()
        self._subscribed_at[shard_id] = feed.subscribed_at
        feed.pushed = self._listen(answer["EventStream"], clock, self._news)
        return feed.pushed

    def _is_old(self, feed: Feed) -> bool:
        return self._calls.clock.monotonic() - feed.subscribed_at >= RENEWED_AFTER_SECONDS

    def _close(self, shard_id: str) -> None:
        feed = self._feeds.pop(shard_id, None)
        if feed is not None and feed.pushed is not None:
            feed.pushed.close()

    def _raise(self, shard_id: str, feed: Feed, failure: Exception) -> None:
        try:
            with self._errors(shard_id, feed):
                raise failure
        except ThrottledError:
            if code_of(failure) == "ResourceInUseException" and shard_id not in self._taken_over:
                self._taken_over.add(shard_id)
                log.warning(
                    "%s: its subscription was taken over. Does another job use consumer '%s'? Each needs its own",
                    *(self._where(shard_id), self._consumer.name),
                )
            raise

    @contextmanager
    def _errors(self, shard_id: str, feed: Feed, code_of_not_held: str | None = None) -> Iterator[None]:
        try:
            with self._calls.errors("SubscribeToShard", shard_id, code_of_not_held, FAN_OUT_REMEDIES):
                yield
        except ShardGoneError:
            # The same code says that the consumer is missing.
            if self._consumer.is_gone(feed.consumer_arn):
                message = f"{self._where(shard_id)}: consumer '{self._consumer.name}' was deregistered meanwhile"
                raise SourceError(message, retryable=True) from None
            raise

    def _where(self, shard_id: str) -> str:
        return f"stream '{self._calls.stream.name}' shard '{shard_id}'"
