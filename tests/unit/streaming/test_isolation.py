"""Which of many fail: found in halves, by as few tries as that takes."""

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import RejectReason, SourceError
from streamjoin.records.values import Rejected
from streamjoin.streaming.isolation import MOST_FAILING, FailedRecords, SetAside, TooManyError, find_failing, isolating

UNWRITABLE = Rejected(RejectReason.UNWRITABLE, "column 'a' can't be written")


class Trial:
    """Fails if one of the bad ones is there."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.tries = bad, 0

    def error_of(self, some: Sequence[int]) -> Exception | None:
        self.tries += 1
        found = self.bad.intersection(some)
        return ValueError(str(min(found))) if found else None


@given(st.integers(1, 200), st.sets(st.integers(0, 199), max_size=MOST_FAILING))
def test_those_that_fail_by_themselves_are_found_each_with_its_own_error(count: int, bad: set[int]) -> None:
    trial = Trial(bad & set(range(count)))
    found = find_failing(range(count), trial.error_of)
    assert {key: str(error) for key, error in found.items()} == {key: str(key) for key in trial.bad}


def test_one_of_four_thousand_takes_a_try_for_each_halving_and_one_to_be_sure() -> None:
    for bad in (0, 1234, 3999):
        trial = Trial({bad})
        assert set(find_failing(range(4000), trial.error_of)) == {bad}
        assert trial.tries <= 2 * 12 + 1


def test_those_that_fail_only_together_are_none() -> None:
    assert find_failing(range(8), lambda some: ValueError() if {2, 6} <= set(some) else None) == {}


def test_a_small_batch_that_fails_whole_is_the_data_and_a_large_one_is_not() -> None:
    assert len(find_failing(range(MOST_FAILING), Trial(set(range(MOST_FAILING))).error_of)) == MOST_FAILING
    trial = Trial(set(range(4000)))
    with pytest.raises(TooManyError):
        find_failing(range(4000), trial.error_of)
    assert trial.tries < 3 * MOST_FAILING


def test_a_batch_is_begun_again_without_what_failed_until_nothing_does(caplog: pytest.LogCaptureFixture) -> None:
    seen = list[SetAside]()

    def attempt(aside: SetAside) -> int:
        seen.append(aside)
        assert len(seen) <= 4
        if len(aside) < 3:
            raise FailedRecords(events={f"s/shard/{len(aside)}/0": UNWRITABLE})
        return len(aside)

    with caplog.at_level(logging.WARNING):
        assert isolating("b", attempt) == 3
    assert [len(aside) for aside in seen] == [0, 1, 2, 3]
    said = "batch=b goes on without 1 records that fail by themselves: 1 UNWRITABLE (column 'a' can't be written); "
    assert said + "the first: s/shard/0/0" in caplog.text


def test_a_batch_of_which_ever_more_fail_stops_and_is_not_tried_again() -> None:
    tries = list[SetAside]()

    def attempt(aside: SetAside) -> None:
        tries.append(aside)
        assert len(tries) <= 2
        raise FailedRecords(events={str(len(aside) + at): UNWRITABLE for at in range(MOST_FAILING - 10)})

    with pytest.raises(SourceError, match=r"batch 'b': 180 of its records fail by themselves") as raised:
        isolating("b", attempt)
    assert not raised.value.retryable
