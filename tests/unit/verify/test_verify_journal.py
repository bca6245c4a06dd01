"""The proof of a job that writes many tables: from its journal alone."""

import json
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.history.journal import Journal
from streamjoin.verify import ViolationKind, verify_journal
from streamjoin.verify.proof import prove
from streamjoin.verify.rejects import RejectCheck
from streamjoin.verify.report import VerifyReport
from tests.history import JobHistory, Metadata


def proof(folder: Path, commits: list[Metadata], job: JobHistory) -> VerifyReport:
    journal = Journal(str(folder / "journal"))
    for metadata in commits:
        journal.append(metadata)
    return prove(str(folder / "journal"), journal, RejectCheck(job.letter_table(), {}))


def test_a_journal_of_batches_redrives_and_set_positions_holds(
    tmp_path: Path, job: JobHistory, commits: list[Metadata]
) -> None:
    job.start("a", "b")
    job.batch({"a": 5, "b": 3}, {"WRONG_TYPE": 2}, superseded=1)
    job.redrive({"WRONG_TYPE": 1})
    job.batch({"a": 2}, drained={"a"})
    job.batch({"c": 4})
    report = proof(tmp_path, commits, job)
    assert report.holds, report.violations
    assert (report.commits, report.records, report.shards, report.dead_letters) == (5, 14, 3, 1)
    assert report.base_path == str(tmp_path / "journal")


@pytest.mark.parametrize(("missing", "kind"), [(1, ViolationKind.GAP), (None, None)])
def test_an_entry_that_is_missing_is_a_gap(
    tmp_path: Path, job: JobHistory, commits: list[Metadata], missing: int | None, kind: ViolationKind | None
) -> None:
    job.start("a")
    for _ in range(3):
        job.batch({"a": 5})
    if missing is not None:
        del commits[missing]
    report = proof(tmp_path, commits, job)
    assert {violation.kind for violation in report.violations} == ({kind} if kind else set())


def test_a_batch_that_is_there_twice_is_read_twice(tmp_path: Path, job: JobHistory, commits: list[Metadata]) -> None:
    job.start("a")
    job.batch({"a": 5})
    commits.append(commits[-1])
    report = proof(tmp_path, commits, job)
    assert ViolationKind.OVERLAP in {violation.kind for violation in report.violations}


@pytest.mark.parametrize(("kept", "ignored", "holds"), [(2, 3, True), (2, 2, False), (5, None, True), (5, 1, False)])
def test_changes_of_tables_that_are_not_captured_are_counted_too(
    tmp_path: Path, job: JobHistory, commits: list[Metadata], kept: int, ignored: int | None, holds: bool
) -> None:
    job.start("a")
    job.batch({"a": 5})
    counts = json.loads(commits[-1]["counts"]) | {"kept": kept}
    commits[-1]["counts"] = json.dumps(counts | ({} if ignored is None else {"ignored": ignored}))
    report = proof(tmp_path, commits, job)
    assert report.holds is holds
    assert {violation.kind for violation in report.violations} <= {ViolationKind.COUNTS}


def test_a_journal_is_proved_by_its_path_and_one_without_entries_is_an_error(
    tmp_path: Path, job: JobHistory, commits: list[Metadata]
) -> None:
    path, letters = str(tmp_path / "journal"), str(tmp_path / "dead")
    with pytest.raises(SinkError, match="nothing to verify before a job's first start"):
        verify_journal(path, letters)
    job.start("a")
    job.batch({"a": 5})
    proof(tmp_path, commits, job)
    assert verify_journal(path, letters).holds
