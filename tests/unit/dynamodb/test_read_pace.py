import heapq
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.dynamodb.read_pace import ReadUnits


class FakeTime:
    """Time that passes only in a sleep."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


def limiter(max_per_second):
    time = FakeTime()
    return ReadUnits(max_per_second, time, time.sleep), time


def test_a_call_is_paid_for_by_waiting_after_it():
    units, time = limiter(10)

    units.spend(25)

    assert time.slept == [2.5]


def test_calls_in_a_row_are_read_at_the_rate_on_average():
    units, time = limiter(10)

    for _ in range(40):
        units.spend(0.5)

    assert time.now - 1000 == pytest.approx(2)


def test_without_a_bound_no_read_ever_waits():
    units, time = limiter(None)

    units.spend(1e9)

    assert time.slept == []


def test_a_call_that_consumed_nothing_waits_for_nothing():
    units, time = limiter(1)

    units.spend(0)

    assert time.slept == []


def test_a_call_that_consumed_nothing_waits_for_what_others_consumed():
    slept = []
    units = ReadUnits(10, lambda: 0.0, slept.append)
    units.spend(10)

    units.spend(0)

    assert slept == [1, 1]


def test_idle_time_is_not_saved_up_for_a_burst():
    units, time = limiter(10)
    units.spend(10)
    time.now += 3600

    units.spend(10)

    assert time.slept == [1, 1]


def test_the_time_that_a_call_took_counts_if_its_start_is_told():
    units, time = limiter(10)
    started_at = units.now()
    time.now += 0.75

    units.spend(10, started_at=started_at)

    assert time.slept == [0.25]


def test_a_call_slower_than_its_price_waits_for_nothing_and_earns_nothing_more():
    units, time = limiter(10)
    started_at = units.now()
    time.now += 60
    units.spend(10, started_at=started_at)
    assert time.slept == []

    units.spend(10, started_at=units.now())

    assert time.slept == [1]


def test_a_start_in_the_future_is_taken_for_now():
    units, time = limiter(10)

    units.spend(10, started_at=units.now() + 50)

    assert time.slept == [1]


def test_threads_that_pay_at_the_same_time_wait_for_the_sum():
    waits, lock = [], threading.Lock()

    def sleep(seconds):
        with lock:
            waits.append(seconds)

    units = ReadUnits(10, lambda: 0.0, sleep)
    threads = [threading.Thread(target=units.spend, args=(5,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(waits) == [0.5 * n for n in range(1, 9)]


@settings(deadline=None)
@given(
    st.floats(0.5, 1000),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 200)), min_size=1, max_size=30),
    st.integers(1, 4),
)
def test_no_more_is_consumed_than_the_time_allows_whatever_the_calls_take(rate, calls, threads):
    now = 0.0
    waited = [0.0]
    units = ReadUnits(rate, lambda: now, lambda seconds: waited.__setitem__(0, seconds))
    # (when a thread's call ends, the call's number, when it began): each thread begins as soon as it may.
    pending, queue, consumed = [], list(enumerate(calls)), 0.0
    for _ in range(min(threads, len(queue))):
        number, (seconds, _) = queue.pop(0)
        heapq.heappush(pending, (seconds, number, 0.0))
    while pending:
        ends_at, number, began_at = heapq.heappop(pending)
        now, waited[0] = ends_at, 0.0
        units.spend(calls[number][1], started_at=began_at)
        consumed += calls[number][1]
        free_at = now + waited[0]
        assert consumed <= rate * free_at * (1 + 1e-9) + 1e-9
        if queue:
            number, (seconds, _) = queue.pop(0)
            heapq.heappush(pending, (free_at + seconds, number, free_at))


def test_a_share_is_an_equal_part_for_each_task():
    units, time = limiter(10)

    share = units.share(4)
    share.spend(5)

    assert share.max_per_second == 2.5
    assert time.slept == [2]
    assert units.share(0).max_per_second == 10
    assert units.share(1) is not units


def test_a_share_of_no_bound_has_none():
    assert limiter(None)[0].share(3).max_per_second is None


@pytest.mark.parametrize(
    ("max_per_second", "item_bytes", "is_consistent", "limit"),
    [
        (None, 100, True, None),
        # 10 units are 40 KB
        (10, 1024, True, 40),
        (10, 1024, False, 80),
        (10, 100_000, True, 1),
        (0.5, 4096, True, 1),
        # 256 units are the megabyte that a page has at most
        (255, 1024, True, 1020),
        (256, 1024, True, None),
        (127, 1024, False, 1016),
        (128, 1024, False, None),
        # no size known yet: as for items of 1 KB
        (10, 0, True, 40),
    ],
)
def test_a_page_costs_about_what_a_second_earns(max_per_second, item_bytes, is_consistent, limit):
    assert limiter(max_per_second)[0].page_limit(item_bytes, is_consistent=is_consistent) == limit
