"""The options with which a table is written."""

import pytest

from streamjoin.hudi.table import HudiTable


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
