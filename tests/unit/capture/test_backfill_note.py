import pytest

from streamjoin.capture.backfill_note import BackfillNote, Noted, noted_us
from streamjoin.errors import SinkError

NOTED = Noted("b1", noted_us=2_000_000, oldest_us=1_000_000, source="f00", segments=4)


def test_a_table_that_was_never_backfilled_has_no_note(tmp_path):
    assert BackfillNote(str(tmp_path / "receipts")).read() is None
    assert noted_us(str(tmp_path / "receipts")) is None


@pytest.mark.parametrize("scheme", ["", "file:"])
def test_a_note_is_read_as_it_was_written(tmp_path, scheme):
    note = BackfillNote(f"{scheme}{tmp_path}/receipts")
    note.write(NOTED)
    assert note.read() == NOTED


def test_capture_has_to_start_at_the_oldest_backfill_of_a_table(tmp_path):
    BackfillNote(str(tmp_path)).write(NOTED)
    assert noted_us(str(tmp_path)) == 1_000_000


def test_a_note_that_is_none_says_what_to_do(tmp_path):
    note = BackfillNote(str(tmp_path))
    note.write(NOTED)
    (path,) = tmp_path.rglob("backfill.json")
    path.write_text('{"id": 1}')
    with pytest.raises(SinkError, match=r"isn't one: TypeError. Delete it and start the backfill again"):
        note.read()
