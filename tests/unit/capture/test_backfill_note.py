from dataclasses import replace

import pytest

from streamjoin.capture.backfill_note import BackfillNote, Noted, NotedMoment, noted_moment
from streamjoin.errors import SinkError

NOTED = Noted("b1", noted_us=2_000_000, oldest_us=1_000_000, source="f00", segments=4)


def test_a_table_that_was_never_backfilled_has_no_note(tmp_path):
    assert BackfillNote(str(tmp_path / "receipts")).read() is None


@pytest.mark.parametrize("scheme", ["", "file:"])
def test_a_note_is_read_as_it_was_written(tmp_path, scheme):
    note = BackfillNote(f"{scheme}{tmp_path}/receipts")
    note.write(NOTED)
    assert note.read() == NOTED


def test_the_oldest_noted_moment_counts_and_whether_every_table_has_one(tmp_path):
    one, other, none = (str(tmp_path / name) for name in "abc")
    BackfillNote(one).write(NOTED)
    BackfillNote(other).write(replace(NOTED, oldest_us=500_000))
    assert noted_moment([none], has_template=False) is None
    assert noted_moment([one, other], has_template=False) == NotedMoment(500_000, is_of_all=True)
    assert noted_moment([one, none], has_template=False) == NotedMoment(1_000_000, is_of_all=False)
    assert noted_moment([one], has_template=True) == NotedMoment(1_000_000, is_of_all=False)


def test_a_note_that_is_none_says_what_to_do(tmp_path):
    note = BackfillNote(str(tmp_path))
    note.write(NOTED)
    (path,) = tmp_path.rglob("backfill.json")
    path.write_text('{"id": 1}')
    with pytest.raises(SinkError, match=r"isn't one: TypeError. Delete it and start the backfill again"):
        note.read()
