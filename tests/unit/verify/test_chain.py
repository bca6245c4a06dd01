"""Ranges join without gap and overlap, or the exact range is named."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from streamjoin.history.entry import Entry
from streamjoin.shards.position import DRAINED, Position, PositionKind, ShardPosition
from streamjoin.verify import VerifyReport, Violation, ViolationKind
from streamjoin.verify.chain import Chain
from tests.history import JobHistory, Metadata, at

Prove = Callable[..., VerifyReport]


def only(report: VerifyReport) -> Violation:
    (violation,) = report.violations
    return violation


def edit_range(metadata: Metadata, shard: int = 0, **changes: Any) -> None:
    ranges = json.loads(metadata["ranges"])
    ranges[shard] |= changes
    metadata["ranges"] = json.dumps(ranges)


def place(metadata: Metadata, shard: str, where: ShardPosition | None) -> None:
    position = Position.from_json(metadata["position"])
    others = {k: v for k, v in position.shards.items() if k != shard}
    metadata["position"] = Position("orders", others | ({shard: where} if where else {})).to_json()


def three_batches(job: JobHistory) -> None:
    job.start("a", "b")
    job.batch({"a": 8, "b": 1})
    job.batch({"a": 5, "b": 0})
    job.batch({"a": 7})


def test_an_honest_job_is_proven(job: JobHistory, prove_it: Prove) -> None:
    job.start("a", "b")
    job.batch({"a": 8, "b": 1}, {"WRONG_TYPE": 2}, superseded=3)
    job.rewrite(4)
    job.batch({"a": 5, "b": 0}, drained={"a"})
    job.redrive({"WRONG_TYPE": 1})
    job.batch({"b": 3, "c": 9}, {"NOT_UTF8": 1})
    job.forget("a")
    job.batch({"b": 3, "c": 9})
    report = prove_it()
    assert report.holds, report.violations
    assert (report.commits, report.records, report.shards, report.dead_letters) == (7, 38, 3, 2)
    assert report.notes == ()
    assert report.lines()[-1] == "No gap, no overlap, all counts add up."


def test_a_missing_commit_is_a_gap_with_its_exact_range(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    del commits[2]
    found = only(prove_it())
    assert found.kind is ViolationKind.GAP
    assert "shard 'a'" in found.text
    assert "(batch 'batch-1') stood at AFTER 8" in found.text
    assert "(batch 'batch-3') began after 13 with 14: the records after 8 up to 13 were never read" in found.text


def test_a_batch_that_was_committed_twice_is_an_overlap(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    commits.insert(3, commits[2])
    found = prove_it().violations[0]
    assert found.kind is ViolationKind.OVERLAP
    assert "began after 8 with 9: the records after 8 up to 13 are read twice" in found.text


def test_reading_again_from_the_beginning_is_an_overlap(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    edit_range(commits[2], after=None, first="1")
    found = only(prove_it())
    assert found.kind is ViolationKind.OVERLAP
    assert "began with 1: the records up to 8 are read twice" in found.text


def test_a_first_read_behind_the_beginning_is_a_gap(job: JobHistory, commits: list[Metadata], prove_it: Prove) -> None:
    three_batches(job)
    edit_range(commits[1], after="2", first="3")
    found = only(prove_it())
    assert found.kind is ViolationKind.GAP
    assert "stood at TRIM_HORIZON" in found.text
    assert "the records up to 2 were never read" in found.text


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"first": "8"}, ViolationKind.OVERLAP, "began after 8"),
        ({"last": "8"}, ViolationKind.COUNTS, "from 9 to 8"),
        ({"records": 0}, ViolationKind.COUNTS, "are not the"),
        ({"first": None}, ViolationKind.COUNTS, "from None to 13"),
    ],
)
def test_a_range_that_contradicts_itself_is_named(
    job: JobHistory, commits: list[Metadata], prove_it: Prove, changes: dict[str, Any], kind: ViolationKind, text: str
) -> None:
    three_batches(job)
    edit_range(commits[2], **changes)
    found = [v for v in prove_it().violations if v.kind is kind]
    assert any(text in v.text for v in found), found


@pytest.mark.parametrize(
    ("where", "kind", "text"),
    [
        (at(15), ViolationKind.GAP, "the records after 13 up to 15 were never read"),
        (at(11), ViolationKind.OVERLAP, "the records after 11 up to 13 are read twice"),
        (ShardPosition(PositionKind.TRIM_HORIZON), ViolationKind.POSITION, "missing or read twice"),
        (DRAINED, ViolationKind.POSITION, "missing or read twice"),
        (None, ViolationKind.POSITION, "no longer knows it; it stood at AFTER 13"),
    ],
)
def test_a_position_that_is_not_where_the_ranges_lead_is_named(
    job: JobHistory,
    commits: list[Metadata],
    prove_it: Prove,
    where: ShardPosition | None,
    kind: ViolationKind,
    text: str,
) -> None:
    three_batches(job)
    place(commits[2], "a", where)
    del commits[3]
    found = only(prove_it())
    assert found.kind is kind
    assert text in found.text


def test_a_rewrite_that_moves_the_position_is_named(job: JobHistory, commits: list[Metadata], prove_it: Prove) -> None:
    three_batches(job)
    job.rewrite(1)
    place(commits[-1], "b", at(5))
    assert "the records after 1 up to 5 were never read" in only(prove_it()).text


def test_a_drained_shard_is_not_read_again_even_when_the_position_forgot_it(job: JobHistory, prove_it: Prove) -> None:
    job.start("a")
    job.batch({"a": 5}, drained={"a"})
    job.batch({"b": 1})
    job.forget("a")
    job.batch({"b": 1})
    job.batch({"a": 5})
    found = only(prove_it())
    assert found.kind is ViolationKind.OVERLAP
    assert "although it had been drained: its records up to 5 are read twice" in found.text


def test_a_set_position_does_not_make_a_drained_shard_forgotten(job: JobHistory, prove_it: Prove) -> None:
    job.start("a", "b")
    job.batch({"a": 5, "b": 1}, drained={"a"})
    job.forget("a")
    job.set({"b": at(3)})
    job.batch({"a": 5})
    assert "although it had been drained" in only(prove_it()).text


def test_ranges_that_do_not_say_where_they_began_are_judged_by_the_position(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    for metadata in commits:
        metadata["ranges"] = json.dumps(
            [{k: v for k, v in r.items() if k != "after"} for r in json.loads(metadata["ranges"])]
        )
    assert prove_it().holds


def test_an_overlap_shows_also_if_ranges_do_not_say_where_they_began(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    old = [{k: v for k, v in r.items() if k != "after"} for r in json.loads(commits[3]["ranges"])]
    commits[3]["ranges"] = json.dumps([{**old[0], "first": "12"}])
    assert "the records from 12 up to 13 are read twice" in only(prove_it()).text


def test_lost_ranges_that_were_accepted_are_notes(job: JobHistory, prove_it: Prove) -> None:
    job.start("a", "b")
    job.batch({"a": 8, "b": 2})
    job.batch({"a": 5}, lost={"a": 4})
    job.batch({"b": 0}, drained={"b"}, lost={"b": 1})
    report = prove_it()
    assert report.holds, report.violations
    assert "shard 'a': the records after 8 and before 13 were gone before they were read" in report.notes[0]
    assert "shard 'b': the records after 2 and up to its end were gone" in report.notes[1]


def test_what_was_read_is_remembered_if_the_position_lost_it_with_its_records(job: JobHistory, prove_it: Prove) -> None:
    job.start("a")
    job.batch({"a": 8})
    job.batch({"a": 0}, lost={"a": 1})
    job.batch({"a": 3})
    found = only(prove_it())
    assert found.kind is ViolationKind.OVERLAP
    assert "stood at TRIM_HORIZON" in found.text
    assert "began with 1: the records from 1 up to 8 are read twice" in found.text


def test_a_position_that_was_set_is_a_note_that_says_who_when_and_what(job: JobHistory, prove_it: Prove) -> None:
    three_batches(job)
    job.set({"a": at(30), "b": ShardPosition(PositionKind.AT_TIMESTAMP, timestamp_ms=0)})
    job.batch({"a": 2, "b": 4})
    job.set({"a": at(18)})
    job.batch({"a": 9})
    report = prove_it()
    assert report.holds, report.violations
    first, second, third = report.notes
    assert "(batch 'set-4'): me@here set the position at 2026-01-31T00:00:00+00:00 (--sequence-number): " in first
    assert first.endswith("shard 'a': from after 20 to after 30: the records after 20 up to 30 are skipped")
    assert "shard 'b': from after 1 to what arrives from 1970-01-01T00:00:00.000+00:00 on" in second
    assert third.endswith("from after 32 to after 18: the records after 18 up to 32 are read again")


def test_a_drained_shard_may_be_read_again_where_it_was_set_back(job: JobHistory, prove_it: Prove) -> None:
    job.start("a", "b")
    job.batch({"a": 5, "b": 1}, drained={"a"})
    job.set({"a": at(2)})
    job.batch({"a": 3}, drained={"a"})
    assert prove_it().holds


def test_a_position_set_without_a_name_is_a_violation(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    job.set({"a": at(30)})
    del commits[-1]["audit"]
    assert "doesn't say who" in only(prove_it()).text


def test_a_commit_that_is_missing_before_a_set_position_shows(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    job.set({"a": at(30)})
    del commits[-2]
    assert "set the position from AFTER 20 on, but" in only(prove_it()).text


def test_a_job_that_began_anew_is_a_violation(job: JobHistory, prove_it: Prove) -> None:
    three_batches(job)
    job.start("a", "b")
    job.batch({"a": 1})
    found = only(prove_it())
    assert found.kind is ViolationKind.POSITION
    assert "began again" in found.text


def test_a_history_whose_beginning_was_not_recorded_says_so_and_is_judged_from_there(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    three_batches(job)
    del commits[:2]
    report = prove_it()
    assert report.holds
    assert "the history begins with commit" in report.notes[0]


def test_commits_that_do_not_get_newer_and_another_stream_are_named(job: JobHistory, commits: list[Metadata]) -> None:
    three_batches(job)
    entries = [Entry.of(str(number), metadata) for number, metadata in enumerate(commits)]
    other = Entry.of("1", {**commits[2], "position": commits[2]["position"].replace("orders", "arn:x:stream/other")})
    chain = Chain()
    assert [v for entry in entries[:2] for v in chain.join(entry)] == []
    kinds = [violation.kind for violation in chain.join(other)]
    assert kinds == [ViolationKind.LEDGER, ViolationKind.POSITION]
