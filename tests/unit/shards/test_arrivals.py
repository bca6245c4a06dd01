"""When the records of a batch had arrived, compared with a sorted list of all times."""

from datetime import UTC, datetime
from itertools import accumulate

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.shards.arrivals import Arrivals, sample

LATE_MS = 1_700_000_000_000


def column(times_ms: list[int]) -> pa.ChunkedArray:
    found = [datetime.fromtimestamp(each / 1000, UTC) for each in times_ms]
    return pa.chunked_array([pa.array(found, pa.timestamp("us", "UTC"))])


def oracle(times_ms: list[int], share: float) -> int:
    return sorted(times_ms)[int((len(times_ms) - 1) * share)]


def share_before(times_ms: list[int], moment: int) -> float:
    return sum(each < moment for each in times_ms) / len(times_ms)


some_times = st.lists(st.integers(LATE_MS, LATE_MS + 10_000_000), min_size=1, max_size=400)


@given(some_times)
def test_of_a_column_the_shares_are_exact(times: list[int]) -> None:
    found = Arrivals.of_times(column(times))
    assert found == Arrivals(min(times), oracle(times, 0.01), oracle(times, 0.5))


@given(st.lists(some_times, min_size=1, max_size=6))
def test_samples_of_shards_give_the_oldest_exactly_and_never_take_a_record_for_fresher_than_it_is(
    shards: list[list[int]],
) -> None:
    found = Arrivals.of((len(times), sample(column(times))) for times in shards)
    every = [each for times in shards for each in times]
    assert found is not None
    assert found.oldest_ms == min(every)
    # A shard of few records has no closer shares than these.
    some = len(shards) / len(every)
    assert share_before(every, found.hundredth_ms) <= 0.01 + some
    assert 0.4 - some <= share_before(every, found.median_ms) + some
    assert share_before(every, found.median_ms) <= 0.5 + some


@given(st.integers(1, 10_000))
def test_of_a_single_shard_they_are_exact(records: int) -> None:
    times = [LATE_MS + number * 7 for number in range(records)]
    assert Arrivals.of([(records, sample(column(times)))]) == Arrivals.of_times(column(times))


@pytest.mark.parametrize("waiting", [1, 50, 400])
def test_a_shard_that_is_far_behind_shows_in_the_hundredth_once_it_has_a_hundredth_of_the_records(waiting: int) -> None:
    fresh = list(accumulate([1] * 9_999, initial=LATE_MS + 9_000_000))
    behind = list(accumulate([1] * (waiting - 1), initial=LATE_MS))
    found = Arrivals.of((len(times), sample(column(times))) for times in (fresh, behind))
    assert found is not None
    assert (found.hundredth_ms < LATE_MS + 9_000_000) is (waiting / (10_000 + waiting) > 0.01)
    assert found.median_ms >= LATE_MS + 9_000_000


def test_without_records_nothing_is_known() -> None:
    assert sample(column([])) == []
    assert Arrivals.of([(0, []), (0, ())]) is None
    assert Arrivals.of_times(column([])) is None
    assert Arrivals.of_times(pa.chunked_array([pa.nulls(3, pa.timestamp("us", "UTC"))])) is None
