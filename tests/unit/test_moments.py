"""One set of forms of a time, wherever text of it comes from."""

from datetime import UTC, datetime

import pytest

from streamjoin.moments import iso_date, iso_moment, iso_us
from tests.times import NO_TIMES, TIMES


@pytest.mark.parametrize(("text", "us"), TIMES)
def test_a_time_in_iso_8601_is_cut_to_microseconds(text: str, us: int) -> None:
    assert iso_us(text) == us


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_of_the_years_1_to_9999_is_none(text: str) -> None:
    assert iso_moment(text) is None


def test_a_date_is_a_day_alone() -> None:
    assert iso_date("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC).date()
    for text in ("20260131", "2026-W05-6", "2026-02-30", "2026-01-31T00:00:00", " 2026-01-31", "0000-01-01", ""):
        assert iso_date(text) is None
