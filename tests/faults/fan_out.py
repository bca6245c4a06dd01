"""A fake Kinesis with enhanced fan-out: consumers, subscriptions that end, are cut or taken over, and what they push.

A subscription of it is what `Subscription` makes of a real one, without a thread: what it has to give is seen when it
is asked for, so that a test says when each thing happens.
"""

from collections import deque
from contextlib import suppress
from typing import Any

from streamjoin.kinesis.subscription import LIFE_SECONDS, Event
from tests.faults.kinesis import FakeKinesis, arrived_ms, client_error

TAKEN_OVER_AFTER_SECONDS = 5
IDLE_SECONDS = 5


class FakeSubscription:
    """`Pushed` over a fake shard: `event_records` an event, an empty one at first and when nothing came for a while."""

    def __init__(self, service: "FakeFanOut", shard_id: str, begin: int) -> None:
        self.failure: Exception | None = None
        self.is_ended = False
        self._service, self._shard_id, self._begin = service, shard_id, begin
        self._began_at = service.clock.monotonic()
        self._told_at = -1e9
        self._is_silent = service.silent > 0
        service.silent -= 1

    def ready(self) -> bool:
        if self._is_silent:
            return self.is_over()
        is_due = self._service.clock.monotonic() - self._told_at >= IDLE_SECONDS
        if self.is_over() or is_due or self._service.event_faults:
            return True
        return bool(self._rest()) or self._service.shards[self._shard_id].ending is not None

    def take(self) -> Event | None:
        if self.is_over() or not self.ready():
            return None
        with suppress(IndexError):
            self.failure, self.is_ended = self._service.event_faults.popleft(), True
            return None
        self._told_at = self._service.clock.monotonic()
        service, shard, rest = self._service, self._service.shards[self._shard_id], self._rest()
        if shard.empty_pages and rest:
            shard.empty_pages -= 1
            return self._event([], str(max(0, self._begin - 1)), 1)
        page = rest[: service.event_records]
        if page:
            self._begin = int(page[-1]["SequenceNumber"]) + 1
            behind_ms = max(1, service.clock.now_ms() - arrived_ms(rest[len(page)])) if len(page) < len(rest) else 0
            return self._event(page, page[-1]["SequenceNumber"], behind_ms)
        if shard.ending is not None:
            self.is_ended = True
            children = {s.shard_id: s.parents for s in service.shards.values() if self._shard_id in s.parents}
            return self._event([], None, 0, children)
        # Progress without data, as the service tells it.
        self._begin = service.next_number() + 1
        return self._event([], str(self._begin - 1), 0)

    def is_over(self) -> bool:
        service = self._service
        if self.is_ended:
            return True
        if self._shard_id not in service.shards or not service.exists or not service.consumers:
            self.failure = client_error("ResourceNotFoundException", "SubscribeToShard", "no such shard")
        elif service.live.get(self._shard_id) is not self:
            self.failure = client_error("ResourceInUseException", "SubscribeToShard", "taken over")
        self.is_ended = self.failure is not None or service.clock.monotonic() - self._began_at >= LIFE_SECONDS
        return self.is_ended

    def close(self) -> None:
        self.is_ended = True

    def _rest(self) -> list[dict[str, Any]]:
        shard = self._service.shards[self._shard_id]
        return [r for r in shard.held() if int(r["SequenceNumber"]) >= self._begin]

    def _event(self, records: list[Any], continuation: str | None, behind_ms: int, children: Any = None) -> Event:
        clock = self._service.clock
        return Event(records, continuation, behind_ms, children, clock.monotonic(), clock.now_ms())


class FakeFanOut(FakeKinesis):
    """`FakeKinesis` that can be subscribed to."""

    def __init__(self, *arguments: Any, event_records: int = 1000, most_consumers: int = 20, **options: Any) -> None:
        self.event_records, self.most_consumers = event_records, most_consumers
        self.consumers: dict[str, list[str]] = {}
        self.new_statuses = ["CREATING", "ACTIVE"]
        # So many of the next subscriptions give nothing.
        self.silent = 0
        self.live: dict[str, FakeSubscription] = {}
        self.event_faults: deque[Exception] = deque()
        self._made_at: dict[str, float] = {}
        super().__init__(*arguments, **options)

    # what a test does to it

    def end_subscriptions(self) -> None:
        for subscription in self.live.values():
            subscription.close()

    def expire_iterators(self) -> None:
        super().expire_iterators()
        self.end_subscriptions()

    def subscribed_at(self, shard_id: str) -> list[float]:
        return [at for called, a, at in self.calls if called == "SubscribeToShard" and a["ShardId"] == shard_id]

    # what the reader calls

    def describe_stream_consumer(self, **arguments: Any) -> dict[str, Any]:
        self.called("DescribeStreamConsumer", arguments)
        name = arguments["ConsumerName"]
        if name not in self.consumers:
            raise client_error("ResourceNotFoundException", "DescribeStreamConsumer", "Consumer not found")
        return {"ConsumerDescription": self._consumer(name)}

    def register_stream_consumer(self, **arguments: Any) -> dict[str, Any]:
        self.called("RegisterStreamConsumer", arguments)
        if len(self.consumers) >= self.most_consumers:
            raise client_error("LimitExceededException", "RegisterStreamConsumer", "20 consumers are there")
        name = arguments["ConsumerName"]
        self.consumers[name] = list(self.new_statuses)
        return {"Consumer": self._consumer(name)}

    def subscribe_to_shard(self, **arguments: Any) -> dict[str, Any]:
        shard_id, start = arguments["ShardId"], arguments["StartingPosition"]
        self.clock.pass_seconds(self.call_seconds)
        self.hang_if_told(shard_id)
        self.called("SubscribeToShard", arguments)
        shard = self.shard(shard_id, "SubscribeToShard")
        if not self.consumers:
            raise client_error("ResourceNotFoundException", "SubscribeToShard", "Consumer not found")
        now = self.clock.monotonic()
        if now - self._made_at.get(shard_id, -1e9) < TAKEN_OVER_AFTER_SECONDS:
            raise client_error("ResourceInUseException", "SubscribeToShard", "another subscription is active")
        number, timestamp = start.get("SequenceNumber"), start.get("Timestamp")
        begin = self.beginning(shard, start["Type"], number, timestamp, "SubscribeToShard")
        self._made_at[shard_id] = now
        self.live[shard_id] = FakeSubscription(self, shard_id, begin)
        return {"EventStream": self.live[shard_id]}

    def _consumer(self, name: str) -> dict[str, Any]:
        statuses = self.consumers[name]
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        return {"ConsumerName": name, "ConsumerARN": f"arn:{self.name}/consumer/{name}:1", "ConsumerStatus": status}


def listen(stream: FakeSubscription, *_: Any) -> FakeSubscription:
    """Take what is pushed without a thread."""
    return stream
