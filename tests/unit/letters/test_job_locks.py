"""The locks of a job: what one is told who comes second, and that both are asked before something is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.history.journal import Journal
from streamjoin.letters.table import DeadLetters
from streamjoin.lock import Place, TableLock
from tests.unit.letters.journal_job import Job


def job(folder: Path, name: str = "orders") -> Job:
    dead_letters = DeadLetters(str(folder / "dead"), "dead")
    return Job(name=name, dead_letters=dead_letters, journal=Journal(str(folder / "journal")))


@pytest.mark.parametrize("lost", ["journal", "dead"])
def test_a_job_that_lost_one_of_its_locks_writes_nothing_more(tmp_path: Path, lost: str) -> None:
    with job(tmp_path).locked() as mine:
        mine.check()
        (tmp_path / lost / ".streamjoin_lock").unlink()
        with pytest.raises(SinkError, match=rf"/{lost}': the lock is no longer this job's"):
            mine.check()


def test_a_query_takes_the_locks_of_its_job_for_each_batch_and_others_come_between(tmp_path: Path) -> None:
    one, other = (job(tmp_path).with_locks(purpose) for purpose in ("streaming query", "redrive"))
    for _ in range(2):
        for mine, waits in ((one, other), (other, one)):
            with mine.holding():
                mine.check()
                assert "streaming query" in refusal(waits.holding().__enter__)


def refusal(take: Callable[[], object]) -> str:
    with pytest.raises(SinkError) as raised:
        take()
    return str(raised.value)


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        (Place.of_table, "give this one another sink.hudi.base_path"),
        (Place.of_letters, "give this one another dead_letters.base_path"),
        (Place.of_journal, "give this one another journal.base_path"),
        (Place.of_backfill, "wait until it has ended"),
    ],
)
def test_the_remedy_is_of_what_is_locked(tmp_path: Path, place: Callable[[str], Place], remedy: str) -> None:
    path = str(tmp_path)
    with TableLock(path, job="first", place=place(path)):
        said = refusal(TableLock(path, job="second", place=place(path)).__enter__)
    assert said.endswith(f"stop that one first, or {remedy}.")
    assert path in said


def test_of_a_job_each_lock_names_its_own_key(tmp_path: Path) -> None:
    for first, key in [("journal", "journal.base_path"), ("dead", "dead_letters.base_path")]:
        with TableLock(str(tmp_path / first), job="other"):
            assert f"another {key}." in refusal(job(tmp_path).locked().__enter__)


@pytest.mark.parametrize(("first", "second"), [("", "redrive"), ("redrive", ""), ("", "")])
def test_a_redrive_beside_its_job_is_told_to_wait_and_not_to_use_another_path(
    tmp_path: Path, first: str, second: str
) -> None:
    names = {"": "orders", "redrive": "orders (redrive)"}
    with job(tmp_path).locked(first):
        said = refusal(job(tmp_path).locked(second).__enter__)
    assert said.endswith(
        f"It is the same job, of which one process alone may run, be it a redrive: wait until '{names[first]}' has "
        f"ended, or stop it; then start '{names[second]}' again."
    )
    assert "base_path" not in said
