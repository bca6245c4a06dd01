import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import SourceError
from streamjoin.shards.position import (
    DRAINED,
    TRIM_HORIZON,
    LostRange,
    Position,
    PositionKind,
    ShardPosition,
    ShardRange,
    sequence_order,
)

NOW_MS = 1_700_000_000_000
numbers = st.integers(min_value=0, max_value=10**56 - 1)
places = st.one_of(
    st.just(TRIM_HORIZON),
    st.just(DRAINED),
    st.builds(lambda t: ShardPosition(PositionKind.DRAINED, unlisted_ms=t), st.integers(0, 2**45)),
    st.builds(lambda t: ShardPosition(PositionKind.AT_TIMESTAMP, t, caught_up_ms=t), st.integers(0, 2**45)),
    st.builds(lambda n: ShardPosition(PositionKind.AFTER, sequence_number=str(n)), numbers),
)


def after(number, caught_up_ms=None):
    return ShardPosition(PositionKind.AFTER, sequence_number=number, caught_up_ms=caught_up_ms)


def read_range(first=None, last=None, records=0, *, behind=0, drained=False, lost=None):
    return ShardRange("s", first, last, records, records * 2, drained, behind, NOW_MS, lost)


def advanced(start, shard_range):
    return Position("orders", {"s": start}).advance([shard_range]).shards["s"]


@given(numbers, numbers, st.integers(0, 4))
def test_sequence_numbers_compare_as_numbers_whatever_their_width(a, b, zeros):
    left, right = "0" * zeros + str(a), str(b)
    assert (sequence_order(left) < sequence_order(right)) == (a < b)
    assert (sequence_order(left) == sequence_order(right)) == (a == b)


@given(st.dictionaries(st.text(), places, max_size=5))
def test_a_position_survives_json_and_pickle(shards):
    position = Position("orders", shards)
    assert Position.from_json(position.to_json()) == position
    assert pickle.loads(pickle.dumps(position)) == position  # noqa: S301


def test_equal_positions_have_the_same_compact_json():
    a = Position("orders", {"b": TRIM_HORIZON, "a": after("7", 5)})
    b = Position("orders", {"a": after("7", 5), "b": TRIM_HORIZON})
    assert a.to_json() == b.to_json()
    assert a.to_json() == (
        '{"shards":{"a":{"caught_up_ms":5,"kind":"AFTER","sequence_number":"7"},"b":{"kind":"TRIM_HORIZON"}},'
        '"stream":"orders"}'
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"stream":"s","shards":{"a":{"kind":"SOON"}}}', '{"stream":"s","shards":{"a":3}}']
)
def test_text_that_is_no_position_is_refused_with_what_to_do(text):
    with pytest.raises(SourceError, match="streamjoin checkpoint show"):
        Position.from_json(text)


def test_a_range_survives_json_values():
    shard_range = read_range("1", "9", 9, lost=LostRange("0", "1"))
    assert ShardRange.from_dict(shard_range.to_dict()) == shard_range
    assert ShardRange.from_dict(read_range().to_dict()) == read_range()


def test_a_shard_from_which_nothing_was_read_keeps_its_kind():
    start = ShardPosition(PositionKind.AT_TIMESTAMP, 5)
    assert advanced(start, read_range(behind=9)) == start
    assert advanced(start, read_range()) == ShardPosition(PositionKind.AT_TIMESTAMP, 5, caught_up_ms=NOW_MS)


def test_a_read_shard_stands_after_its_last_record():
    assert advanced(TRIM_HORIZON, read_range("1", "9", 9, behind=4)) == after("9")
    assert advanced(TRIM_HORIZON, read_range("1", "9", 9)) == after("9", NOW_MS)


def test_an_earlier_time_of_having_caught_up_stays_known_while_behind():
    assert advanced(after("1", 77), read_range("2", "9", 8, behind=4)) == after("9", 77)
    assert advanced(after("1", 77), read_range(behind=None)) == after("1", 77)


def test_a_drained_shard_is_remembered_as_drained():
    assert advanced(after("1"), read_range("2", "9", 8, drained=True)) == DRAINED


def test_a_gap_without_a_record_behind_it_is_not_met_twice():
    lost = LostRange("1", None)
    assert advanced(after("1", 77), read_range(lost=lost)) == ShardPosition(
        PositionKind.TRIM_HORIZON, caught_up_ms=NOW_MS
    )
    assert advanced(after("1", 77), read_range(behind=None, lost=lost)) == TRIM_HORIZON


def test_shards_found_since_join_the_position_and_the_others_stay():
    position = Position("orders", {"other": after("5")}).advance([read_range("1", "2", 2, behind=3)])
    assert position.shards == {"other": after("5"), "s": after("2")}


def test_hundreds_of_drained_shards_make_a_position_no_larger_than_they_must():
    position = Position("orders", {f"shardId-{n:012d}": DRAINED for n in range(500)})
    assert len(position.to_json()) < 500 * 45
