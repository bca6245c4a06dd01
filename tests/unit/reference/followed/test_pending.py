import json
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from streamjoin.reference.followed import pending as module
from streamjoin.reference.followed.pending import Mark, Pending
from streamjoin.shards.position import Position, PositionKind, ShardPosition

STREAM = Position("arn", {"shard-1": ShardPosition(PositionKind.AFTER, sequence_number="7")})


def mark(version: int, as_of: float | None = None) -> Mark:
    return Mark(version, f"hash-{version}", float(version if as_of is None else as_of), STREAM)


def noticed(pending: Pending, version: int, keys: str = "") -> Pending:
    return pending.noticed(mark(version), {key: (key,) for key in keys})


def test_a_mark_survives_the_commit() -> None:
    written = json.loads(json.dumps(mark(3, 1.25).to_dict()))
    assert Mark.from_dict(written) == mark(3, 1.25)
    assert Mark.from_dict({**written, "stream": None}).stream is None
    assert Mark.from_dict({**written, "stream": "no position"}).stream is None


def test_without_changes_everything_is_rewritten_to_the_newest_mark() -> None:
    pending = Pending(mark(1)).noticed(mark(1, 9.0), {})
    assert pending.is_empty
    assert pending.rewritten == mark(1, 9.0)


def test_a_change_waits_and_rewritten_stays_before_it() -> None:
    pending = noticed(Pending(mark(1)), 2, "a")
    assert not pending.is_empty
    assert pending.rewritten == mark(1)
    assert noticed(pending, 2).rewritten == mark(1)
    assert pending.rest(None) == Pending(mark(2))


def test_a_key_that_changes_again_keeps_its_place() -> None:
    pending = noticed(noticed(Pending(mark(1)), 2, "ab"), 3, "bc")
    assert {key: each.age for key, each in pending.keys.items()} == {"a": 2.0, "b": 2.0, "c": 3.0}


def test_a_pass_that_was_cut_off_leaves_the_keys_from_there_on_and_advances_to_before_them() -> None:
    pending = noticed(noticed(noticed(Pending(mark(1)), 2, "a"), 3, "b"), 4, "c")
    rest = pending.rest(3.0)
    assert set(rest.keys) == {"b", "c"}
    assert rest.rewritten == mark(2)
    assert rest.rest(4.0).rewritten == mark(3)
    assert pending.rest(2.0) == pending


def test_too_many_keys_mean_that_every_row_is_looked_at(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_KEYS", 2)
    pending = noticed(Pending(mark(1)), 2, "abc")
    assert pending.everything
    assert not pending.keys
    assert noticed(pending, 3, "d").rewritten == mark(1)
    assert pending.rest(0.0).everything
    assert noticed(pending, 3).rest(None) == Pending(mark(3))


def test_a_clock_that_was_set_back_doesnt_mix_up_the_order() -> None:
    pending = noticed(Pending(mark(1, 100.0)), 2, "a").noticed(mark(3, 5.0), {"b": ("b",)})
    assert [each.as_of for each in pending.later] == [100.0, 100.0]
    assert pending.rest(100.0).rewritten == mark(1, 100.0)


@given(st.lists(st.one_of(st.sets(st.sampled_from("abcdef")), st.integers(0, 9)), max_size=12))
def test_no_change_is_forgotten_and_rewritten_never_passes_one_that_waits(steps: Iterable[set[str] | int]) -> None:
    pending, version, waiting = Pending(mark(0)), 0, dict[str, float]()
    for step in steps:
        if isinstance(step, set):
            version += bool(step)
            pending = pending.noticed(mark(version), {key: (key,) for key in sorted(step)})
            waiting = {**dict.fromkeys(step, float(version)), **waiting}
        else:
            cut = None if step > 7 else float(step)
            pending = pending.rest(cut)
            waiting = {key: age for key, age in waiting.items() if cut is not None and age >= cut}
        assert {key: each.age for key, each in pending.keys.items()} == waiting
        assert all(age > pending.rewritten.as_of for age in waiting.values())
        assert waiting or pending.rewritten.version == version
