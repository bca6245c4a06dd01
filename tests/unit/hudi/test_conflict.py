"""A table that is there, and a configuration that says something else of it: told before anything is written."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamjoin.hudi.conflict import as_made, conflicts, note_index
from streamjoin.hudi.table import HudiTable
from streamjoin.letters.table import DeadLetters

# As Hudi 1.0.2 writes them.
PROPERTIES = {
    "hoodie.table.name": "orders",
    "hoodie.database.name": "sales",
    "hoodie.table.type": "COPY_ON_WRITE",
    "hoodie.table.recordkey.fields": "id,line",
    "hoodie.table.partition.fields": "dt\\:SIMPLE,id",
    "hoodie.table.precombine.field": "_ordering_us",
    "hoodie.table.cdc.enabled": "false",
    "hoodie.table.checksum": "1",
}


def made(folder: Path, **changes: str) -> str:
    lines = {**PROPERTIES, **{name.replace("_", "."): value for name, value in changes.items()}}
    (folder / ".hoodie").mkdir()
    text = "".join(f"{name}={value}\n" for name, value in lines.items())
    (folder / ".hoodie" / "hoodie.properties").write_text(f"#Updated at x\n{text}")
    return str(folder)


@pytest.fixture
def table(tmp_path: Path) -> HudiTable:
    return HudiTable(made(tmp_path), "orders", ("id", "line"), "_ordering_us", ("dt", "id"), database="sales")


def test_the_settings_that_it_was_made_with_are_no_conflict_and_a_table_that_is_not_there_has_none(
    table: HudiTable, tmp_path: Path
) -> None:
    assert conflicts(table) == []
    assert conflicts(replace(table, base_path=str(tmp_path / "new"), table_name="other")) == []


@pytest.mark.parametrize(
    ("changes", "key", "ours", "theirs"),
    [
        ({"table_name": "sold"}, "table_name", "'sold'", "'orders'"),
        ({"database": "other"}, "database", "'other'", "'sales'"),
        ({"table_type": "MERGE_ON_READ"}, "table_type", "'MERGE_ON_READ'", "'COPY_ON_WRITE'"),
        ({"record_key": ("id",)}, "record_key", "'id'", "'id,line'"),
        ({"partition_by": ("id", "dt")}, "partition_by", "'id,dt'", "'dt,id'"),
        ({"partition_by": ()}, "partition_by", "nothing", "'dt,id'"),
    ],
)
def test_each_setting_that_is_another_is_named_with_both_values(
    table: HudiTable, changes: dict[str, Any], key: str, ours: str, theirs: str
) -> None:
    (line,) = conflicts(replace(table, **changes))
    assert line.startswith(
        f"sink.hudi.{key}: found {ours}, but the table at {table.base_path} was made with {theirs}; set that, or give "
    )


def test_an_option_that_is_fixed_with_the_table_is_named_with_both_values(table: HudiTable) -> None:
    assert (
        conflicts(replace(table, options={"hoodie.table.cdc.enabled": "FALSE", "hoodie.keep.min.commits": "5"})) == []
    )
    (line,) = conflicts(replace(table, options={"hoodie.table.cdc.enabled": "true"}))
    assert line.startswith("sink.hudi.options.hoodie.table.cdc.enabled: found 'true', but the table at ")


def test_the_table_of_another_kind_of_job_is_named_as_such(table: HudiTable) -> None:
    (line,) = conflicts(replace(table, ordering="_order", record_key=("_item_key",)), at="tables[0].sink.hudi")
    assert line.startswith(f"tables[0].sink.hudi.base_path: found {table.base_path}, whose table is of another kind")


def test_other_buckets_than_rows_are_in_are_refused_and_an_option_that_moves_no_row_is_not(table: HudiTable) -> None:
    ours = replace(table, options={"hoodie.index.type": "BUCKET"})
    note_index(ours)
    note_index(replace(ours, options={"hoodie.index.type": "SIMPLE"}))  # the first one counts
    assert conflicts(ours) == conflicts(replace(ours, options={**ours.options, "hoodie.keep.min.commits": "50"})) == []
    (line,) = conflicts(replace(ours, options={**ours.options, "hoodie.bucket.index.num.buckets": "8"}))
    assert line.startswith("sink.hudi.options.hoodie.bucket.index.num.buckets: found '8', but the table at ")
    found = conflicts(replace(ours, options={"hoodie.index.type": "GLOBAL_SIMPLE"}))
    assert found[0].startswith("sink.hudi.options.hoodie.index.type: found 'GLOBAL_SIMPLE', but the table at ")


@pytest.mark.parametrize(
    ("file_id", "line"),
    [
        ("00000003-ce1e-4137-8ce0-219c3320d4b7-0", "hoodie.bucket.index.num.buckets: found '2', but the table at "),
        ("c0ffee03-ce1e-4137-8ce0-219c3320d4b7-0", "hoodie.index.type: found 'BUCKET', but the table at "),
    ],
)
def test_what_a_table_of_the_state_before_says_of_its_index_counts(table: HudiTable, file_id: str, line: str) -> None:
    content = json.dumps({"partitionToWriteStats": {"": [{"fileId": file_id}]}})
    (Path(table.base_path) / ".hoodie" / "20260131000000000.commit").write_text(content)
    options = {"hoodie.index.type": "BUCKET", "hoodie.bucket.index.num.buckets": "2"}
    found = conflicts(replace(table, options=options))
    assert found[0].startswith(f"sink.hudi.options.{line}")


def test_indexes_that_look_at_every_file_may_take_each_others_place(table: HudiTable) -> None:
    note_index(replace(table, options={"hoodie.index.type": "GLOBAL_SIMPLE"}))
    assert conflicts(replace(table, options={"hoodie.index.type": "GLOBAL_BLOOM"})) == []


def test_a_table_that_is_there_keeps_the_index_and_the_buckets_it_was_made_with(tmp_path: Path) -> None:
    table = HudiTable(str(tmp_path), "orders", ("id", "line"), "_ordering_us", ("dt",), database="sales")
    assert as_made(table) == table
    made(tmp_path, hoodie_table_partition_fields="dt")
    # Of an earlier version, before there were notes: by the names of its files.
    commit = tmp_path / ".hoodie" / "20260131000000000.commit"
    for file_id, index, buckets in (("c0ffee03-ce1e", "GLOBAL_SIMPLE", "1"), ("00000003-ce1e", "BUCKET", "4")):
        commit.write_text(json.dumps({"partitionToWriteStats": {"": [{"fileId": file_id}]}}))
        found = as_made(table)
        assert (found.index_type, found.has_record_index) == (index, index == "BUCKET")
        assert found.writer_options(1)["hoodie.bucket.index.num.buckets"] == buckets
    note_index(replace(table, options={"hoodie.bucket.index.num.buckets": "7"}))
    sized = replace(table, expected_rows=10**9)
    assert as_made(sized).writer_options(1)["hoodie.bucket.index.num.buckets"] == "7"
    assert conflicts(as_made(sized)) == []
    chosen = replace(table, options={"hoodie.index.type": "GLOBAL_BLOOM"})
    assert as_made(chosen) == chosen
    assert conflicts(chosen)


def test_dead_letters_of_another_job_are_refused_and_those_of_a_job_that_was_renamed_or_moved_are_not(
    tmp_path: Path,
) -> None:
    letters = DeadLetters(made(tmp_path, hoodie_table_name="orders_dead_letters"), "orders_dead_letters", ("a", "/a"))
    assert letters.conflicts() == []
    metadata = {"streamjoin.batch_id": "b", "streamjoin.letters_of": json.dumps(letters.owner)}
    (tmp_path / ".hoodie" / "20260131000000000.commit").write_text(json.dumps({"extraMetadata": metadata}))
    assert letters.conflicts() == []
    assert replace(letters, owner=("b", "/a")).conflicts() == replace(letters, owner=("a", "/b")).conflicts() == []
    (line,) = replace(letters, owner=("b", "/b")).conflicts()
    assert line.startswith(f"dead_letters.base_path: found {tmp_path}, which has the dead letters of another job: ")
    assert "the job 'a' with its positions at /a" in line
    (line,) = replace(letters, table_name="sold_dead_letters").conflicts()
    assert "the table 'orders_dead_letters', expected 'sold_dead_letters'" in line
