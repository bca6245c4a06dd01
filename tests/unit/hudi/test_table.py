"""The options with which a table is written."""

from contextlib import nullcontext

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


@pytest.mark.parametrize(("table_type", "partition", "said"), [
    ("MERGE_ON_READ", "day", "Hudi can't merge 'list' on read"),
    ("MERGE_ON_READ", "id", None),
    ("COPY_ON_WRITE", "day", None),
])  # fmt: skip
def test_an_array_of_structs_called_list_is_refused_where_rows_move_and_are_merged_on_read(
    table_type: str, partition: str, said: str | None
) -> None:
    table = HudiTable("/t", "t", ("id",), "o", (partition,), table_type)
    columns = to_spark(parse_schema("id string, day string, o bigint, list array<struct<zip:string>>"))
    with pytest.raises(SchemaError, match=said) if said else nullcontext():
        check_columns(table, None, columns)
