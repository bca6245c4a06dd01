"""A ledger or a journal as `status` reads it, compared with all entries that stand."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from streamjoin.history import folder
from streamjoin.history.entry import Entry
from streamjoin.history.folder import Folder
from streamjoin.history.instants import moment_of
from streamjoin.history.journal import Journal
from streamjoin.history.ledger import Ledger
from streamjoin.history.reader import HistoryReader
from tests.faults.ledger import FakeTable
from tests.history import JobHistory


def letters_of(entries: list[Entry]) -> dict[str, int]:
    counts = Counter[str]()
    for each in entries:
        counts.update(each.counts.get("rejected_by_reason", {}))
        counts.subtract(each.counts.get("redriven_by_reason", {}))
    return {reason: number for reason, number in counts.items() if number}


def live(history: JobHistory, rng: random.Random) -> None:
    step = rng.random()
    if step < 0.1:
        history.rewrite(5)
    elif step < 0.2 and any(letter[3] == "WRONG_TYPE" for letter in history.letters.values()):
        history.redrive({"WRONG_TYPE": 1})
    else:
        history.batch({"a": rng.randint(3, 9)}, rng.choice([{}, {"WRONG_TYPE": 2}, {"NOT_UTF8": 1}]))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_read_is_what_stands_whatever_was_rolled_up_or_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(folder, "ROLL_UP_OBJECTS", 5)
    rng, table = random.Random(seed), FakeTable(tmp_path / "t")
    history, ledger, reader = (
        JobHistory(table.commit),
        Ledger(table.base_path),
        HistoryReader.of_ledger(table.base_path),
    )
    assert (reader.recent(5), reader.letters(), list(reader.since(datetime(2020, 1, 1, tzinfo=UTC)))) == ([], {}, [])
    history.start("a")
    ledger.follow()
    for _ in range(60):
        live(history, rng)
        if rng.random() < 0.2 and len(table.commits()) > 5:
            ledger.follow()
            table.remove(table.commits()[-1])
        if rng.random() < 0.8:
            ledger.follow()
        if rng.random() < 0.5:
            standing = list(Ledger(table.base_path).entries())
            count = rng.randint(1, 30)
            # Of a reader that has looked before, and of one that hasn't.
            for each in (reader, HistoryReader.of_ledger(table.base_path)):
                assert each.recent(count) == standing[-count:]
                assert each.letters() == letters_of(standing)
            begin = rng.choice(standing)
            assert list(reader.since(moment_of(begin.instant))) == standing[standing.index(begin) :]


def test_an_entry_that_was_made_late_is_not_taken_for_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamjoin.history.reader._AT_ONCE", 1)
    table = FakeTable(tmp_path / "t")
    history, ledger = JobHistory(table.commit), Ledger(table.base_path)
    history.start("a")
    history.batch({"a": 1})
    unfinished = table.commits()[-1]
    content = (table.hoodie / f"{unfinished}.commit").read_text()
    table.write(unfinished, "")
    for _ in range(3):
        history.batch({"a": 1})
        ledger.follow()
    table.write(unfinished, content)
    Ledger(table.base_path).follow()
    reader = HistoryReader.of_ledger(table.base_path)
    standing = list(Ledger(table.base_path).entries())
    assert unfinished in [each.instant for each in standing]
    assert [reader.recent(count) for count in range(1, 6)] == [standing[-count:] for count in range(1, 6)]


def test_of_a_journal_too_with_what_was_observed(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "j"))
    history = JobHistory(lambda metadata: journal.append(metadata, {"commit_seconds": 0.5}))
    history.start("a")
    history.batch({"a": 4}, {"WRONG_TYPE": 1})
    reader = HistoryReader.of_journal(str(tmp_path / "j"))
    assert reader.recent(9) == list(journal.entries())
    assert [each.observed for each in reader.recent(9)] == [{"commit_seconds": 0.5}] * 2
    assert reader.letters() == {"WRONG_TYPE": 1}


def test_a_second_look_reads_what_came_since_and_a_roll_up_meanwhile_is_no_error(tmp_path: Path) -> None:
    table = FakeTable(tmp_path / "t")
    history, ledger = JobHistory(table.commit), Ledger(table.base_path)
    history.start("a")
    for _ in range(20):
        history.batch({"a": 2})
        ledger.follow()
    reader, read, names = HistoryReader.of_ledger(table.base_path), Folder.read, list[str]()

    def counted(self: Folder, found: Any) -> Any:
        names.append(found.name)
        return read(self, found)

    with mock.patch.object(Folder, "read", counted):
        first = reader.recent(50)
        assert len(names) == len(set(names)) == 20
        history.batch({"a": 2})
        ledger.follow()
        assert reader.recent(50) == [*first, Entry.of(table.commits()[-1], json_of(table))]
        assert len(names) == 21

    listed = Folder.list
    with mock.patch.object(folder, "ROLL_UP_OBJECTS", 7):

        def rolled_up_after(self: Folder) -> Any:
            found = listed(self)
            with mock.patch.object(Folder, "list", listed):
                Ledger(table.base_path).follow()
            return found

        with mock.patch.object(Folder, "list", rolled_up_after):
            late = HistoryReader.of_ledger(table.base_path)
            assert len(late.recent(50)) == 22


def json_of(table: FakeTable) -> dict[str, str]:
    content = json.loads((table.hoodie / f"{table.commits()[-1]}.commit").read_text())["extraMetadata"]
    return {key.removeprefix("streamjoin."): value for key, value in content.items() if key.startswith("streamjoin.")}
