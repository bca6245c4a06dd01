"""Entries of the Glue Data Catalog that others write, change or delete meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from streamjoin.errors import SinkError
from tests.lake_tables import LakeTable, avro
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


def test_what_others_wrote_stays(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    sync = sync_of(lake, glue, comments={"id": "Ours."})
    sync.follow(ends=True)
    there = entry(glue)
    there["StorageDescriptor"]["Columns"][0]["Comment"] = "When."
    there["StorageDescriptor"]["Columns"][-1] |= {"Comment": "Theirs.", "Parameters": {"classified": "yes"}}
    there["StorageDescriptor"]["Columns"].append({"Name": "computed", "Type": "string"})
    known = {"Name", "Parameters", "PartitionKeys", "StorageDescriptor", "TableType"}
    changed = {key: value for key, value in there.items() if key in known} | {
        "Description": "All orders.",
        "Owner": "data",
        "Parameters": {**there["Parameters"], "projection.enabled": "false"},
    }
    glue._client.update_table(DatabaseName="sales", TableInput=changed)
    lake.commit(avro(id="string", units="long", dt="string"), "dt=1")
    sync.follow()
    now = entry(glue)
    assert (now["Description"], now["Owner"]) == ("All orders.", "data")
    assert now["Parameters"]["projection.enabled"] == "false"
    assert columns(now) == {"id": "string", "units": "bigint", "computed": "string"}
    by_name = {c["Name"]: c for c in now["StorageDescriptor"]["Columns"]}
    assert by_name["units"] == {
        "Name": "units",
        "Type": "bigint",
        "Comment": "Theirs.",
        "Parameters": {"classified": "yes"},
    }
    assert (by_name["id"]["Comment"], by_name["_hoodie_commit_time"]["Comment"]) == ("Ours.", "When.")
    # The command alone takes columns away that the table doesn't have.
    (change,) = sync_of(lake, glue, comments={"id": "Ours."}).mend() or []
    assert "column computed left out" in change.said
    assert columns(entry(glue)) == {"id": "string", "units": "bigint"}


def test_an_owner_that_is_told_as_empty_is_none(tmp_path: Path, glue: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ministack tells it; Glue takes no empty one."""
    lake, get_table = LakeTable(tmp_path / "t"), glue._client.get_table
    lake.commit(ORDERS)
    sync_of(lake, glue).follow(ends=True)
    monkeypatch.setattr(
        glue._client,
        "get_table",
        lambda **call: {"Table": {**get_table(**call)["Table"], "Owner": "", "Description": ""}},
    )
    lake.commit(avro(id="string", units="int", dt="string", note="string"))
    sync_of(lake, glue).follow(ends=True)
    assert "note" in columns(entry(glue))


def test_another_table_of_the_same_name_is_left_as_it_is(tmp_path: Path, glue: Counted) -> None:
    theirs = {"Name": "orders", "StorageDescriptor": {"Location": "s3://theirs/orders"}, "Parameters": {"a": "b"}}
    entered_by_others(glue, theirs)
    lake = LakeTable(tmp_path / "t")
    lake.commit(ORDERS)
    with pytest.raises(SinkError, match=r"'sales.orders' is there already .* of 's3://theirs/orders', expected '/"):
        sync_of(lake, glue).follow()
    assert entry(glue)["Parameters"] == {"a": "b"}


def test_two_writers_that_meet_lose_nothing(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1")
    one, other = sync_of(lake, glue), sync_of(lake, Counted(glue._client))

    def first(call: Any) -> None:
        glue.before.clear()
        other.follow(ends=True)

    # Each makes what the other is about to make.
    glue.before["create_table"] = first
    one.follow(ends=True)
    assert partitions(glue).keys() == {("1",)}
    # One is told that its version is no longer the newest: it reads again, and keeps what the other wrote.
    newer = avro(id="string", units="int", dt="string", note="string")
    lake.commit(newer, "dt=1")

    def overtake(call: Any) -> None:
        glue.before.clear()
        assert call["VersionId"] == entry(glue)["VersionId"]
        assert call["SkipArchive"]
        changed = {k: v for k, v in entry(glue).items() if k in ("Name", "StorageDescriptor", "PartitionKeys")}
        changed["Parameters"] = {**entry(glue)["Parameters"], "theirs": "kept"}
        glue._client.update_table(DatabaseName="sales", TableInput=changed)
        raise refusal("ConcurrentModificationException")

    glue.before["update_table"] = overtake
    one.follow(ends=True)
    assert entry(glue)["Parameters"]["theirs"] == "kept"
    assert "note" in columns(entry(glue))
    # The other, who knows an older commit alone, takes nothing back.
    assert other.follow(ends=True) == []
    assert "note" in columns(entry(glue))


def test_an_older_view_of_the_table_changes_nothing(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t")
    lake.commit(avro(id="string", units="int"))
    sync = sync_of(lake, glue)
    sync.follow(ends=True)
    newest = lake.commit(avro(id="string", units="long"))
    sync.follow(ends=True)
    lake.archive(newest)
    with pytest.raises(SinkError, match=r"is as of commit .* which the table at .* doesn't have"):
        sync_of(lake, glue).follow()
    assert columns(entry(glue))["units"] == "bigint"


def test_what_a_user_deletes_is_made_again_when_it_is_needed(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1", "dt=2")
    sync = sync_of(lake, glue)
    sync.follow()
    glue._client.delete_table(DatabaseName="sales", Name="orders")
    lake.commit(ORDERS, "dt=1")
    assert sync.follow() == []
    lake.commit(ORDERS, "dt=3")
    sync.follow()
    assert partitions(glue).keys() == {("1",), ("2",), ("3",)}
    glue._client.batch_delete_partition(
        DatabaseName="sales", TableName="orders", PartitionsToDelete=[{"Values": ["1"]}, {"Values": ["3"]}]
    )
    lake.commit(avro(id="string", units="long", dt="string"), "dt=1")
    sync.follow()
    assert partitions(glue).keys() == {("1",), ("2",), ("3",)}


def test_what_is_deleted_while_it_is_written_is_made_again(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1", "dt=2")
    sync = sync_of(lake, glue)
    sync.follow()

    def delete_table(call: Any) -> None:
        glue.before.clear()
        glue._client.delete_table(DatabaseName="sales", Name="orders")

    glue.before["batch_create_partition"] = delete_table
    lake.commit(ORDERS, "dt=3")
    sync.follow()
    assert partitions(glue).keys() == {("1",), ("2",), ("3",)}

    def delete_partition(call: Any) -> None:
        glue.before.clear()
        glue._client.delete_partition(DatabaseName="sales", TableName="orders", PartitionValues=["2"])

    glue.before["batch_update_partition"] = delete_partition
    lake.commit(avro(id="string", units="long", dt="string"), "dt=1")
    sync.follow()
    assert {values: columns(each)["units"] for values, each in partitions(glue).items()} == {
        (day,): "bigint" for day in "123"
    }
