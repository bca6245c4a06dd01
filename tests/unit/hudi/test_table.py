"""The options with which a table is written."""

from contextlib import nullcontext
from typing import Any

import pytest

from streamjoin.errors import SchemaError
from streamjoin.hudi.evolution import check_columns
from streamjoin.hudi.table import HudiTable
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark


@pytest.mark.parametrize(
    ("options", "is_written"),
    [
        ({}, "false"),
        ({"hoodie.index.type": "GLOBAL_BLOOM"}, "true"),
        ({"hoodie.index.type": "bloom"}, "true"),
        ({"hoodie.parquet.bloom.filter.enabled": "true"}, "true"),
    ],
)
def test_data_files_have_a_bloom_filter_only_if_something_asks_it(options: dict[str, str], is_written: str) -> None:
    table = HudiTable("s3://b/t", "t", ("id",), "_ordering_us", ("dt",), options=options)
    assert table.writer_options(2)["hoodie.parquet.bloom.filter.enabled"] == is_written


def test_no_shuffle_has_more_tasks_than_it_is_told_unless_the_user_wants_so() -> None:
    table = HudiTable("s3://b/t", "t", ("id",), "_ordering_us", ("dt",))
    tasks = {name: value for name, value in table.writer_options(3).items() if name.endswith(".parallelism")}
    assert set(tasks.values()) == {"3"}
    assert "hoodie.global.index.reconcile.parallelism" in tasks
    wide = HudiTable(*("s3://b/t", "t", ("id",), "_ordering_us", ("dt",)), options=dict.fromkeys(tasks, "9"))
    assert {wide.writer_options(3)[name] for name in tasks} == {"9"}


@pytest.mark.parametrize(("table_type", "index", "said"), [
    ("MERGE_ON_READ", "GLOBAL_SIMPLE", "Hudi can't merge 'list' on read"),
    ("MERGE_ON_READ", "BUCKET", None),
    ("COPY_ON_WRITE", "GLOBAL_SIMPLE", None),
])  # fmt: skip
def test_an_array_of_structs_called_list_is_refused_where_hudi_moves_rows_that_are_merged_on_read(
    table_type: str, index: str, said: str | None
) -> None:
    table = HudiTable("/t", "t", ("id",), "o", ("day",), table_type, options={"hoodie.index.type": index})
    columns = to_spark(parse_schema("id string, day string, o bigint, list array<struct<zip:string>>"))
    with pytest.raises(SchemaError, match=said) if said else nullcontext():
        check_columns(table, None, columns)


@pytest.mark.parametrize(("settings", "is_there"), [
    ({"partition_by": ("day",)}, True),
    ({"partition_by": ("day", "id")}, True),
    ({"partition_by": ("id",)}, False),
    ({"partition_by": ()}, True),
    ({"partition_by": (), "table_type": "MERGE_ON_READ"}, False),
    ({"partition_by": (), "options": {"hoodie.index.type": "BUCKET"}}, False),
    ({"partition_by": (), "options": {"hoodie.bucket.index.num.buckets": "8"}}, False),
    ({"partition_by": ("day",), "is_fixed": True}, False),
    ({"partition_by": ("day",), "options": {"hoodie.index.type": "GLOBAL_BLOOM"}}, False),
    ({"partition_by": ("day",), "options": {"hoodie.index.type": "SIMPLE"}}, True),
])  # fmt: skip
def test_a_table_has_a_record_level_index_if_rows_may_move_or_files_are_told_and_hudis_own_does_not_find_them(
    settings: dict[str, Any], is_there: bool
) -> None:
    assert HudiTable("/t", "t", ("id",), "o", **settings).has_record_index == is_there


@pytest.mark.parametrize(("partition_by", "expected_rows", "buckets"), [
    ((), None, "4"),
    (("day",), None, "1"),
    ((), 10, "1"),
    ((), 9_000_000, "5"),
    ((), 10**12, "256"),
    (("day",), 10**9, "2"),
])  # fmt: skip
def test_buckets_follow_from_the_rows_that_are_expected(
    partition_by: tuple[str, ...], expected_rows: int | None, buckets: str
) -> None:
    table = HudiTable("/t", "t", ("id",), "o", partition_by, "MERGE_ON_READ", expected_rows=expected_rows)
    assert table.writer_options(1)["hoodie.bucket.index.num.buckets"] == buckets


@pytest.mark.parametrize(("expected_rows", "options", "mebibytes"), [
    (None, {}, 32),
    (10**6, {}, 32),
    (10**9, {}, 95),
    (10**12, {}, 128),
    (10**12, {"hoodie.parquet.max.file.size": str(4 * 1024**2)}, 4),
])  # fmt: skip
def test_the_size_of_a_copy_on_write_tables_files_follows_from_the_rows_that_are_expected(
    expected_rows: int | None, options: dict[str, str], mebibytes: int
) -> None:
    table = HudiTable("/t", "t", ("id",), "o", options=options, expected_rows=expected_rows)
    assert table.tells_files
    assert table.file_bytes // 1024**2 == mebibytes
    assert int(table.writer_options(1)["hoodie.parquet.max.file.size"]) == table.file_bytes
