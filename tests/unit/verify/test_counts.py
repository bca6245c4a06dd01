"""What one commit says of itself, and the report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamjoin.errors import SinkError
from streamjoin.history.ledger import Ledger
from streamjoin.verify import VerifyReport, ViolationKind, verify
from tests.faults.ledger import FakeTable
from tests.history import JobHistory, Metadata

Prove = Callable[..., VerifyReport]


def edit(metadata: Metadata, **counts: Any) -> None:
    metadata["counts"] = json.dumps(json.loads(metadata["counts"]) | counts)


@pytest.mark.parametrize(
    ("counts", "texts"),
    [
        ({"kept": 4}, ["8 records read are not 4 kept + 1 superseded + 2 rejected"]),
        ({"read": 9, "kept": 6}, ["9 records read are not the 8 of its ranges"]),
        ({"rejected_by_reason": {"NOT_UTF8": 1}}, ["2 rejected are not the 1 of its reasons"]),
        ({"redriven": 1}, ["1 redriven are not the 0 of its reasons"]),
    ],
)
def test_counts_that_do_not_add_up_are_named(
    job: JobHistory, commits: list[Metadata], prove_it: Prove, counts: dict[str, Any], texts: list[str]
) -> None:
    job.start("a")
    job.batch({"a": 8}, {"NOT_UTF8": 2}, superseded=1)
    edit(commits[-1], **counts)
    found = [v for v in prove_it().violations if v.kind is ViolationKind.COUNTS]
    assert [violation.text.partition("(batch 'batch-1'): ")[2] for violation in found] == texts


def test_a_commit_that_reads_nothing_has_no_ranges(job: JobHistory, commits: list[Metadata], prove_it: Prove) -> None:
    job.start("a")
    job.batch({"a": 8})
    commits[-1]["batch_id"] = "rewrite-1"
    assert [v.kind for v in prove_it().violations] == [ViolationKind.COUNTS]


def test_a_reference_version_that_goes_back_is_named_and_one_that_was_left_out_is_not(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    job.start("a")
    for version in (4, None, 2, 2, 1):
        job.batch({"a": 1})
        commits[-1]["references"] = json.dumps({"country": {"version": version}} if version else {})
    (found,) = prove_it().violations
    assert found.kind is ViolationKind.REFERENCE
    assert "(batch 'batch-5') was joined with version 1" in found.text
    assert "(batch 'batch-4') with 2 already" in found.text


def test_a_commit_that_says_something_else_than_the_ledger_is_a_violation_and_nothing_is_written(
    job: JobHistory, tmp_path: Path
) -> None:
    table = FakeTable(tmp_path / "t")
    job._commit = table.commit
    job.start("a")
    job.batch({"a": 2})
    Ledger(table.base_path).follow()
    job.batch({"a": 2})
    dead = str(tmp_path / "dead")
    before = sorted(tmp_path.rglob("*"))
    assert verify(table.base_path, dead).holds
    path = table.hoodie / f"{table.commits()[1]}.commit"
    path.write_text(path.read_text().replace('\\"kept\\":2', '\\"kept\\":1'))
    report = verify(table.base_path, dead)
    assert [v.kind for v in report.violations] == [ViolationKind.LEDGER]
    assert sorted(tmp_path.rglob("*")) == before


def test_commits_taken_back_are_a_note(job: JobHistory, tmp_path: Path) -> None:
    table = FakeTable(tmp_path / "t")
    job._commit = table.commit
    job.start("a")
    for _ in range(3):
        before = job.position
        job.batch({"a": 2})
    Ledger(table.base_path).follow()
    table.restore(1)
    job.position = before
    job.batch({"a": 2})
    report = verify(table.base_path, str(tmp_path / "dead"))
    assert report.holds, report.violations
    assert report.notes == ("1 recorded commits were rolled back or restored away",)
    assert report.records == 6


def test_nothing_to_verify_is_said(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="nothing to verify before a job's first start"):
        verify(str(tmp_path / "nowhere"), str(tmp_path / "dead"))


def test_the_report_is_text_and_json(job: JobHistory, commits: list[Metadata], prove_it: Prove) -> None:
    job.start("a")
    job.batch({"a": 8})
    job.batch({"a": 1}, lost={"a": 2})
    edit(commits[-1], kept=2)
    report = prove_it()
    text = report.lines()
    assert text[0].endswith("9 records of 1 shard, 0 of them dead letters")
    assert text[1].startswith("note: shard 'a': the records after 8 and before 11")
    assert text[2] == "1 violation:"
    assert text[3].startswith("  - counts: commit ")
    values = json.loads(json.dumps(report.to_dict()))
    assert values["holds"] is False
    assert [each["kind"] for each in values["violations"]] == ["counts"]
