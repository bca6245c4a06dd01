"""The newest event of each record key, told in the driver."""

import math

from streamjoin.enrich.order import superseded


def test_the_greatest_ordering_is_the_newest_then_the_later_place_as_numbers() -> None:
    ranks = [(5, "100"), (5, "99"), (7, "1"), (7, "1/10"), (7, "1/9"), (6, "300"), (5, None)]
    assert superseded([("a",)] * 7, [True] * 7, ranks) == [True, True, True, False, True, True, True]
    assert superseded([("a",)] * 2, [True] * 2, ranks[:2]) == [False, True]


def test_what_is_rejected_supersedes_nothing() -> None:
    assert superseded([("a",), (None,), ("a",)], [True, False, False], [(1, "1"), (2, "2"), (3, "3")]) == [False] * 3


def test_keys_are_equal_as_they_are_for_spark() -> None:
    keys = [(math.nan, "x"), (0.0, "x"), (float("nan"), "x"), (-0.0, "x"), (0.0, "y")]
    assert superseded(keys, [True] * 5, [(n, None) for n in range(5)]) == [True, True, False, False, False]
