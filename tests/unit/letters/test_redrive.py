"""What a redrive does with what an earlier one has left, before it reads a letter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.journal import Journal
from streamjoin.kinesis.plan import BatchLimits
from streamjoin.letters.intents import Intents
from streamjoin.letters.redrive import Redrive, rejected_again
from streamjoin.letters.table import DeadLetters
from streamjoin.shards.position import Position
from tests.unit.letters.journal_job import Job

SPARK: Any = SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=1))


class LettersReadError(Exception):
    """The letters are asked for: what was left is finished."""


@dataclass(frozen=True)
class FakeLetters(DeadLetters):
    """Letters that are deleted, and none that are read."""

    deleted: list[tuple[str, list[str]]] = field(default_factory=list)

    def delete(self, spark: Any, ids: Sequence[str], *, batch_id: str, parallelism: int = 1) -> None:
        self.deleted.append((batch_id, list(ids)))

    def read(self, spark: Any) -> Any:
        raise LettersReadError


def left_by(folder: Path, *committed: str) -> tuple[FakeLetters, Redrive, Intents]:
    journal = Journal(str(folder / "journal"))
    for batch_id in ("start", *committed):
        journal.append({"batch_id": batch_id, **checkpoint.to_metadata(Position("s", {}), (), {}, {})})
    letters = FakeLetters(str(folder / "dead"), "dead")
    return letters, resumed(letters, journal), Intents(journal.base_path)


def resumed(letters: DeadLetters, journal: Journal) -> Redrive:
    job = Job(name="c", dead_letters=letters, journal=journal)
    return Redrive(job, SPARK, BatchLimits(1, 1), lambda *_: pytest.fail("no chunk"))


def test_letters_of_a_committed_redrive_are_deleted_and_one_that_never_happened_is_forgotten(tmp_path: Path) -> None:
    letters, again, intents = left_by(tmp_path, "redrive-a")
    intents.write("redrive-a", ["s/1", "s/2"])
    intents.write("redrive-b", ["s/3"])
    with pytest.raises(LettersReadError):
        again.run()
    assert letters.deleted == [("redrive-a", ["s/1", "s/2"])]
    assert intents.pending() == {}


@pytest.mark.parametrize("is_committed", [False, True])
def test_an_intent_that_is_not_whole_is_an_error_only_if_its_commit_happened(
    tmp_path: Path, is_committed: bool
) -> None:
    letters, again, intents = left_by(tmp_path, *(["redrive-a"] if is_committed else []))
    intents.write("redrive-a", ["s/1"])
    path = next((tmp_path / "journal").rglob("redrive-a.json.gz"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SinkError if is_committed else LettersReadError) as raised:
        again.run()
    assert not is_committed or "redrive-a.json.gz can't be read: it is not whole" in str(raised.value)
    assert letters.deleted == []
    assert list(intents.pending()) == (["redrive-a"] if is_committed else [])


def test_before_the_first_start_nothing_is_fed_in(tmp_path: Path) -> None:
    report = resumed(FakeLetters("d", "d"), Journal(str(tmp_path / "journal"))).run()
    assert (report.tried, report.waiting) == (0, 0)


def test_a_letter_stays_while_one_of_its_events_is_rejected() -> None:
    letters = {"s/a/7/0", "s/a/9/0", "s/a/9/5", "arn:aws:x/s/b/9/2", "no-place"}
    # Of the record 9 of shard a, the letter 0 was whole: its events count on from it.
    assert rejected_again(letters, ["s/a/9/1", "arn:aws:x/s/b/9/2"]) == {"s/a/9/0", "arn:aws:x/s/b/9/2"}
    assert rejected_again(letters, ["s/a/9/7"]) == {"s/a/9/0", "s/a/9/5"}
    assert rejected_again(letters, ["s/a/9/5", "no-place"]) == {"s/a/9/5", "no-place"}
    assert rejected_again(letters, []) == set()


def test_a_letter_without_a_place_stays_for_what_has_its_content_or_for_anything_that_it_may_have_held() -> None:
    one, other = "a" * 64, "b" * 64
    letters = {f"{one}/query/q/1/1", f"{one}/query/q/2/1", f"{other}/query/q/1/1", "orders/0/9/0"}
    without_place = letters - {"orders/0/9/0"}
    assert rejected_again(letters, [one]) == {f"{one}/query/q/1/1", f"{one}/query/q/2/1"}
    assert rejected_again(letters, ["c" * 64]) == without_place
    assert rejected_again(letters, ["orders/0/9/0"]) == {"orders/0/9/0"}
