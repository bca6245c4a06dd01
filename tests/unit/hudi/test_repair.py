"""Which files of a timeline are torn, and what goes with each."""

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.hudi import repair as module
from streamjoin.hudi.repair import repair

COMMIT = json.dumps({"partitionToWriteStats": {"": [{"fileId": "f"}]}, "extraMetadata": {"a": "}"}}, indent=2).encode()


def avro_of(paths: list[str]) -> bytes:
    """Return a plan as Hudi writes it: full of paths that look alike."""
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": "paths", "type": {"type": "array", "items": "string"}}],
    }
    content = io.BytesIO()
    fastavro.writer(content, fastavro.parse_schema(schema), [{"paths": paths}], sync_marker=bytes(range(100, 116)))
    return content.getvalue()


AVRO = avro_of(["/data/lake/orders/00000000-a08f.parquet"] * 3)
FIRST, SECOND, THIRD = "20260131000000001", "20260131000000002", "20260131000000003"


def timeline(tmp_path: Path, files: dict[str, bytes]) -> Path:
    meta = tmp_path / ".hoodie"
    meta.mkdir(parents=True)
    for name, content in files.items():
        (meta / name).write_bytes(content)
        (meta / f".{name}.crc").write_bytes(b"crc")
    (meta / "hoodie.properties").write_bytes(b"")
    return meta


def names(meta: Path) -> set[str]:
    files = {path.name for path in meta.iterdir()} - {"hoodie.properties", ".hoodie.properties.crc"}
    shown = {name for name in files if not name.startswith(".")}
    assert files - shown == {f".{name}.crc" for name in shown}
    return shown


def commit(instant: str, content: bytes = COMMIT) -> dict[str, bytes]:
    return {f"{instant}.commit.requested": b"", f"{instant}.inflight": b"{", f"{instant}.commit": content}


def states(instant: str, action: str, *contents: bytes) -> dict[str, bytes]:
    return {
        f"{instant}.{action}{state}": content
        for state, content in zip((".requested", ".inflight", ""), contents, strict=False)
    }


@pytest.fixture(autouse=True, scope="module")
def nobody_writes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_WRITING_SECONDS", 0.0)
        yield


@given(st.integers(0, len(COMMIT) - 1))
def test_a_commit_cut_anywhere_has_not_happened(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    meta = timeline(tmp_path_factory.mktemp("t"), {**commit(FIRST), **commit(SECOND, COMMIT[:size])})
    assert repair(str(meta.parent)) == (f"{SECOND}.commit",)
    assert names(meta) == {*commit(FIRST), f"{SECOND}.commit.requested", f"{SECOND}.inflight"}
    assert repair(str(meta.parent)) == ()


@given(st.integers(1, len(AVRO) - 1))
def test_a_clean_cut_anywhere_goes_back_to_the_state_before(
    tmp_path_factory: pytest.TempPathFactory, size: int
) -> None:
    for whole in range(3):
        files = states(SECOND, "clean", *[AVRO] * whole, AVRO[:size])
        meta = timeline(tmp_path_factory.mktemp("t"), {**commit(FIRST), **files})
        repair(str(meta.parent))
        assert names(meta) == {*commit(FIRST), *list(files)[:whole]}


def test_a_torn_plan_takes_its_attempt_with_it(tmp_path: Path) -> None:
    meta = timeline(tmp_path, {**commit(FIRST), **states(SECOND, "compaction", b"", b"")})
    repair(str(tmp_path))
    assert names(meta) == set(commit(FIRST))


def test_what_is_torn_behind_something_that_is_done_stays(tmp_path: Path) -> None:
    files = {**commit(FIRST), **states(SECOND, "clean", AVRO[:9], AVRO[:9], AVRO), **commit(THIRD)}
    meta = timeline(tmp_path, files)
    assert repair(str(tmp_path)) == ()
    assert names(meta) == set(files)


def test_a_commit_that_another_was_built_on_stays(tmp_path: Path) -> None:
    files = {**commit(FIRST), **commit(SECOND, b""), **commit(THIRD)}
    meta = timeline(tmp_path, files)
    assert repair(str(tmp_path)) == ()
    assert names(meta) == set(files)


def test_several_torn_commits_at_the_end_have_not_happened(tmp_path: Path) -> None:
    meta = timeline(tmp_path, {**commit(FIRST), **commit(SECOND, b""), **commit(THIRD, COMMIT[:9])})
    assert set(repair(str(tmp_path))) == {f"{SECOND}.commit", f"{THIRD}.commit"}
    assert f"{FIRST}.commit" in names(meta)


def test_an_empty_clean_or_rollback_is_left_to_hudi(tmp_path: Path) -> None:
    files = {**states(FIRST, "clean", b"", b"", b""), **states(SECOND, "rollback", b"", b"", b"")}
    timeline(tmp_path, files)
    assert repair(str(tmp_path)) == ()


@pytest.mark.parametrize("content", [b"", COMMIT[:9]])
def test_what_a_compaction_beside_is_writing_this_moment_is_not_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    files = {**commit(FIRST), **states(SECOND, "compaction", AVRO, b""), f"{SECOND}.commit": content}
    meta = timeline(tmp_path, files)
    monkeypatch.setattr(module, "_WRITING_SECONDS", 1.0)

    def write() -> None:
        time.sleep(0.1)
        (meta / f"{SECOND}.commit").write_bytes(COMMIT)

    writing = threading.Thread(target=write)
    writing.start()
    assert repair(str(tmp_path)) == ()
    writing.join()
    assert names(meta) == set(files)
