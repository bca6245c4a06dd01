import json
from pathlib import Path

import pytest

from streamjoin import checkpoint
from streamjoin.errors import SinkError
from streamjoin.sources.position import Position, PositionKind, ShardPosition, ShardRange

RANGE = ShardRange("shard-0", "1", "7", 7, 70, drained=False, millis_behind_latest=0, read_at_ms=1)


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


def test_a_table_of_somebody_else_is_refused(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", {"schema": "{}"})
    with pytest.raises(SinkError, match="none of its 1 commits carries a position"):
        checkpoint.read(str(tmp_path))


def test_a_commit_that_is_not_json_names_itself(tmp_path: Path) -> None:
    write_commit(tmp_path, "20260131000000000.commit", {})
    (tmp_path / ".hoodie" / "20260131000001000.commit").write_text("Objavro}")
    with pytest.raises(SinkError, match=r"20260131000001000\.commit"):
        checkpoint.read(str(tmp_path))
