"""Every record that was rejected is a dead letter, or was redriven."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.letters.intents import Intents
from streamjoin.shards.position import PositionKind, ShardPosition
from streamjoin.verify import VerifyReport, ViolationKind
from streamjoin.verify.letters import Letters
from tests.history import JobHistory, Metadata, at

Prove = Callable[..., VerifyReport]


def rejecting(job: JobHistory) -> None:
    job.start("a", "b")
    job.batch({"a": 8, "b": 3}, {"WRONG_TYPE": 2, "NOT_UTF8": 1})
    job.batch({"a": 5, "b": 4}, {"WRONG_TYPE": 1})
    job.batch({"a": 7})


def texts(report: VerifyReport) -> list[str]:
    assert {violation.kind for violation in report.violations} <= {ViolationKind.DEAD_LETTERS}
    return [violation.text for violation in report.violations]


def test_a_dead_letter_that_is_gone_is_named_with_its_commit(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    del job.letters["orders/a/9/0"]
    (text,) = texts(prove_it())
    assert "(batch 'batch-2'): it rejected 1 records with reason WRONG_TYPE that are not among the dead letters" in text


def test_a_dead_letter_too_many_is_named_with_its_commit(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    job.letters["x"] = ("x", "b", "6", "NOT_UTF8")
    (text,) = texts(prove_it())
    assert "(batch 'batch-2'): 1 dead letters more with reason NOT_UTF8 lie in its ranges" in text


def test_a_dead_letter_with_another_reason_is_one_too_few_and_one_too_many(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    job.letters["orders/a/9/0"] = ("orders/a/9/0", "a", "9", "NOT_UTF8")
    assert len(texts(prove_it())) == 2


def test_a_dead_letter_of_a_missing_commit_belongs_to_none(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    rejecting(job)
    del commits[2]
    report = prove_it()
    found = [v.text for v in report.violations if v.kind is ViolationKind.DEAD_LETTERS]
    assert found == ["shard 'a': 1 dead letters from 9 to 9 are in no commit's range"]


def test_dead_letters_behind_the_last_position_are_of_a_batch_that_is_not_committed_yet(
    job: JobHistory, prove_it: Prove
) -> None:
    rejecting(job)
    job.letters["x"] = ("x", "a", "21", "WRONG_TYPE")
    job.letters["y"] = ("y", "of a later shard", "1", "WRONG_TYPE")
    report = prove_it()
    assert report.holds, report.violations
    assert report.dead_letters == 4


def test_records_that_came_from_a_frame_have_no_place_and_are_not_judged(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    of_a_frame = pa.table({"dead_letter_id": ["x"], "reason": ["NOT_UTF8"]})
    table = pa.concat_tables([job.letter_table(), of_a_frame], promote_options="default")
    assert Letters.of(table).total == 4


def test_what_was_redriven_is_no_longer_there(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    job.redrive({"WRONG_TYPE": 2, "NOT_UTF8": 1})
    job.batch({"a": 3}, {"WRONG_TYPE": 1})
    report = prove_it()
    assert report.holds, report.violations
    assert report.dead_letters == 2


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("lose", "3 records .* but 2 were redriven: some are lost"),
        ("keep", "1 records .* but 2 were redriven: some are there twice"),
    ],
)
def test_more_or_fewer_dead_letters_than_a_redrive_leaves_are_named(
    job: JobHistory, prove_it: Prove, change: str, text: str
) -> None:
    rejecting(job)
    before = dict(job.letters)
    job.redrive({"WRONG_TYPE": 2})
    if change == "lose":
        del job.letters["orders/a/9/0"]
    else:
        job.letters["orders/a/1/0"] = before["orders/a/1/0"]
    (found,) = texts(prove_it())
    assert re.search(text, found)


def test_a_redrive_that_died_after_its_commit_is_a_note(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    batch_id, ids = job.redrive({"WRONG_TYPE": 2}, delete=False)
    report = prove_it({batch_id: frozenset(ids)})
    assert report.holds, report.violations
    assert report.notes == (
        "a redrive was interrupted: 2 dead letters are rows by now; run streamjoin dead-letters redrive again to "
        "finish it",
    )


def test_letters_that_a_redrive_should_have_deleted_are_a_violation_without_its_intent(
    job: JobHistory, prove_it: Prove
) -> None:
    rejecting(job)
    job.redrive({"WRONG_TYPE": 2}, delete=False)
    (text,) = texts(prove_it())
    assert "0 records that were rejected with reason WRONG_TYPE are no longer" in text


def test_a_redrive_that_died_before_its_commit_changed_nothing(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    report = prove_it({"redrive-9": frozenset(["orders/a/1/0", "orders/a/9/0"])})
    assert report.holds, report.violations
    assert report.notes == ()


def test_records_read_again_after_the_position_was_set_back_are_not_counted_twice(
    job: JobHistory, prove_it: Prove
) -> None:
    rejecting(job)
    job.set({"a": at(8)})
    # Now that the schema was mended; the dead letter stays until it is redriven.
    job.batch({"a": 6})
    report = prove_it()
    assert report.holds, report.violations
    assert "the dead letters of 1 commits are not compared" in report.notes[-1]


def test_after_a_set_position_other_commits_are_judged_still(job: JobHistory, prove_it: Prove) -> None:
    rejecting(job)
    job.set({"a": at(13)})
    job.batch({"a": 6})
    del job.letters["orders/a/1/0"]
    assert "batch-1" in texts(prove_it())[0]


def test_a_history_without_its_beginning_does_not_know_older_dead_letters(
    job: JobHistory, commits: list[Metadata], prove_it: Prove
) -> None:
    rejecting(job)
    job.redrive({"NOT_UTF8": 1})
    del commits[:2]
    assert prove_it().holds


def test_intents_are_read_and_broken_ones_are_known_as_such(tmp_path: Path) -> None:
    assert Intents(str(tmp_path)).pending() == {}
    folder = tmp_path / ".hoodie" / ".streamjoin" / "redrive"
    folder.mkdir(parents=True)
    whole = gzip.compress(json.dumps({"batch_id": "redrive-1", "letters": ["x", "y"]}).encode())
    (folder / "redrive-1.json.gz").write_bytes(whole)
    (folder / "redrive-2.json.gz").write_bytes(whole[:20])
    (folder / "redrive-3.json.gz").write_bytes(b"")
    (folder / "other").write_bytes(whole)
    assert Intents(str(tmp_path)).pending() == {
        "redrive-1": frozenset({"x", "y"}),
        "redrive-2": None,
        "redrive-3": None,
    }


numbers = st.integers(0, 10**56 - 1)


@given(st.lists(st.tuples(numbers, st.sampled_from("xyz")), max_size=20), numbers, numbers)
@settings(deadline=None)
def test_letters_of_a_range_are_counted_as_numbers(letters: list[tuple[int, str]], first: int, last: int) -> None:
    table = pa.table(
        {
            "stream": pa.array(["orders"] * len(letters), pa.string()),
            "shard_id": pa.array(["s"] * len(letters), pa.string()),
            "sequence_number": pa.array([str(number) for number, _ in letters], pa.string()),
            "reason": pa.array([reason for _, reason in letters], pa.string()),
        }
    )
    found = Letters.of(table)
    if not letters:
        assert found.shards == {}
        return
    shard = found.shards["orders", "s"]
    begin, end = shard.span(str(first), str(last))
    counted = dict(zip(found.reasons, (shard.totals[end] - shard.totals[begin]).tolist(), strict=True))
    expected = [reason for number, reason in letters if first <= number <= last]
    assert {reason: count for reason, count in counted.items() if count} == {
        r: expected.count(r) for r in set(expected)
    }


def test_drained_and_unread_shards_decide_which_letters_belong_to_no_commit(job: JobHistory, prove_it: Prove) -> None:
    job.start("a", "b")
    job.batch({"a": 5}, drained={"a"})
    job.letters["x"] = ("x", "a", "9", "NOT_UTF8")
    job.letters["y"] = ("y", "b", "9", "NOT_UTF8")
    assert job.position.shards["b"] == ShardPosition(PositionKind.TRIM_HORIZON)
    assert texts(prove_it()) == ["shard 'a': 1 dead letters from 9 to 9 are in no commit's range"]


def test_letters_of_records_that_were_gone_before_their_batch_was_repeated_are_a_note(
    job: JobHistory, prove_it: Prove
) -> None:
    job.start("a", "b")
    job.batch({"a": 5, "b": 5})
    # Of a try that wrote them and died; its records, and those up to 9, are gone when the job starts again.
    for name, number in (("x", 6), ("y", 8)):
        job.letters[name] = (name, "a", str(number), "NOT_UTF8")
    job.batch({"a": 3}, {"NOT_UTF8": 1}, lost={"a": 4})
    # What lies beside the gap is as wrong as ever.
    job.letters["z"] = ("z", "b", "4", "NOT_UTF8")
    report = prove_it()
    assert [violation.text.split(": ")[1] for violation in report.violations] == [
        "1 dead letters more with reason NOT_UTF8 lie in its ranges than it says it rejected"
    ]
    said = "shard 'a': 2 dead letters are of records that were gone before they were read again"
    assert [note for note in report.notes if note.startswith(said)]


def test_a_letter_of_a_lost_record_can_be_redriven(job: JobHistory, prove_it: Prove) -> None:
    job.start("a")
    job.batch({"a": 5})
    job.letters["x"] = ("x", "a", "6", "NOT_UTF8")
    job.batch({"a": 3}, lost={"a": 4})
    job.redrive({"NOT_UTF8": 1})
    assert "x" not in job.letters
    assert texts(prove_it()) == []


@pytest.mark.parametrize("is_gone", [False, True])
def test_letters_of_another_stream_in_shards_of_the_same_names_are_another_jobs(
    job: JobHistory, prove_it: Prove, is_gone: bool
) -> None:
    rejecting(job)
    job.letters["x"] = ("x", "a", "9", "WRONG_TYPE")
    job.letters["y"] = ("y", "b", "2", "NOT_UTF8")
    job.stream_of = {"x": "receipts", "y": "receipts"}
    if is_gone:
        # Nor does one of them stand for one of this stream.
        del job.letters["orders/a/9/0"]
    report = prove_it()
    assert report.dead_letters == 4 - is_gone
    assert [
        "it rejected 1 records with reason WRONG_TYPE that are not among the dead letters" in text
        for text in texts(report)
    ] == [True] * is_gone
