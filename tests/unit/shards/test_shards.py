import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.errors import DataLossError
from streamjoin.shards.lineage import REMEMBERED_MS, Shard, first_position, follow, is_outdated
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position, PositionKind, ShardPosition


def shard(shard_id, *parents, closed=False):
    return Shard(shard_id, parents, "1", "9" if closed else None)


def position(**shards):
    return Position("orders", shards)


NOW_MS = 1_700_000_000_000
AFTER = ShardPosition(PositionKind.AFTER, sequence_number="5")
SPLIT = [shard("p", closed=True), shard("a", "p"), shard("b", "p")]


def lineage(shards, at, fail=True, now_ms=NOW_MS):
    return follow(shards, at, now_ms, fail_on_data_loss=fail)


def test_children_wait_until_their_parent_is_drained():
    found = lineage(SPLIT, position(p=AFTER))
    assert (found.readable, found.waiting) == (("p",), ("a", "b"))


def test_a_closed_shard_that_is_unread_is_not_finished():
    assert lineage(SPLIT, position(p=TRIM_HORIZON)).readable == ("p",)


def test_children_of_a_drained_parent_start_at_the_trim_horizon_also_with_latest():
    started = first_position([shard("p")], "orders", ShardPosition(PositionKind.AT_TIMESTAMP, 7), skip_closed=True)
    found = lineage(SPLIT, Position("orders", {**started.shards, "p": DRAINED}))
    assert found.readable == ("a", "b")
    assert found.position.shards == {"p": DRAINED, "a": TRIM_HORIZON, "b": TRIM_HORIZON}


def test_a_merged_shard_waits_for_both_parents():
    shards = [shard("a", closed=True), shard("b", closed=True), shard("m", "a", "b")]
    assert lineage(shards, position(a=DRAINED, b=AFTER)).readable == ("b",)
    assert lineage(shards, position(a=DRAINED, b=DRAINED)).readable == ("m",)


def test_several_generations_are_read_one_after_the_other():
    shards = [shard("g", closed=True), shard("p", "g", closed=True), shard("c", "p")]
    assert lineage(shards, position(g=AFTER)).readable == ("g",)
    assert lineage(shards, position(g=DRAINED)).readable == ("p",)
    assert lineage(shards, position(g=DRAINED, p=DRAINED)).readable == ("c",)


def test_a_parent_found_together_with_its_children_comes_first():
    assert lineage(SPLIT, position()).readable == ("p",)


def test_a_parent_that_is_not_known_any_more_counts_as_drained():
    assert lineage([shard("c", "long-gone")], position()).readable == ("c",)


def test_a_drained_shard_is_remembered_while_it_is_listed_and_for_a_day_after_that():
    at = position(p=DRAINED, a=AFTER, b=AFTER)
    at = lineage(SPLIT, at).position
    assert at.shards["p"] == DRAINED
    at = lineage(SPLIT[1:], at).position
    assert at.shards["p"] == dataclasses.replace(DRAINED, unlisted_ms=NOW_MS)
    at = lineage(SPLIT[1:], at, now_ms=NOW_MS + REMEMBERED_MS).position
    assert "p" in at.shards
    forgotten = lineage(SPLIT[1:], at, now_ms=NOW_MS + REMEMBERED_MS + 1)
    assert set(forgotten.position.shards) == {"a", "b"}
    assert forgotten.readable == ("a", "b")


def test_a_drained_shard_that_is_listed_again_is_not_read_again_and_remembered_anew():
    at = lineage(SPLIT[1:], position(p=DRAINED, a=AFTER, b=AFTER)).position
    again = lineage(SPLIT, at, now_ms=NOW_MS + REMEMBERED_MS - 1)
    assert again.readable == ("a", "b")
    assert again.position.shards["p"] == DRAINED


def test_children_that_are_not_listed_yet_are_awaited():
    closed = shard("p", closed=True)
    assert lineage([closed], position(p=AFTER)).childless == ()
    assert lineage([closed], position(p=DRAINED)).childless == ("p",)
    assert lineage(SPLIT, position(p=DRAINED)).childless == ()
    assert is_outdated([closed], position(p=DRAINED))


def test_an_unread_shard_that_is_no_longer_listed_is_data_loss():
    with pytest.raises(DataLossError) as caught:
        lineage(SPLIT[1:], position(p=AFTER))
    for part in ("'orders'", "'p'", "AFTER 5", "source.kinesis.fail_on_data_loss: false"):
        assert part in str(caught.value)


def test_a_user_who_accepts_data_loss_goes_on_with_the_children():
    found = lineage(SPLIT[1:], position(p=AFTER), fail=False)
    assert found.gone == (("p", AFTER),)
    assert found.readable == ("a", "b")


def test_latest_takes_closed_shards_as_drained_and_at_timestamp_reads_them():
    start = ShardPosition(PositionKind.AT_TIMESTAMP, 7)
    latest = first_position(SPLIT, "orders", start, skip_closed=True)
    assert latest.shards == {"p": DRAINED, "a": start, "b": start}
    assert lineage(SPLIT, latest).readable == ("a", "b")
    timed = first_position(SPLIT, "orders", start, skip_closed=False)
    assert lineage(SPLIT, timed).readable == ("p",)


def test_a_listing_is_outdated_when_the_position_knows_more():
    assert is_outdated([shard("p")], position(p=DRAINED))
    assert is_outdated([], position(p=AFTER))
    assert not is_outdated(SPLIT, position(p=DRAINED))
    assert not is_outdated([shard("a")], position(p=DRAINED, a=AFTER))


@st.composite
def families(draw):
    """Any history of splits and merges, and any listing that has forgotten the oldest shards of it."""
    shards = [shard("000"), shard("001")]
    for _ in range(draw(st.integers(0, 8))):
        leaves = [s for s in shards if not s.is_closed]
        parents = draw(st.lists(st.sampled_from(leaves), min_size=1, max_size=2, unique=True))
        shards = [shard(s.shard_id, *s.parent_ids, closed=True) if s in parents else s for s in shards]
        children = 2 if len(parents) == 1 else 1
        ids = [p.shard_id for p in parents]
        shards += [shard(f"{len(shards) + i:03d}", *ids) for i in range(children)]
    return shards[draw(st.integers(0, sum(s.is_closed for s in shards) and 2)) :]


@given(families(), st.data())
def test_every_shard_is_read_once_and_after_its_parents(shards, data):
    at, read = position(), []
    while found := lineage(shards, at).readable:
        ready = data.draw(st.lists(st.sampled_from(found), min_size=1, unique=True))
        read += ready
        drained = {shard_id: DRAINED for shard_id in ready}
        at = Position("orders", {**lineage(shards, at).position.shards, **drained})
    assert sorted(read) == sorted(s.shard_id for s in shards)
    listed = set(read)
    for s in shards:
        assert all(read.index(p) < read.index(s.shard_id) for p in s.parent_ids if p in listed)
