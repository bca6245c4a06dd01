"""What is pushed waits within bounds, by real threads over a stream as boto3 gives it."""

import itertools
import threading

import pytest
from botocore.exceptions import HTTPClientError

from streamjoin.kinesis.clock import SystemClock
from streamjoin.kinesis.subscription import ROOM_BYTES, Subscription
from tests.faults.kinesis import client_error

DEADLINE_SECONDS = 20


def pushed(number, size=1, **more):
    record = {"SequenceNumber": str(number), "Data": b"x" * size}
    event = {"Records": [record], "ContinuationSequenceNumber": str(number), "MillisBehindLatest": 0}
    return {"SubscribeToShardEvent": event | more}


class Stream:
    """boto3's event stream: what it gives, then how it ends; it counts how far it was read."""

    def __init__(self, messages, end=None):
        self.read, self.closed = 0, threading.Event()
        self._messages, self._end = messages, end

    def __iter__(self):
        for message in self._messages:
            self.read += 1
            yield message
        if self._end is not None:
            raise self._end

    def close(self):
        self.closed.set()


class ShortLife(SystemClock):
    """A clock by which a subscription's minutes are over once it has begun."""

    def __init__(self):
        self._seconds = itertools.chain([0.0], itertools.repeat(1000.0))

    def monotonic(self):
        return next(self._seconds)


def subscription(stream, clock=None):
    news = threading.Condition()
    return Subscription(stream, clock or SystemClock(), news), news


def wait_until(news, holds):
    with news:
        assert news.wait_for(holds, DEADLINE_SECONDS)


def take(found, news):
    wait_until(news, found.ready)
    return found.take()


def test_events_come_in_order_and_then_the_end():
    found, news = subscription(Stream(pushed(n) for n in range(50)))
    numbers = [take(found, news).continuation for _ in range(50)]
    assert numbers == [str(n) for n in range(50)]
    wait_until(news, found.is_over)
    assert (found.take(), found.failure) == (None, None)


def test_no_more_is_read_than_there_is_room_for_until_something_is_taken():
    size = ROOM_BYTES // 4
    stream = Stream(pushed(n, size) for n in range(100))
    found, news = subscription(stream)
    wait_until(news, lambda: stream.read == 4)
    for number in range(96):
        assert take(found, news).continuation == str(number)
        assert stream.read <= number + 1 + 4
    found.close()


def test_an_event_larger_than_the_room_is_taken_alone():
    stream = Stream(pushed(n, 2 * ROOM_BYTES) for n in range(3))
    found, news = subscription(stream)
    for number in range(3):
        assert take(found, news).bytes == 2 * ROOM_BYTES
        assert stream.read <= number + 2


def test_a_subscription_that_nobody_reads_ends_when_its_time_is_over():
    stream = Stream(pushed(n, ROOM_BYTES) for n in range(9))
    found, news = subscription(stream, ShortLife())
    assert stream.closed.wait(DEADLINE_SECONDS)
    assert take(found, news).continuation == "0"
    assert found.is_over()
    assert stream.read == 1


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (client_error("InternalFailureException", "SubscribeToShard"), "InternalFailureException"),
        (ConnectionResetError("cut in the middle of an event"), "cut in the middle"),
        (HTTPClientError(error="anything"), "anything"),
    ],
)
def test_what_came_before_a_failure_is_taken_and_then_the_failure_is_told(end, said):
    found, news = subscription(Stream([pushed(1), pushed(2)], end))
    assert [take(found, news).continuation for _ in range(2)] == ["1", "2"]
    wait_until(news, found.is_over)
    assert said in str(found.failure)


def test_closing_lets_the_thread_end_and_the_connection_go():
    stream = Stream(pushed(n, ROOM_BYTES) for n in range(9))
    found, news = subscription(stream)
    wait_until(news, found.ready)
    found.close()
    assert stream.closed.wait(DEADLINE_SECONDS)
    assert found.take() is None


def test_the_end_of_a_shard_names_its_children():
    children = [{"ShardId": "b", "ParentShards": ["a"]}, {"ShardId": "c", "ParentShards": ["a", "z"]}]
    end = pushed(1, ContinuationSequenceNumber=None, ChildShards=children)
    found, news = subscription(Stream([pushed(1), end]))
    assert take(found, news).children is None
    assert take(found, news).children == {"b": ("a",), "c": ("a", "z")}


def test_no_children_beside_a_continuation_are_no_end():
    found, news = subscription(Stream([pushed(1, ChildShards=[])]))
    assert take(found, news).children is None
