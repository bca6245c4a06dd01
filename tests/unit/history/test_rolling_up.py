"""Small objects become large ones, and a process that dies at any point leaves a ledger that reads the same."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamjoin.errors import SinkError
from streamjoin.history import folder
from streamjoin.history.ledger import Ledger
from streamjoin.shards.position import Position
from tests.faults.ledger import FakeTable, killed_at

METADATA = {"position": Position("s", {}).to_json()}


@pytest.fixture(autouse=True)
def small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "ROLL_UP_OBJECTS", 3)


def objects(table: FakeTable) -> list[str]:
    return sorted(path.name for path in Path(table.base_path, ".hoodie", ".streamjoin", "ledger").glob("*"))


def instants(table: FakeTable) -> list[str]:
    return [entry.instant for entry in Ledger(table.base_path).entries()]


def test_enough_objects_of_one_level_become_one_of_the_next(tmp_path: Path) -> None:
    table, levels = FakeTable(tmp_path), []
    ledger = Ledger(table.base_path)
    made = []
    for _ in range(32):
        made.append(table.commit(METADATA))
        ledger.follow()
        levels.append("".join(name[0] for name in objects(table)))
    assert levels[:10] == ["0", "00", "1", "01", "001", "11", "011", "0011", "2", "02"]
    assert levels[26:] == ["222", "0222", "00222", "1222", "01222", "001222"]
    assert instants(table) == made
    assert f"2-{made[0]}-{made[8]}.jsonl.gz" in objects(table)
    lines = gzip.decompress(Path(table.base_path, folder.FOLDER, objects(table)[-1]).read_bytes()).splitlines()
    assert len(lines) == 9


def test_what_a_killed_process_left_is_ignored_and_then_deleted(tmp_path: Path) -> None:
    table = FakeTable(tmp_path)
    ledger = Ledger(table.base_path)
    made = [table.commit(METADATA) for _ in range(1)]
    ledger.follow()
    for _ in range(2):
        made.append(table.commit(METADATA))
        # Two steps for the small object, two for the large one, then the first deletion.
        with killed_at(4):
            ledger.follow()
    assert sorted(name[0] for name in objects(table)) == ["0", "0", "0", "1"]
    assert instants(table) == made
    Path(table.base_path, folder.FOLDER, "0-1-1.jsonl.gz.unfinished").write_bytes(b"\x1f\x8b")
    assert Ledger(table.base_path).follow() == ()
    assert [name[0] for name in objects(table)] == ["1"]
    assert instants(table) == made


def test_a_covered_object_does_not_bring_back_what_was_withdrawn_later(tmp_path: Path) -> None:
    table = FakeTable(tmp_path)
    ledger = Ledger(table.base_path)
    made = []
    for _ in range(2):
        made.append(table.commit(METADATA))
        ledger.follow()
    left_over = Path(table.base_path, folder.FOLDER, objects(table)[1])
    content = left_over.read_bytes()
    table.restore(1)
    ledger.follow()
    assert [name[0] for name in objects(table)] == ["1"]
    left_over.write_bytes(content)
    assert instants(table) == made[:1]


def test_a_ledger_that_is_rolled_up_while_it_is_read_gives_each_entry_once(tmp_path: Path) -> None:
    table = FakeTable(tmp_path)
    writer, made = Ledger(table.base_path), []
    for _ in range(8):
        made.append(table.commit(METADATA))
        writer.follow()
    reader = Ledger(table.base_path).entries()
    seen = [next(reader).instant for _ in range(4)]
    table.commit(METADATA)
    writer.follow()
    assert [name[0] for name in objects(table)] == ["2"]
    seen += [entry.instant for entry in reader]
    assert seen[:8] == made
    assert seen == sorted(set(seen))


def test_the_newest_entry_is_found_from_the_end_past_what_was_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = FakeTable(tmp_path)
    made = []
    for _ in range(12):
        made.append(table.commit(METADATA))
        Ledger(table.base_path).follow()
        table.archive(keep=4)
    table.restore(2)
    Ledger(table.base_path).follow()
    read = []
    monkeypatch.setattr(folder.Folder, "read", lambda self, o, f=folder.Folder.read: read.append(o.level) or f(self, o))
    found = [Ledger(table.base_path).newest(older_than=bound) for bound in (None, made[9], made[5], made[0])]
    assert [entry.instant if entry else None for entry in found] == [made[9], made[8], made[4], None]
    assert read[0] == 0


@pytest.mark.parametrize("fault", ["list", "write"])
def test_a_ledger_that_can_not_be_written_is_an_error_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    table = FakeTable(tmp_path)
    instant = table.commit(METADATA)
    ledger = Ledger(table.base_path)
    place = Path(table.base_path, ".hoodie", ".streamjoin")
    place.write_text("a file where the folder should be") if fault == "write" else place.mkdir()
    if fault == "list":
        (place / "ledger").write_text("likewise")
    with pytest.raises(
        SinkError, match=r"ledger '.*/\.hoodie/\.streamjoin/ledger' can't be .* commits stand"
    ) as raised:
        ledger.follow()
    assert raised.value.retryable
    (place / "ledger").unlink() if fault == "list" else place.unlink()
    assert [entry.instant for entry in ledger.follow()] == [instant]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 3)),
        st.tuples(st.just("foreign"), st.just(1)),
        st.tuples(st.just("restore"), st.integers(1, 3)),
        st.tuples(st.just("archive"), st.integers(1, 4)),
        st.tuples(st.just("kill"), st.integers(0, 12)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@given(steps)
@settings(max_examples=150, deadline=None)
def test_whenever_the_process_is_killed_the_ledger_has_every_commit_that_stands_once(
    plan: list[tuple[str, int]],
) -> None:
    with TemporaryDirectory() as place:
        table = FakeTable(Path(place) / "t")
        ledger, standing = Ledger(table.base_path), list[str]()
        for step, number in plan:
            match step:
                case "commit":
                    standing += [table.commit(METADATA) for _ in range(number)]
                case "foreign":
                    table.commit(None)
                case "restore":
                    table.restore(min(number, len(table.commits()) - 1))
                    kept = table.commits()
                    # Archived ones stay; of those that are on the timeline, what is still there.
                    standing = [i for i in standing if i in kept or (kept and i < kept[0])]
                case "archive":
                    # Hudi archives what is long past: the ledger has it.
                    ledger.follow()
                    table.archive(keep=number)
                case "kill":
                    with killed_at(number):
                        ledger.follow()
                    ledger = Ledger(table.base_path)
                    known = instants(table)
                    assert known == sorted(set(known))
                case "restart":
                    ledger = Ledger(table.base_path)
                    ledger.follow()
                    assert instants(table) == standing
            assert [entry.instant for entry in Ledger(table.base_path).history().entries()] == standing
        ledger.follow()
        assert instants(table) == standing
        newest = Ledger(table.base_path).newest(older_than=None)
        assert (newest.instant if newest else None) == (standing[-1] if standing else None)
