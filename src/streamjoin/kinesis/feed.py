"""What one shard has pushed, as one sequence of records over all of its subscriptions."""

from dataclasses import dataclass
from typing import Any

from streamjoin.kinesis.subscription import Event, Pushed
from streamjoin.kinesis.taken import arrival_ms


@dataclass
class Feed:
    """One shard's subscription, renewed now and then, and the event in hand.

    Invariant: `event` has the feed's records from number `begin` on; what came before is gone.

    Args:
        name: In its iterators.
        start: `StartingPosition` of the next subscription.
        consumer_arn: Whose it is.
        pushed: The subscription; None when the next read must renew it.
        subscribed_at: When it was made, by the clock's monotonic seconds.
        asked_at_ms: When it was asked for: the shard's tip was no earlier.
        heard_at: When the newest event came, or the feed began.
        event: The newest one taken.
        begin: How many records were before it.
        passed: How many records the reader has passed.
        is_at_tip: Nothing follows the event as far as is known.
        as_of_ms: As `Page.as_of_ms`.
    """

    name: str
    start: dict[str, Any]
    consumer_arn: str = ""
    pushed: Pushed | None = None
    subscribed_at: float = 0.0
    asked_at_ms: int = 0
    heard_at: float = 0.0
    event: Event | None = None
    begin: int = 0
    passed: int = 0
    is_at_tip: bool = False
    as_of_ms: int = 0

    @property
    def end(self) -> int:
        """How many records were up to the event's last."""
        return self.begin + (len(self.event.records) if self.event else 0)

    @property
    def is_drained(self) -> bool:
        """Whether the event is the shard's last."""
        return self.event is not None and self.event.children is not None

    def place_of(self, sequence_number: str | None) -> int | None:
        """Return how many records were before this one; None if the event doesn't have it."""
        numbers = [record["SequenceNumber"] for record in self.event.records] if self.event else []
        return self.begin + numbers.index(sequence_number) if sequence_number in numbers else None

    def iterator(self, passed: int) -> str:
        """Return what continues after so many records."""
        self.passed = passed
        return f"{self.name}:{passed}"

    def put(self, event: Event) -> None:
        """Go on to the next event."""
        self.begin, self.event, self.heard_at = self.end, event, event.taken_at
        self.is_at_tip = event.millis_behind_latest == 0
        self.start = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": event.continuation}
        if self.is_at_tip:
            # When the event was sent isn't known: it may have waited on its way.
            arrived_ms = arrival_ms(event.records[-1]) if event.records else 0
            self.as_of_ms = max(self.as_of_ms, self.asked_at_ms, min(arrived_ms, event.taken_at_ms))
