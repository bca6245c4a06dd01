import json
import logging
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.shards.position import Position, PositionKind, ShardPosition, ShardRange
from tests.faults.ledger import FakeTable


def said(number: int, **more: str) -> dict[str, str]:
    """Return the metadata of a batch that read record `number`."""
    after = None if number == 0 else str(number - 1)
    shard = ShardRange("shard-0", str(number), str(number), 1, 9, drained=False, millis_behind_latest=0, read_at_ms=1,
                       after=after)  # fmt: skip
    position = Position("s", {"shard-0": ShardPosition(PositionKind.AFTER, sequence_number=str(number))})
    counts = {"read": 1, "kept": 1}
    metadata = checkpoint.to_metadata(position, (shard,), {"country": {"version": number}}, counts)
    return {"batch_id": f"batch-{number}", **metadata, **more}


@pytest.fixture
def table(tmp_path: Path) -> FakeTable:
    return FakeTable(tmp_path / "t")


def instants(table: FakeTable) -> list[str]:
    """Return what another process reads."""
    return [entry.instant for entry in Ledger(table.base_path).entries()]


def objects(table: FakeTable) -> list[str]:
    return sorted(path.name for path in Path(table.base_path, ".hoodie", ".streamjoin", "ledger").glob("*"))


def test_an_entry_has_all_that_its_commit_says(table: FakeTable) -> None:
    instant = table.commit(said(7, audit='{"set_by": "me"}'))
    Ledger(table.base_path).follow()
    (entry,) = Ledger(table.base_path).entries()
    assert (entry.instant, entry.batch_id) == (instant, "batch-7")
    assert entry.position.shards["shard-0"].sequence_number == "7"
    assert [(r.first, r.after) for r in entry.ranges] == [("7", "6")]
    assert entry.references == {"country": {"version": 7}}
    assert entry.counts == {"read": 1, "kept": 1}
    assert entry.extra == {"audit": '{"set_by": "me"}'}
    assert entry.tells_after


def test_each_commit_is_added_once_by_whichever_process_comes(table: FakeTable) -> None:
    ledger = Ledger(table.base_path)
    assert ledger.follow() == ()
    first = table.commit(said(0))
    assert [entry.instant for entry in ledger.follow()] == [first]
    assert ledger.follow() == ()
    missed = [table.commit(said(1)), table.commit(said(2))]
    assert [entry.instant for entry in Ledger(table.base_path).follow()] == missed
    assert Ledger(table.base_path).follow() == ()
    assert instants(table) == [first, *missed]
    assert len(objects(table)) == 2


def test_commits_of_others_are_not_entered_and_are_read_once(table: FakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    table.commit(None, "replacecommit")
    table.commit({"batch_id": "of a frame"})
    mine = table.commit(said(0), "deltacommit")
    table.note("clean")
    ledger = Ledger(table.base_path)
    assert [entry.instant for entry in ledger.follow()] == [mine]
    monkeypatch.setattr(json, "loads", None)
    assert ledger.follow() == ()


def test_a_commit_that_is_not_written_to_its_end_is_entered_when_it_is(table: FakeTable) -> None:
    instant = table.commit(said(0))
    whole = (table.hoodie / f"{instant}.commit").read_text()
    table.write(instant, whole[:-9])
    ledger = Ledger(table.base_path)
    assert ledger.follow() == ()
    table.write(instant, whole)
    assert [entry.instant for entry in ledger.follow()] == [instant]


def test_what_was_archived_stays(table: FakeTable) -> None:
    ledger = Ledger(table.base_path)
    made = []
    for number in range(9):
        made.append(table.commit(said(number)))
        ledger.follow()
        table.archive(keep=3)
    assert instants(table) == made
    Ledger(table.base_path).follow()
    assert instants(table) == made


def test_what_was_rolled_back_or_restored_away_is_withdrawn_and_said(
    table: FakeTable, caplog: pytest.LogCaptureFixture
) -> None:
    made = [table.commit(said(number)) for number in range(6)]
    ledger = Ledger(table.base_path)
    ledger.follow()
    table.archive(keep=4)
    table.restore(2)
    with caplog.at_level(logging.WARNING):
        assert ledger.follow() == ()
    assert made[4] in caplog.text
    assert made[5] in caplog.text
    assert instants(table) == made[:4]
    again = table.commit(said(4))
    assert [entry.instant for entry in Ledger(table.base_path).follow()] == [again]
    assert instants(table) == [*made[:4], again]


def test_a_commit_that_comes_back_stands_again(table: FakeTable) -> None:
    made = [table.commit(said(number)) for number in range(3)]
    content = (table.hoodie / f"{made[2]}.commit").read_text()
    Ledger(table.base_path).follow()
    table.remove(made[2])
    Ledger(table.base_path).follow()
    assert instants(table) == made[:2]
    table.write(made[2], content)
    assert [entry.instant for entry in Ledger(table.base_path).follow()] == [made[2]]
    assert instants(table) == made


def test_a_commit_that_shows_late_is_read_in_its_place(table: FakeTable) -> None:
    made = [table.commit(said(number)) for number in range(4)]
    content = (table.hoodie / f"{made[1]}.commit").read_text()
    table.remove(made[1])
    Ledger(table.base_path).follow()
    table.write(made[1], content)
    Ledger(table.base_path).follow()
    assert instants(table) == made
    newest = Ledger(table.base_path).newest(older_than=None)
    assert newest is not None
    assert newest.instant == made[3]


def test_a_hole_between_recorded_commits_is_not_taken_for_a_restore(table: FakeTable) -> None:
    made = [table.commit(said(number)) for number in range(5)]
    Ledger(table.base_path).follow()
    table.remove(made[2])
    Ledger(table.base_path).follow()
    assert instants(table) == made


def test_what_archival_took_beyond_a_savepoint_stays(table: FakeTable) -> None:
    made = [table.commit(said(number)) for number in range(6)]
    Ledger(table.base_path).follow()
    table.savepoint(made[0])
    table.remove(*made[1:])
    theirs = table.commit(None)
    Ledger(table.base_path).follow()
    assert instants(table) == made
    table.remove(theirs)
    Ledger(table.base_path).follow()
    assert instants(table) == made[:1]


def test_the_history_is_what_the_ledger_would_have_and_writes_nothing(table: FakeTable) -> None:
    made = [table.commit(said(number)) for number in range(4)]
    Ledger(table.base_path).follow()
    table.restore(1)
    made[3:] = [table.commit(said(3))]
    before = objects(table)
    history = Ledger(table.base_path).history()
    assert [entry.instant for entry in history.entries()] == made
    assert all(history.contradiction(entry) is None for entry in history.entries())
    assert objects(table) == before
    Ledger(table.base_path).follow()
    assert instants(table) == made


def test_commits_made_while_the_history_is_read_are_not_in_it(table: FakeTable) -> None:
    made = [table.commit(said(number)) for number in range(3)]
    history = Ledger(table.base_path).history()
    table.commit(said(3))
    Ledger(table.base_path).follow()
    assert [entry.instant for entry in history.entries()] == made


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t, i: t.write(i, json.dumps({"extraMetadata": {}})), "says something else"),
        (lambda t, i: t.write(i, ""), "not whole"),
        (lambda t, i: t.remove(i), "lacks this commit"),
    ],
)
def test_a_commit_that_was_changed_by_hand_contradicts_the_ledger(table: FakeTable, change, expected) -> None:
    made = [table.commit(said(number)) for number in range(3)]
    Ledger(table.base_path).follow()
    change(table, made[1])
    history = Ledger(table.base_path).history()
    found = {entry.instant: history.contradiction(entry) for entry in history.entries()}
    assert expected in str(found.pop(made[1]))
    assert set(found.values()) == {None}


def test_a_damaged_object_says_which_and_what_to_do(table: FakeTable) -> None:
    table.commit(said(0))
    Ledger(table.base_path).follow()
    (name,) = objects(table)
    path = Path(table.base_path, ".hoodie", ".streamjoin", "ledger", name)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(SinkError, match=rf"'.*{name}' is damaged: .* Delete it"):
        Ledger(table.base_path).follow()
    path.unlink()
    assert len(Ledger(table.base_path).follow()) == 1


def test_a_table_that_is_not_there_has_an_empty_ledger(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "nowhere"))
    assert ledger.follow() == ()
    assert list(ledger.entries()) == []
    assert ledger.newest(older_than=None) is None
    assert not (tmp_path / "nowhere").exists()
