from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dynamodb.read.item_filter import ItemFilter

WATERMARK_MS = 1_562_148_836_036
WATERMARK_US = WATERMARK_MS * 1_000
MOMENT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=WATERMARK_US)


def takes(value, **bounds):
    return ItemFilter("updatedat", **(bounds or {"before_us": WATERMARK_US})).takes({"updatedat": value})


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ("before_us", [True, False, False]),
        ("until_us", [True, True, False]),
        ("after_us", [False, False, True]),
        ("from_us", [False, True, True]),
    ],
)
def test_each_bound_is_open_or_closed_as_its_name_says(bound, expected):
    found = [takes({"N": str(WATERMARK_MS + step)}, **{bound: WATERMARK_US}) for step in (-1, 0, 1)]
    assert found == expected


def test_two_bounds_both_have_to_hold():
    between = {"from_us": WATERMARK_US, "before_us": WATERMARK_US + 1_000_000}
    values = (WATERMARK_MS - 1, WATERMARK_MS, WATERMARK_MS + 1_000)
    assert [takes({"N": str(each)}, **between) for each in values] == [False, True, False]


@given(st.integers(-(10**6), 10**6), st.sampled_from(["s", "ms", "us", "ISO", "ISO without a zone", "ISO elsewhere"]))
def test_a_moment_is_compared_alike_however_it_is_written(step_seconds, form):
    when = MOMENT.replace(microsecond=0) + timedelta(seconds=step_seconds)
    seconds = int(when.timestamp())
    value = {
        "s": {"N": str(seconds)},
        "ms": {"N": f"{seconds}000"},
        "us": {"N": f"{seconds}000000.0"},
        "ISO": {"S": when.isoformat().replace("+00:00", "Z")},
        "ISO without a zone": {"S": when.replace(tzinfo=None).isoformat()},
        "ISO elsewhere": {"S": (when + timedelta(hours=5)).replace(tzinfo=None).isoformat() + "+05:00"},
    }[form]
    assert takes(value) is (when < MOMENT)


@pytest.mark.parametrize("value", [{"S": "yesterday"}, {"S": ""}, {"BOOL": True}, {"NULL": True}, {"L": []}])
def test_what_is_no_moment_is_not_taken_and_told_apart_from_what_is_too_late(value):
    assert takes(value) is None


def test_an_item_without_the_attribute_is_not_taken_and_told_apart():
    assert ItemFilter("updatedat", before_us=0).takes({"id": {"N": "1"}}) is None
