"""What a job is doing, told by its lock and its newest commit."""

from datetime import UTC, datetime, timedelta

import pytest

from streamjoin.history.figures import BatchFigures
from streamjoin.lock.holder import Holder
from streamjoin.lock.view import LockView
from streamjoin.overview.state import JobState, State, ago, duration

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
FREE = LockView()
HOLDER = Holder("orders", "host", 42, "2026-01-31T11:00:00+00:00")
ALIVE = LockView(HOLDER, is_alive=True, evidence="its process runs")
DEAD = LockView(HOLDER, is_alive=False, evidence="its process is gone")
UNKNOWN = LockView(HOLDER, evidence="it isn't a process of this machine")


def batches(age_seconds: float, every_seconds: float = 5.0) -> list[BatchFigures]:
    newest = NOW - timedelta(seconds=age_seconds)
    return [
        BatchFigures(batch_id=f"b{number}", at=newest - timedelta(seconds=every_seconds * number))
        for number in reversed(range(20))
    ]


@pytest.mark.parametrize(
    ("lock", "made", "allowed_seconds", "state"),
    [
        (FREE, [], 0, State.NEVER_STARTED),
        (FREE, batches(3), 0, State.STOPPED),
        (ALIVE, [], 0, State.STARTING),
        (ALIVE, batches(3), 0, State.RUNNING),
        (ALIVE, batches(200), 0, State.RUNNING),
        (ALIVE, batches(231), 0, State.STALE),
        (ALIVE, batches(231), 3600, State.RUNNING),
        (ALIVE, batches(3900), 3600, State.STALE),
        # Batches of a minute: ten of them are not too long.
        (ALIVE, batches(700, 60), 0, State.RUNNING),
        (ALIVE, batches(800, 60), 0, State.STALE),
        (DEAD, batches(3), 0, State.DIED),
        (DEAD, [], 0, State.DIED),
        (UNKNOWN, batches(3), 0, State.RUNNING),
        (UNKNOWN, batches(3900), 3600, State.DIED),
        (UNKNOWN, [], 0, State.DIED),
    ],
)
def test_a_state_follows_from_lock_and_newest_commit(
    lock: LockView, made: list[BatchFigures], allowed_seconds: float, state: State
) -> None:
    found = JobState.of(lock, made, NOW, allowed_seconds=allowed_seconds)
    assert found.state is state
    assert found.detail
    assert ("orders" in found.detail and "42" in found.detail) is (lock.holder is not None)


@pytest.mark.parametrize(("lock", "state"), [(FREE, State.STOPPED), (ALIVE, State.RUNNING), (DEAD, State.DIED)])
def test_a_job_that_has_begun_needs_no_commit_for_that(lock: LockView, state: State) -> None:
    assert JobState.of(lock, [], NOW, allowed_seconds=0, is_begun=True).state is state


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (2.04, "2.0 s"),
        (59.4, "59 s"),
        (65, "1 min 5 s"),
        (3_000, "50 min"),
        (7_260, "2 h 1 min"),
        (200_000, "2 days"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert ago(seconds) == ("just now" if seconds < 1 else f"{text} ago")
