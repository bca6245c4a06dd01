import pytest

from streamjoin.aws.backoff import Tries, back_off_seconds
from streamjoin.errors import SinkError
from streamjoin.kinesis.pace import CallPace
from tests.faults.kinesis_clock import FakeClock


def test_a_wait_doubles_up_to_its_bound_however_many_failures_there_are():
    assert [back_off_seconds(failures, 0.4, 5.0) for failures in range(6)] == [0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert back_off_seconds(1_000_000, 0.4, 5.0) == 5.0


def test_a_shard_that_is_throttled_for_hours_is_still_asked_again():
    clock = FakeClock()
    pace = CallPace(clock, jitter=lambda: 1.0)
    for _ in range(1_100):
        pace.throttled("shardId-000000000000")
    assert pace.back_off_seconds("shardId-000000000000") == 5.0


def test_tries_end_after_so_many_without_progress():
    waits = []
    tries, error = Tries(3, waits.append, jitter=lambda: 1.0), SinkError("refused", retryable=True)
    tries.wait(error)
    tries.wait(error, progressed=True)
    tries.wait(error)
    tries.wait(error)
    with pytest.raises(SinkError, match="refused"):
        tries.wait(error)
    assert waits == [0.1, 0.05, 0.1, 0.2]
