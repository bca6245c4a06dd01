"""Entries of the Glue Data Catalog (moto's) that are not as they should be: mended, or refused with what to do."""

from pathlib import Path
from typing import Any

import pytest

from streamjoin.catalog.merging import _plain
from streamjoin.errors import SinkError
from tests.lake_tables import LakeTable
from tests.unit.catalog.glue_calls import (
    ORDERS,
    Counted,
    columns,
    entered_by_others,
    entry,
    partitions,
    refusal,
    sync_of,
)


def test_the_command_mends_everything_and_says_what_it_changed(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1", "dt=2")
    sync = sync_of(lake, glue)
    (made,) = sync.mend() or []
    assert str(made) == "sales.orders: made with 7 columns; 2 partitions made"
    (again,) = sync.mend() or []
    assert str(again) == "sales.orders: as it should be"
    storage = entry(glue)["StorageDescriptor"]
    elsewhere = {"Values": ["x"], "StorageDescriptor": {**storage, "Location": "s3://elsewhere/x"}}
    gone = {"Values": ["9"], "StorageDescriptor": {**storage, "Location": f"{lake.root}/dt=9"}}
    narrow = {"Values": ["1"], "StorageDescriptor": {**storage, "Columns": storage["Columns"][:6]}}
    glue._client.batch_create_partition(DatabaseName="sales", TableName="orders", PartitionInputList=[elsewhere, gone])
    glue._client.batch_update_partition(
        DatabaseName="sales", TableName="orders", Entries=[{"PartitionValueList": ["1"], "PartitionInput": narrow}]
    )
    glue._client.batch_delete_partition(
        DatabaseName="sales", TableName="orders", PartitionsToDelete=[{"Values": ["2"]}]
    )
    (mended,) = sync.mend() or []
    assert str(mended) == "sales.orders: 1 partition made; 1 partition mended; 1 partition removed"
    assert partitions(glue).keys() == {("1",), ("2",), ("x",)}
    assert LakeTable(tmp_path / "other") and sync_of(LakeTable(tmp_path / "empty"), glue).mend() is None


def test_an_entry_with_other_partition_columns_is_made_from_scratch_by_the_command_alone(
    tmp_path: Path, glue: Counted
) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    theirs = {
        "Name": "orders",
        "Description": "All orders.",
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "StorageDescriptor": {"Location": f"{lake.root}/", "Columns": []},
    }
    entered_by_others(glue, theirs)
    with pytest.raises(SinkError, match="has other partition columns than the table"):
        sync_of(lake, glue).follow()
    (change,) = sync_of(lake, glue).mend() or []
    assert str(change) == "sales.orders: made from scratch with 7 columns; 1 partition made"
    assert entry(glue)["Description"] == "All orders."
    assert [key["Name"] for key in entry(glue)["PartitionKeys"]] == ["dt"]


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        ("get_table", "AccessDeniedException", "GetTable was denied .* Allow the actions of glue:"),
        ("create_table", "ThrottlingException", "CreateTable was throttled .* tried again with the next commit"),
        ("batch_create_partition", "InternalServiceException", "BatchCreatePartition failed"),
    ],
)
def test_a_catalog_that_refuses_is_an_error_that_says_what_to_do(
    tmp_path: Path, glue: Counted, call: str, code: str, text: str
) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    sync = sync_of(lake, glue)

    def refuse(arguments: Any) -> None:
        raise refusal(code)

    glue.before[call] = refuse
    with pytest.raises(SinkError, match=text):
        sync.follow()
    glue.before.clear()
    lake.commit(ORDERS, "dt=2")
    sync.follow()
    assert partitions(glue).keys() == {("1",), ("2",)}


def test_partitions_that_glue_takes_only_in_part_are_told(
    tmp_path: Path, glue: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    sync = sync_of(lake, glue)
    detail = {"ErrorCode": "InvalidInputException", "ErrorMessage": "too long"}
    answer = {"Errors": [{"PartitionValues": ["1"], "ErrorDetail": detail}]}
    monkeypatch.setattr(glue._client, "batch_create_partition", lambda **_: answer)
    with pytest.raises(SinkError, match="for the partition 1: InvalidInputException: too long"):
        sync.follow()


def test_tombstones_are_entered_where_asked(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t")
    lake.commit(ORDERS)
    sync_of(lake, glue, tombstones=True).follow()
    found = entry(glue, "orders_tombstones")
    assert columns(found) == {"_item_key": "string", "_order": "string", "expires_at_us": "bigint"}
    assert found["StorageDescriptor"]["Location"] == f"{lake.root}/.hoodie/.streamjoin/tombstones"
    assert "spark.sql.sources.provider" not in found["Parameters"]


def test_an_entry_of_a_crawler_for_the_same_place_is_mended(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    crawled = {
        "Name": "orders",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": "dt", "Type": "string"}],
        "Parameters": {"classification": "parquet", "recordCount": "12"},
        "StorageDescriptor": {
            "Location": f"{lake.root}/",
            "Columns": [{"Name": "units", "Type": "double"}, {"Name": "ID", "Type": "string"}],
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        },
    }
    entered_by_others(glue, crawled)
    (change,) = sync_of(lake, glue).follow(ends=True)
    assert change.said[:2] == ["column units double -> int", "column id string -> string"]
    assert list(columns(entry(glue))) == ["units", "id"]
    assert entry(glue)["StorageDescriptor"]["InputFormat"].endswith("HoodieParquetInputFormat")
    assert entry(glue)["Parameters"]["recordCount"] == "12"


def test_every_call_names_the_catalog_of_another_account(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    named: list[str] = []
    for call in ("get_table", "create_table", "create_database", "batch_create_partition", "update_table"):
        glue.before[call] = lambda arguments: named.append(arguments["CatalogId"])
    sync_of(lake, glue, catalog_id="123456789012").follow(ends=True)
    assert len(named) == sum(glue.calls.values()) - glue.calls["get_partitions"]
    assert set(named) == {"123456789012"}


def test_a_table_without_a_commit_is_not_entered(tmp_path: Path, glue: Counted) -> None:
    assert sync_of(LakeTable(tmp_path / "t"), glue).follow(ends=True) == []
    assert not glue.calls


def test_s3_is_one_place_however_it_is_written() -> None:
    places = ["s3://bucket/lake/orders", "s3a://bucket/lake/orders", "s3n://bucket/lake/orders/"]
    assert {_plain(place) for place in places} == {"s3://bucket/lake/orders"}
