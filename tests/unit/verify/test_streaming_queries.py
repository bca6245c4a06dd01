"""The proof of a table that streaming queries write: batches by number, dead letters by their totals."""

import pytest

from streamjoin.shards.position import QUERIES, Position, ShardRange
from streamjoin.verify import VerifyReport, ViolationKind
from tests.history import JobHistory
from tests.unit.verify.conftest import Prove


class Queries:
    """Commits batches of queries as `QueryBatches` does."""

    def __init__(self, job: JobHistory) -> None:
        self.job = job
        job.position = Position(QUERIES, {})
        job.write("start", (), {})

    def batch(self, query: str, number: int, read: int, rejected: int = 0, *, after: str | None = None) -> None:
        place = self.job.position.shards.get(query)
        stood = after or (place.sequence_number if place else None)
        taken = ShardRange(query, str(number), str(number), read, 0, False, None, 0, after=stood)
        self.job.position = self.job.position.advance([taken])
        reasons = {"WRONG_TYPE": rejected} if rejected else {}
        counts = {"read": read, "kept": read - rejected, "rejected": rejected, "rejected_by_reason": reasons}
        self.job.write(f"query/{query}/{number}", (taken,), counts)
        for n in range(rejected):
            letter = f"orders/{n}/{number}/0" if n % 2 else f"{'0' * 64}/query/{query}/{number}/{n}"
            self.job.letters[letter] = (letter, str(n), str(number) if n % 2 else None, "WRONG_TYPE")  # type: ignore[assignment]


@pytest.fixture
def queries(job: JobHistory) -> Queries:
    return Queries(job)


def kinds(report: VerifyReport) -> list[ViolationKind]:
    return [each.kind for each in report.violations]


def test_batches_of_queries_with_numbers_left_out_rewrites_and_redrives_between_are_proven(
    queries: Queries, prove_it: Prove
) -> None:
    queries.batch("a", 0, 5, 3)
    queries.job.rewrite(2)
    queries.batch("a", 4, 5, 1)
    queries.batch("b", 0, 7)
    queries.job.redrive({"WRONG_TYPE": 2})
    queries.batch("a", 5, 1)
    report = prove_it()
    assert report.violations == ()
    assert (report.records, report.shards, report.dead_letters) == (18, 2, 2)


def test_a_batch_that_was_committed_twice_is_an_overlap(queries: Queries, prove_it: Prove) -> None:
    queries.batch("a", 0, 5)
    queries.batch("a", 1, 5)
    queries.batch("a", 1, 5)
    assert ViolationKind.OVERLAP in kinds(prove_it())


def test_a_dead_letter_of_a_batch_that_died_is_a_note(queries: Queries, prove_it: Prove) -> None:
    queries.batch("a", 0, 5, 2)
    queries.job.letters["died"] = ("died", "0", "9", "NOT_UTF8")
    report = prove_it()
    assert report.violations == ()
    assert "reason NOT_UTF8: 1 dead letters, 0 rejected" in report.notes[-1]


def test_a_lost_dead_letter_is_named_with_its_reason(queries: Queries, prove_it: Prove) -> None:
    queries.batch("a", 0, 5, 2)
    queries.job.letters.popitem()
    (found,) = prove_it().violations
    assert "1 of 2 records that were rejected with reason WRONG_TYPE are neither among the dead letters" in found.text


def test_records_that_two_queries_read_are_no_loss(queries: Queries, prove_it: Prove) -> None:
    queries.batch("a", 0, 5, 2)
    queries.batch("b", 0, 5, 2)
    for letter in [name for name in queries.job.letters if "query/b/" in name]:
        del queries.job.letters[letter]
    report = prove_it()
    assert report.violations == ()
    assert any("more than one query has read" in note for note in report.notes)


def test_an_interrupted_redrive_is_a_note(queries: Queries, prove_it: Prove) -> None:
    queries.batch("a", 0, 5, 2)
    batch_id, letters = queries.job.redrive({"WRONG_TYPE": 1}, delete=False)
    report = prove_it({batch_id: frozenset(letters)})
    assert report.violations == ()
    assert "a redrive was interrupted: 1 dead letters are rows by now" in " ".join(report.notes)
