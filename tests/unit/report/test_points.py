"""A history as points: each batch one, or as many as a page has room for, and then nothing that was bad is lost."""

import gc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.history.figures import BatchFigures, Files, Freshness, ReferenceFigures
from streamjoin.report.points import MOST_POINTS, gathered

BEGIN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def batch(after: float, number: int = 0, **rest: object) -> BatchFigures:
    figures = BatchFigures(
        batch_id=f"b{number}",
        at=BEGIN + timedelta(seconds=after),
        read=10 + number % 7,
        kept=9,
        rejected_by_reason={"WRONG_TYPE": 1} if number % 3 == 0 else {},
        lag_ms={"a": number % 50, "b": 3},
        freshness=Freshness(1.0, 2.0 + number % 11, 3.0 + number % 13),
        seconds={"compute": 0.5, "commit": 1.0},
        files=Files(1, 100, 60 + number % 5),
        references={"country": ReferenceFigures(1 + number // 100, float(number % 17), failures=number % 2)},
    )
    return replace(figures, **rest)  # type: ignore[arg-type]


def every(seconds: float, count: int) -> list[BatchFigures]:
    return [batch(seconds * number, number) for number in range(count)]


def test_each_batch_is_a_point_of_its_own_if_there_is_room_for_them() -> None:
    batches = every(5, MOST_POINTS)
    history = gathered(iter(batches))
    assert [each.at for each in history.points] == [each.at for each in batches]
    assert [each.figures.read for each in history.points] == [each.read for each in batches]
    assert [each.lag_seconds for each in history.points] == [max(each.lag_ms.values()) / 1000 for each in batches]
    assert [each.figures.freshness for each in history.points] == [each.freshness for each in batches]
    assert (history.width_seconds, history.silences, history.batches) == (0.0, [], MOST_POINTS)


gaps = st.lists(st.floats(0, 20) | st.floats(0, 20_000), min_size=1, max_size=120)


@given(gaps, st.integers(2, 30))
def test_points_are_few_in_their_order_and_lose_no_sum_and_nothing_bad(gaps: list[float], most: int) -> None:
    moments = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    batches = [batch(seconds, number) for number, seconds in enumerate(moments)]
    history = gathered(iter(batches), most)
    points = history.points
    assert len(points) <= most
    assert [each.at for each in points] == sorted(each.at for each in points)
    assert points[-1].at == batches[-1].at
    # Each batch is in exactly one of them, and all in one interval of their width.
    taken = iter(batches)
    for point in points:
        own = [next(taken) for _ in range(point.figures.batches)]
        assert (point.since, point.at) == (own[0].at, own[-1].at)
        assert (point.at - point.since).total_seconds() <= history.width_seconds
        assert point.figures.read == sum(each.read for each in own)
        assert point.figures.rejected_by_reason == sum((Counter(each.rejected_by_reason) for each in own), Counter())
        assert point.lag_seconds == max(max(each.lag_ms.values()) for each in own) / 1000
        assert point.figures.freshness is not None
        assert point.figures.freshness.p99_seconds == max(each.freshness.p99_seconds for each in own if each.freshness)
        country = point.figures.references["country"]
        assert country.version == own[-1].references["country"].version
        assert country.age_seconds == max(each.references["country"].age_seconds or 0 for each in own)
        assert country.failures == max(each.references["country"].failures for each in own)
        assert point.figures.files is not None
        assert point.figures.files.count == len(own)
        assert point.figures.files.largest_bytes == max(each.files.largest_bytes for each in own if each.files)
    assert next(taken, None) is None
    assert all((end - begin).total_seconds() >= history.width_seconds for begin, end in history.silences)


def test_a_stop_is_a_silence_and_the_usual_pace_is_none() -> None:
    batches = [*every(5, 100), *(batch(10_000 + 5 * number, number) for number in range(100))]
    history = gathered(batches)
    assert history.silences == [(batches[99].at, batches[100].at)]
    # Of a job with a batch an hour an hour is no silence.
    assert gathered(every(3600, 100)).silences[1:] == []
    assert gathered([]).silences == []


def test_the_time_since_the_last_commit_is_a_silence_if_it_is_longer_than_usual() -> None:
    history = gathered(every(5, 100))
    last = history.points[-1].at
    assert history.silences_until(last + timedelta(seconds=230)) == []
    end = last + timedelta(seconds=231)
    assert history.silences_until(end) == [(last, end)]
    assert gathered([]).silences_until(end) == []


def test_a_silence_shorter_than_a_point_is_not_told() -> None:
    batches = [*every(5, 50), *(batch(1_000 + 86_400 * number, number) for number in range(10))]
    assert gathered(batches, 400).silences[0] == (batches[49].at, batches[50].at)
    history = gathered(batches, 6)
    assert history.width_seconds > 1_000
    assert batches[49].at not in [begin for begin, _ in history.silences]


def test_a_rate_is_of_the_time_in_which_records_came_and_not_of_a_stop() -> None:
    batches = [*every(5, 60), *(batch(10_000 + 5 * number, number) for number in range(3))]
    points = gathered(batches).points
    # 12 records: the first batch and the one after the stop took the seconds of their stages, others five.
    spans = [each.span_seconds for each in points]
    assert (spans[0], spans[1], spans[60], spans[61]) == (1.5, 5.0, 1.5, 5.0)
    assert points[2].rate(points[2].figures.read) == 12 / 5
    assert gathered([batch(0, seconds={})]).points[0].rate(9) is None


def test_clocks_that_disagree_don_t_turn_time_back() -> None:
    points = gathered([batch(10), batch(8), batch(12)]).points
    assert [(each.at - BEGIN).total_seconds() for each in points] == [10, 10, 12]


def test_of_a_long_history_few_batches_are_in_memory() -> None:
    def alive() -> int:
        return sum(isinstance(each, BatchFigures) for each in gc.get_objects())

    before, most = alive(), [0]

    def long() -> Iterator[BatchFigures]:
        for number in range(12_000):
            yield batch(5 * number, number)
            if number % 2_000 == 0:
                most[0] = max(most[0], alive() - before)

    history = gathered(long())
    assert history.batches == 12_000
    assert 0 < most[0] < 5_000


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_batches_are_as_many_points(count: int) -> None:
    history = gathered(every(5, count))
    whole = history.whole()
    assert len(history.points) == count
    assert (0 if whole is None else whole.batches) == count
