"""Tombstones as they lie beside a table: kept long enough, not for ever, and through every death."""

from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import SinkError
from streamjoin.hudi import tombstones
from streamjoin.hudi.tombstones import Tombstones, _newest_of
from tests.faults.ledger import killed_at

HOUR = 3600
NOW = 1_700_000_000


class Clock:
    def __init__(self) -> None:
        self.seconds = float(NOW)

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def removed(**seconds: int) -> pa.Table:
    """Item -> when it was removed, in seconds after NOW."""
    orders = [f"{(NOW + each) * 1_000_000:017d}.{'0' * 64}.000000" for each in seconds.values()]
    return pa.table({"_item_key": list(seconds), "_order": orders})


# After each of them.
NEVER = 2**62


def stones(
    base_path: Path, clock: Clock, hours: float = 24, *, needed_since_us: int | None = NEVER, whole: bool = False
) -> Tombstones:
    return Tombstones(str(base_path), hours, clock=clock, needed_since_us=lambda: needed_since_us, whole=whole)


def known(found: Tombstones) -> dict[str, int]:
    """Item -> seconds after NOW, as the table's rows are compared with."""
    rows = _newest_of([found._base, found._recent]).to_pylist()
    assert len(rows) == found._base.num_rows + found._recent.num_rows - _both(found)
    return {row["_item_key"]: int(row["_order"][:17]) // 1_000_000 - NOW for row in rows}


def _both(found: Tombstones) -> int:
    return len(set(found._base["_item_key"].to_pylist()) & set(found._recent["_item_key"].to_pylist()))


def opened(base_path: Path, clock: Clock, hours: float = 24) -> dict[str, int]:
    """Return what another process knows."""
    other = stones(base_path, clock, hours)
    other.open()
    return known(other)


def files(base_path: Path) -> list[str]:
    return sorted(path.name for path in Path(base_path, ".hoodie", ".streamjoin", "tombstones").iterdir())


def test_of_each_item_the_newest_removal_counts_in_this_process_and_in_others(tmp_path: Path, clock: Clock) -> None:
    ours = stones(tmp_path, clock)
    ours.open()
    assert ours.is_empty
    ours.add(removed(), "b0")
    assert ours.is_empty
    ours.add(removed(a=1, b=5), "b1")
    ours.add(removed(a=3, b=4, c=1), "b2")
    assert known(ours) == opened(tmp_path, clock) == {"a": 3, "b": 5, "c": 1}
    ours.open()
    ours.add(removed(a=2, c=2), "b3")
    assert known(ours) == opened(tmp_path, clock) == {"a": 3, "b": 5, "c": 2}
    assert not ours.is_empty


def test_a_batch_that_is_repeated_overwrites_its_own_file_whatever_it_is_called(tmp_path: Path, clock: Clock) -> None:
    for _ in range(2):
        stones(tmp_path, clock).add(removed(a=1), "../x/y 1")
        clock.seconds += 100
    (name,) = files(tmp_path)
    assert name.startswith("..%2Fx%2Fy%201-")
    # Two batches were given one name.
    stones(tmp_path, clock).add(removed(b=1), "../x/y 1")
    assert opened(tmp_path, clock) == {"a": 1, "b": 1}


def test_a_tombstone_is_kept_from_the_removal_or_from_its_writing_whichever_is_later(
    tmp_path: Path, clock: Clock
) -> None:
    # Changes that were waiting for days in the stream, and one of a clock that is ahead.
    stones(tmp_path, clock, hours=2).add(removed(old=-50 * HOUR, ahead=HOUR), "b1")
    clock.seconds += 2 * HOUR - 1
    assert opened(tmp_path, clock).keys() == {"old", "ahead"}
    clock.seconds += 1
    assert opened(tmp_path, clock).keys() == {"ahead"}
    clock.seconds += HOUR
    assert opened(tmp_path, clock) == {}
    assert files(tmp_path) == []


def test_files_are_put_together_and_what_has_expired_goes_though_new_ones_keep_coming(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "_FILES", 5)
    ours = stones(tmp_path, clock, hours=1)
    for number in range(40):
        ours.add(removed(**{f"k{number}": number * 360}), f"b{number}")
        assert len(files(tmp_path)) <= 6
        clock.seconds += 360
    # Ten an hour; those that expired since the last putting together are there still.
    assert {f"k{number}" for number in range(31, 40)} <= opened(tmp_path, clock).keys()
    assert len(known(ours)) <= 16


@pytest.mark.parametrize("is_put_together", [False, True])
def test_a_tombstone_that_has_expired_is_kept_for_changes_that_are_fed_in_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, is_put_together: bool
) -> None:
    if is_put_together:
        monkeypatch.setattr(tombstones, "_FILES", 1)
    ours = stones(tmp_path, clock, hours=1, needed_since_us=(oldest := (NOW + HOUR + 5) * 1_000_000))
    ours.add(removed(before=4), "b1")
    # It counted when the oldest change arrived that was set aside.
    ours.add(removed(after=6), "b2")
    clock.seconds += 2 * HOUR
    ours.open()
    assert ours.is_empty, "what has expired doesn't count for the job itself"
    ours.add(removed(now=2 * HOUR), "b3")
    ours.add(removed(now=2 * HOUR + 1), "b4")
    everything = stones(tmp_path, clock, hours=1, needed_since_us=oldest, whole=True)
    everything.open()
    assert known(everything) == {"after": 6, "now": 2 * HOUR + 1}
    # A backfill doesn't know what is needed.
    stones(tmp_path, clock, hours=1, needed_since_us=None).open()
    everything.open()
    assert known(everything).keys() == {"after", "now"}
    # No dead letter is left.
    stones(tmp_path, clock, hours=1).open()
    everything.open()
    # A file goes as a whole.
    assert known(everything).keys() == ({"after", "now"} if is_put_together else {"now"})


def test_many_recent_ones_join_the_base(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tombstones, "_RECENT", 3)
    ours = stones(tmp_path, clock)
    for number in range(6):
        ours.add(removed(**{f"k{number}": 1, "again": number}), f"b{number}")
    assert (ours._base.num_rows, ours._recent.num_rows) == (7, 0)
    assert known(ours) == opened(tmp_path, clock) == {**{f"k{number}": 1 for number in range(6)}, "again": 5}


def test_a_reader_that_meets_the_putting_together_reads_again(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "_FILES", 2)
    ours, other = stones(tmp_path, clock), stones(tmp_path, clock)
    ours.add(removed(a=1), "b1")
    ours.add(removed(b=1), "b2")
    real, met = tombstones.get_object, []

    def meanwhile(*place: object) -> bytes | None:
        if not met:
            met.append(True)
            ours.add(removed(c=1), "b3")
        return real(*place)

    monkeypatch.setattr(tombstones, "_THREADS", 1)
    with mock.patch.object(tombstones, "get_object", meanwhile):
        other.open()
    assert known(other) == {"a": 1, "b": 1, "c": 1}


steps = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 5), min_size=1), st.integers(0, 8)), max_size=8
)


@given(steps)
@settings(max_examples=40)
def test_whenever_a_process_dies_no_removal_is_forgotten_that_it_had_written(
    tmp_path_factory: pytest.TempPathFactory, histories: list[tuple[dict[str, int], int]]
) -> None:
    base_path, clock = tmp_path_factory.mktemp("t"), Clock()
    written: dict[str, int] = {}
    tried: dict[str, int] = {}
    with mock.patch.object(tombstones, "_FILES", 2):
        for number, (items, death) in enumerate(histories):
            with killed_at(death):
                ours = stones(base_path, clock)
                ours.open()
                tried = _newer(tried, items)
                ours.add(removed(**items), f"b{number}")
                written = _newer(written, items)
            found = opened(base_path, clock)
            assert {key: found[key] for key in written} == _newer(written, {k: found[k] for k in written})
            assert all(found[key] >= written[key] for key in written)
            assert found.items() <= tried.items() | _all(histories[: number + 1])


def _newer(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {key: max(one.get(key, -1), other.get(key, -1)) for key in one.keys() | other.keys()}


def _all(histories: list[tuple[dict[str, int], int]]) -> set[tuple[str, int]]:
    return {pair for items, _ in histories for pair in items.items()}


def test_what_can_not_be_read_or_written_is_one_error_that_is_tried_again(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "t").write_text("a file where the table should be")
    with pytest.raises(SinkError, match=f"table at {tmp_path}/t: its tombstones .* can't be written") as raised:
        stones(tmp_path / "t", clock).add(removed(a=1), "b1")
    assert raised.value.retryable
    stones(tmp_path, clock).add(removed(a=1), "b1")
    Path(tmp_path, ".hoodie", ".streamjoin", "tombstones", "b2.parquet").write_bytes(b"no Parquet")
    with pytest.raises(SinkError, match="can't be read"):
        opened(tmp_path, clock)
