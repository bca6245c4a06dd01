import json
from pathlib import Path

import pytest

from streamjoin.errors import SinkError
from streamjoin.history import checkpoint
from streamjoin.history.change import describe_change
from streamjoin.history.ledger import Ledger
from streamjoin.shards.position import DRAINED, TRIM_HORIZON, Position, PositionKind, ShardPosition, ShardRange

RANGE = ShardRange("shard-0", "1", "7", 7, 70, drained=False, millis_behind_latest=0, read_at_ms=1)
AT_NOON = ShardPosition(PositionKind.AT_TIMESTAMP, timestamp_ms=1_769_860_800_000)


def after(sequence: str) -> ShardPosition:
    return ShardPosition(PositionKind.AFTER, sequence_number=sequence)


def position(sequence: str) -> Position:
    return Position("s", {"shard-0": ShardPosition(PositionKind.AFTER, sequence_number=sequence)})


def write_commit(base: Path, name: str, extra: dict[str, str]) -> None:
    (base / ".hoodie").mkdir(parents=True, exist_ok=True)
    (base / ".hoodie" / name).write_text(json.dumps({"extraMetadata": extra}))


def metadata(sequence: str) -> dict[str, str]:
    written = checkpoint.to_metadata(position(sequence), (RANGE,), {"country": {"version": 3}}, {"read": 7})
    return {f"streamjoin.{key}": value for key, value in written.items()}


def test_what_was_written_is_read_back_from_the_newest_commit(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", metadata("5"))
    write_commit(tmp_path, "20260131000001000.commit", metadata("7"))
    found = checkpoint.read(str(tmp_path))
    assert found is not None
    assert found.instant == "20260131000001000"
    assert found.position == position("7")
    assert found.ranges == (RANGE,)
    assert found.references == {"country": {"version": 3}}
    assert found.counts == {"read": 7}


def test_commits_without_a_position_and_unfinished_ones_are_passed_over(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.deltacommit", metadata("5"))
    write_commit(tmp_path, "20260131000001000.commit", {"schema": "of a compaction"})
    write_commit(tmp_path, "20260131000002000.replacecommit", {})
    for name in ("20260131000003000.deltacommit.inflight", "20260131000003000.deltacommit.requested"):
        (tmp_path / ".hoodie" / name).write_text("")
    found = checkpoint.read(str(tmp_path))
    assert found is not None
    assert found.position == position("5")


@pytest.mark.parametrize("content", ["", '{"extraMetadata": {"streamjoin.pos'])
def test_a_commit_that_was_not_written_to_its_end_has_not_happened(tmp_path: Path, content: str) -> None:
    write_commit(tmp_path, "20260131000000000.commit", metadata("5"))
    (tmp_path / ".hoodie" / "20260131000001000.commit").write_text(content)
    found = checkpoint.read(str(tmp_path))
    assert found is not None
    assert found.position == position("5")


def test_no_table_is_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.read(str(tmp_path / "nowhere")) is None


def test_a_table_of_another_writer_is_refused(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", {"schema": "{}"})
    with pytest.raises(SinkError, match="none of its 1 commits carries a position"):
        checkpoint.read(str(tmp_path))


def test_a_commit_that_is_not_json_names_itself(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", {})
    (tmp_path / ".hoodie" / "20260131000001000.commit").write_text("Objavro}")
    with pytest.raises(SinkError, match=r"20260131000001000\.commit"):
        checkpoint.read(str(tmp_path))


def test_where_archival_took_the_last_position_the_ledger_has_it(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", metadata("5"))
    write_commit(tmp_path, "20260131000001000.commit", metadata("7"))
    Ledger(str(tmp_path)).follow()
    write_commit(tmp_path, "20260131000002000.commit", {"schema": "of another writer"})
    for name in ("20260131000000000.commit", "20260131000001000.commit"):
        (tmp_path / ".hoodie" / name).unlink()
    found = checkpoint.read(str(tmp_path))
    assert found is not None
    assert (found.instant, found.position) == ("20260131000001000", position("7"))
    assert (found.ranges, found.counts) == ((RANGE,), {"read": 7})


def test_a_position_that_was_restored_away_is_not_taken_from_the_ledger(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", metadata("5"))
    write_commit(tmp_path, "20260131000001000.commit", {"schema": "of another writer"})
    write_commit(tmp_path, "20260131000002000.commit", metadata("7"))
    Ledger(str(tmp_path)).follow()
    for name in ("20260131000000000.commit", "20260131000002000.commit"):
        (tmp_path / ".hoodie" / name).unlink()
    found = checkpoint.read(str(tmp_path))
    assert found is not None
    assert found.position == position("5")


def test_a_ledger_without_its_table_is_refused_and_not_begun_anew(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", metadata("5"))
    Ledger(str(tmp_path)).follow()
    (tmp_path / ".hoodie" / "20260131000000000.commit").unlink()
    with pytest.raises(SinkError, match=r"its ledger ends with commit '20260131000000000'.*delete .*hoodie"):
        checkpoint.read(str(tmp_path))


def test_the_ledger_is_not_read_while_the_timeline_has_a_position(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", metadata("5"))
    (tmp_path / ".hoodie" / ".streamjoin").write_text("not a folder")
    assert checkpoint.read(str(tmp_path)) is not None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (after("9"), after("10"), "from after 9 to after 10: the records after 9 up to 10 are skipped"),
        (after("10"), after("9"), "from after 10 to after 9: the records after 9 up to 10 are read again"),
        (after("9"), TRIM_HORIZON, "from after 9 to its beginning: every record that the stream still holds is read"),
        (TRIM_HORIZON, after("9"), "from its beginning to after 9: the records up to 9 are skipped"),
        (DRAINED, after("9"), "from its end (drained) to after 9: the records after 9 are read again"),
        (after("9"), DRAINED, "from after 9 to its end (drained): what is left of it is skipped"),
        (after("9"), AT_NOON, "to what arrives from 2026-01-31T12:00:00.000+00:00 on: what arrived before"),
        (None, AT_NOON, "not known before, now at what arrives from 2026-01-31T12:00:00.000+00:00 on"),
        (after("9"), None, "at after 9, no longer known: what is left of it is not read"),
    ],
)
def test_a_change_of_the_position_says_what_it_skips_and_what_it_reads_again(
    old: ShardPosition | None, new: ShardPosition | None, expected: str
) -> None:
    def of(place: ShardPosition | None) -> Position:
        return Position("s", {"same": after("3")} | ({"shard-0": place} if place else {}))

    (line,) = describe_change(of(old), of(new))
    assert line.startswith("shard 'shard-0': ")
    assert expected in line


def test_a_position_that_stays_is_no_change() -> None:
    caught_up = ShardPosition(PositionKind.AFTER, sequence_number="7", caught_up_ms=5)
    assert describe_change(position("7"), Position("s", {"shard-0": caught_up})) == ()
    assert describe_change(Position("s", {"gone": DRAINED}), Position("s", {})) == ()
