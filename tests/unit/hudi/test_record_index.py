"""A record-level index: what its segments hold, and what it does with commits that it doesn't know."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.hudi.record_index import index as record_index
from streamjoin.hudi.record_index.index import SEGMENT, RecordIndex
from streamjoin.hudi.record_index.segment import COLUMNS, Segment, merged
from streamjoin.hudi.table import HudiTable

# Few first halves, so that keys share them.
HASHES = st.tuples(st.sampled_from([-(2**63), -1, 0, 7, 2**63 - 1]), st.integers(-3, 3))
ENTRY = st.tuples(st.integers(0, 99), st.sampled_from(["a", "b", None]))
SPARK: Any = None


def entries(rows: dict[tuple[int, int], tuple[int, str | None]]) -> pa.Table:
    columns = [
        [h for h, _ in rows],
        [low for _, low in rows],
        [o for o, _ in rows.values()],
        [p for _, p in rows.values()],
    ]
    types = [pa.int64(), pa.int64(), pa.int64(), pa.string()]
    return pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=list(COLUMNS))


def content(table: pa.Table) -> dict[tuple[int, int], tuple[int, str | None]]:
    return {(r["high"], r["low"]): (r["order"], r["partition"]) for r in table.to_pylist()}


@given(st.lists(st.dictionaries(HASHES, ENTRY), min_size=1, max_size=4), st.booleans(), st.sampled_from([1, 3, 1000]))
def test_segments_that_are_put_together_say_of_each_key_what_the_newest_of_them_says(
    parts: list[dict[tuple[int, int], tuple[int, str | None]]], is_whole: bool, slice_rows: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamjoin.hudi.record_index.segment._SLICE_ROWS", slice_rows)
        slices = list(merged([Segment.of(entries(part)) for part in parts], is_whole=is_whole))
    newest = {key: entry for part in parts for key, entry in part.items()}
    expected = {key: entry for key, entry in newest.items() if entry[1] is not None or not is_whole}
    together = pa.concat_tables(slices)
    assert content(together) == expected
    segment = Segment(together)
    asked = [*newest, (7, 99), (1, 1), (2**63 - 1, -99)]
    found = segment.find(*(np.array(half, dtype=np.int64) for half in zip(*asked, strict=True)))
    assert [number >= 0 for number in found] == [key in expected for key in asked]
    taken = segment.take(found[found >= 0]).to_pylist()
    assert [(r["order"], r["partition"]) for r in taken] == [expected[key] for key in asked if key in expected]


class Lake:
    """A table's timeline, written by hand, and how often the index was made from the table's rows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table = HudiTable(str(folder), "t", ("id",), "o", ("p",))
        self.meta = folder / ".hoodie"
        self.meta.mkdir()
        self.rows: dict[tuple[int, int], tuple[int, str | None]] = {}
        self.made, self.number = 0, 0
        monkeypatch.setattr(record_index, "stored_entries", self._stored)

    def _stored(self, spark: Any, table: HudiTable) -> Iterator[pa.Table]:
        self.made += 1
        yield Segment.of(entries(self.rows)).entries

    def commit(self, metadata: dict[str, str], **more: str) -> None:
        self.number += 1
        extra = {f"streamjoin.{key}": value for key, value in metadata.items()}
        text = json.dumps({"extraMetadata": extra, **more})
        (self.meta / f"2026013100000{self.number:04d}.commit").write_text(text)

    def upsert(self, index: RecordIndex, rows: dict[tuple[int, int], tuple[int, str | None]]) -> None:
        index.follow(SPARK)
        name = index.write(entries(rows))
        self.rows |= rows
        self.commit({SEGMENT: name})

    def said(self, index: RecordIndex) -> dict[tuple[int, int], tuple[int, str | None]]:
        index.follow(SPARK)
        asked = [*self.rows, (-5, -5)]
        found = index.find(*(np.array(half, dtype=np.int64) for half in zip(*asked, strict=True)))
        known = [key for key, is_known in zip(asked, found.is_known, strict=True) if is_known]
        values = zip(found.order.to_pylist(), found.partition.to_pylist(), strict=True)
        return dict(zip(known, values, strict=True))


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    return Lake(tmp_path, monkeypatch)


def test_a_commit_and_what_it_says_of_its_rows_happen_together(lake: Lake) -> None:
    index = RecordIndex(lake.table)
    lake.upsert(index, {(1, 1): (1, "a"), (2, 2): (1, "b")})
    lake.upsert(index, {(1, 1): (2, "c")})
    index.follow(SPARK)
    # A process dies here before its commit: another one doesn't see what it wrote.
    index.write(entries({(1, 1): (9, "never")}))
    for each in (index, RecordIndex(lake.table)):
        assert lake.said(each) == {(1, 1): (2, "c"), (2, 2): (1, "b")}
    lake.upsert(index, {(2, 2): (3, None)})
    assert lake.said(index) == {(1, 1): (2, "c")}


def test_many_commits_leave_few_files_and_a_start_reads_them_without_the_table(lake: Lake) -> None:
    index = RecordIndex(lake.table)
    for number in range(70):
        lake.upsert(index, {(number % 50, 0): (number, "ab"[number % 2]), (1000 + number, 0): (number, "c")})
        index._background.submit(lambda: None).result()
    assert lake.said(index) == lake.rows
    assert len(list((lake.meta / ".streamjoin" / "record_index").iterdir())) < 25
    made = lake.made
    assert lake.said(RecordIndex(lake.table)) == lake.rows
    assert lake.made == made == 0


@pytest.mark.parametrize(
    "by", ["another writer", "a lost segment", "a torn segment", "a restored table", "no manifest"]
)
def test_an_index_that_does_not_fit_the_table_is_made_again_from_its_rows(lake: Lake, by: str) -> None:
    index = RecordIndex(lake.table)
    for number in range(20):
        lake.upsert(index, {(number, 0): (number, "a")})
        index._background.submit(lambda: None).result()
    files = lake.meta / ".streamjoin" / "record_index"
    if by == "another writer":
        lake.rows |= {(99, 0): (1, "b")}
        lake.commit({}, operationType="UPSERT")
        assert lake.said(index) == lake.rows
    elif by == "a restored table":
        index.follow(SPARK)
        max(lake.meta.glob("*.commit")).unlink()
        lake.rows.popitem()
        assert lake.said(index) == lake.rows
    elif by == "no manifest":
        (files / "manifest.json").unlink()
    else:
        for path in files.glob("*.arrow"):
            path.write_bytes(path.read_bytes()[:40]) if by == "a torn segment" else path.unlink()
    assert lake.said(RecordIndex(lake.table)) == lake.rows
    assert lake.made >= 1


def test_what_hudi_does_to_files_moves_no_row_to_another_partition(lake: Lake) -> None:
    index = RecordIndex(lake.table)
    lake.upsert(index, {(1, 1): (1, "a")})
    for operation in ("COMPACT", "CLUSTER"):
        lake.commit({}, operationType=operation)
    lake.upsert(index, {(2, 2): (1, "b")})
    # On a disk a commit's file is there before its content.
    (lake.meta / "20260131000009999.commit").write_text("")
    assert lake.said(index) == lake.rows
    assert lake.made == 0


def test_an_index_of_several_slices_is_written_and_read_as_one_of_one_slice(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each slice meets partitions that those before it don't have.
    monkeypatch.setattr("streamjoin.hudi.record_index.segment._SLICE_ROWS", 10)
    index = RecordIndex(lake.table)
    for number in range(40):
        lake.upsert(index, {((number - 20) * 2**58, n): (n, f"p{number}") for n in range(3)})
        index._background.submit(lambda: None).result()
    assert lake.said(index) == lake.said(RecordIndex(lake.table)) == lake.rows
    assert lake.made == 0
