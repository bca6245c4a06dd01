"""The journal: entries in order, whole or not there, at whatever instant a process dies."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint, folder
from streamjoin.history.journal import Journal
from streamjoin.shards.position import Position, PositionKind, ShardPosition
from tests.faults.ledger import killed_at

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def said(number: int) -> dict[str, str]:
    position = Position("s", {"shard-0": ShardPosition(PositionKind.AFTER, sequence_number=str(number))})
    return {"batch_id": f"batch-{number}", **checkpoint.to_metadata(position, (), {}, {"read": number})}


def batches(base_path: Path) -> list[str]:
    """Return what another process reads."""
    return [entry.batch_id for entry in Journal(str(base_path)).entries()]


def test_the_newest_entry_says_where_to_go_on(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"), clock=lambda: NOON)
    assert journal.newest() is None
    assert list(journal.entries()) == []
    made = [journal.append({**said(number), "audit": "x"}) for number in range(3)]
    found = Journal(str(tmp_path / "journal")).newest()
    assert found == made[-1]
    assert found.position.shards["shard-0"].sequence_number == "2"
    assert (found.counts, found.extra) == ({"read": 2}, {"audit": "x"})
    assert list(journal.entries()) == made
    assert not (tmp_path / "journal" / ".hoodie").exists()


def test_instants_are_utc_to_the_millisecond_and_grow_though_the_clock_is_set_back(tmp_path: Path) -> None:
    times: Iterator[float] = iter([NOON + 0.9999, NOON, NOON + 86_399.9995, NOON])
    instants = [Journal(str(tmp_path), clock=lambda: next(times)).append(said(n)).instant for n in range(4)]
    assert instants == ["20260131120000999", "20260131120001000", "20260201115959999", "20260201120000000"]


def test_a_large_journal_has_few_objects_and_all_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "ROLL_UP_OBJECTS", 5)
    journal = Journal(str(tmp_path))
    for number in range(68):
        journal.append(said(number))
        newest = Journal(str(tmp_path)).newest()
        assert newest is not None
        assert newest.batch_id == f"batch-{number}"
    assert batches(tmp_path) == [f"batch-{number}" for number in range(68)]
    assert len(list(tmp_path.rglob("*.gz"))) == 2 + 3 + 3


def test_a_reader_that_meets_a_roll_up_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "ROLL_UP_OBJECTS", 3)
    journal = Journal(str(tmp_path))
    journal.append(said(0))
    journal.append(said(1))
    reading = Journal(str(tmp_path)).entries()
    seen = [next(reading).batch_id]
    # The second object goes while the first is read.
    journal.append(said(2))
    seen += [entry.batch_id for entry in reading]
    assert seen == ["batch-0", "batch-1", "batch-2"]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
@settings(max_examples=40)
def test_a_batch_is_in_the_journal_once_its_process_knows_whenever_one_dies(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[int]
) -> None:
    base_path = tmp_path_factory.mktemp("journal")
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "ROLL_UP_OBJECTS", 3)
        for number, death in zip(itertools.count(), deaths, strict=False):
            # Each process makes up to three batches, goes on where the journal ends, and dies at some step.
            with killed_at(death):
                journal = Journal(str(base_path))
                newest = journal.newest()
                assert (newest.batch_id if newest else None) == (done[-1] if done else None)
                for each in range(3):
                    batch = 10 * number + each
                    journal.append(said(batch))
                    done.append(f"batch-{batch}")
            found = batches(base_path)
            # The entry that was being made may be there; what came before is.
            assert found[: len(done)] == done
            assert len(found) <= len(done) + 1
            done = found
    instants = [entry.instant for entry in Journal(str(base_path)).entries()]
    assert instants == sorted(set(instants))


def test_what_can_not_be_written_is_one_error_that_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where the journal should be")
    with pytest.raises(SinkError) as raised:
        Journal(str(tmp_path / "journal")).append(said(1))
    assert raised.value.retryable
    with pytest.raises(SinkError, match="found the scheme 'hdfs'"):
        Journal("hdfs://name/lake")
