"""Ticks where people expect them."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.report.scales import (
    BYTES,
    COUNT,
    PERCENT,
    RATE,
    SECONDS,
    Scale,
    Unit,
    bytes_text,
    count_text,
    from_zero,
    length_text,
    of_lengths,
    of_numbers,
    of_times,
    tick_text,
)


def texts(scale: Scale, unit: Unit) -> list[str]:
    return [unit.text(tick) for tick in scale.ticks]


@pytest.mark.parametrize(
    ("most", "unit", "ticks"),
    [
        (0, COUNT, ["0", "1"]),
        (1, COUNT, ["0", "1"]),
        (3, COUNT, ["0", "1", "2", "3"]),
        (1_234, RATE, ["0", "500", "1,000", "1,500"]),
        (0, SECONDS, ["0", "1 s"]),
        (0.3, RATE, ["0", "0.1", "0.2", "0.3"]),
        (123_456, COUNT, ["0", "50k", "100k", "150k"]),
        (0.037, SECONDS, ["0", "10 ms", "20 ms", "30 ms", "40 ms"]),
        (3.2, SECONDS, ["0", "1 s", "2 s", "3 s", "4 s"]),
        (47, SECONDS, ["0", "15 s", "30 s", "45 s", "1 min"]),
        (700, SECONDS, ["0", "5 min", "10 min", "15 min"]),
        (7_200, SECONDS, ["0", "30 min", "1 h", "1.5 h", "2 h"]),
        (86_400, SECONDS, ["0", "6 h", "12 h", "18 h", "1 d"]),
        (90_000_000, BYTES, ["0 B", "50 MB", "100 MB"]),
        (12, PERCENT, ["0 %", "50 %", "100 %"]),
    ],
)
def test_a_scale_from_zero_has_round_ticks_up_to_one_that_no_value_exceeds(
    most: float, unit: Unit, ticks: list[str]
) -> None:
    assert texts(from_zero([most / 3, most], unit), unit) == ticks


@given(st.lists(st.floats(0, 1e15), min_size=1), st.sampled_from([COUNT, RATE, SECONDS, BYTES]))
def test_every_value_is_on_its_scale_and_ticks_are_few(values: list[float], unit: Unit) -> None:
    scale = from_zero(values, unit)
    assert 2 <= len(scale.ticks) <= 5
    assert list(scale.ticks) == sorted(set(scale.ticks))
    assert max(values) <= scale.high * (1 + 1e-5)
    assert all(0 <= scale.share(value) <= 1 + 1e-5 for value in values)


def test_lengths_of_time_are_by_powers_of_ten_only_if_a_great_one_would_hide_the_others() -> None:
    assert not of_lengths([1.0, 2.0, 30.0]).is_log
    assert not of_lengths([0.0, 0.0]).is_log
    scale = of_lengths([0.9, 1.5, 2.0, 2.2, 2.0, 7_300.0])
    assert (scale.is_log, texts(scale, SECONDS)) == (True, ["100 ms", "1 s", "10 s", "1 min", "10 min", "1 h", "10 h"])
    assert scale.share(1.0) == pytest.approx(1 / 6, abs=0.04)
    # Nothing is below the lowest tick.
    assert scale.share(0.0) == 0.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("begin", "end", "ticks"),
    [
        ("2026-01-31T12:00:03", "2026-01-31T12:00:23", ["12:00:05", "12:00:10", "12:00:15", "12:00:20"]),
        ("2026-01-31T12:03", "2026-01-31T13:00", ["12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
        ("2026-01-31T18:00", "2026-02-01T05:00", ["18:00", "20:00", "22:00", "1 Feb", "02:00", "04:00"]),
        ("2026-01-30T18:00", "2026-02-03T05:00", ["31 Jan", "1 Feb", "2 Feb", "3 Feb"]),
        (
            "2026-01-01",
            "2026-07-01",
            ["Jan 2026", "Feb 2026", "Mar 2026", "Apr 2026", "May 2026", "Jun 2026", "Jul 2026"],
        ),
        ("2023-05-01", "2026-07-01", ["Jan 2024", "Jan 2025", "Jan 2026"]),
    ],
)
def test_times_have_ticks_at_round_times_in_utc(begin: str, end: str, ticks: list[str]) -> None:
    scale = of_times(at(begin), at(end))
    assert [tick_text(tick, scale.ticks) for tick in scale.ticks] == ticks


@given(st.integers(0, 4_000_000_000).map(float), st.integers(10, 1_000_000_000).map(float))
def test_times_of_any_length_have_a_few_ticks_within_them(begin: float, length: float) -> None:
    scale = of_times(begin, begin + length)
    assert 1 <= len(scale.ticks) <= 8
    assert all(begin <= tick <= begin + length for tick in scale.ticks)
    # A time of day may stand once for each day, whose name stands between them.
    written = {(tick // 86_400, tick_text(tick, scale.ticks)) for tick in scale.ticks}
    assert len(written) == len(scale.ticks)


def test_numbers_run_from_the_least_to_the_greatest() -> None:
    assert list(of_numbers([10_000, 3_000_000], is_log=True).ticks) == [10_000, 100_000, 1_000_000]
    assert list(of_numbers([1, 40]).ticks) == [10, 20, 30, 40]
    assert math.isclose(of_numbers([5]).share(5), 0.5)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (count_text(0), "0"),
        (count_text(9_999), "9,999"),
        (count_text(999_999), "1,000k"),
        (count_text(1_234_567), "1.23M"),
        (count_text(0.0512), "0.0512"),
        (length_text(0), "0"),
        (length_text(0.0123), "12.3 ms"),
        (length_text(999), "16.6 min"),
        (bytes_text(0), "0 B"),
        (bytes_text(999), "999 B"),
        (bytes_text(999_999), "1,000 kB"),
        (bytes_text(5_250_000_000), "5.25 GB"),
    ],
)
def test_numbers_are_written_with_three_digits_and_a_unit(text: str, written: str) -> None:
    assert text == written
