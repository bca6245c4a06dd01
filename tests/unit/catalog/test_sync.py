"""Entries of the Glue Data Catalog (moto's) follow the commits of a table."""

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


def test_a_table_is_entered_as_hudi_s_own_sync_does(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    instant = lake.commit(ORDERS, "dt=20260131")
    sync_of(lake, glue, comments={"units": "How many."}).follow(ends=True)
    found = entry(glue)
    storage = found["StorageDescriptor"]
    assert [c["Name"] for c in storage["Columns"]] == [
        *("_hoodie_commit_time", "_hoodie_commit_seqno", "_hoodie_record_key"),
        *("_hoodie_partition_path", "_hoodie_file_name", "id", "units"),
    ]
    assert columns(found) == {"id": "string", "units": "int"}
    assert storage["Columns"][-1]["Comment"] == "How many."
    assert [(c["Name"], c["Type"]) for c in found["PartitionKeys"]] == [("dt", "string")]
    assert storage["Location"] == str(lake.root)
    assert storage["InputFormat"] == "org.apache.hudi.hadoop.HoodieParquetInputFormat"
    assert storage["OutputFormat"] == "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    assert storage["SerdeInfo"] == {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1", "path": str(lake.root), "hoodie.query.as.ro.table": "false"},
    }
    assert found["TableType"] == "EXTERNAL_TABLE"
    assert (
        found["Parameters"].items()
        >= {
            "EXTERNAL": "TRUE",
            "last_commit_time_sync": instant,
            "spark.sql.sources.provider": "hudi",
            "spark.sql.sources.schema.numPartCols": "1",
            "spark.sql.sources.schema.partCol.0": "dt",
        }.items()
    )
    (partition,) = partitions(glue).values()
    assert partition["Values"] == ["20260131"]
    assert partition["StorageDescriptor"] == {**storage, "Location": f"{lake.root}/dt=20260131"}


def test_a_table_that_merges_on_read_has_two_entries(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", "MERGE_ON_READ", ["dt"])
    lake.commit(ORDERS, "dt=1")
    sync_of(lake, glue).follow()
    assert [t["Name"] for t in glue._client.get_tables(DatabaseName="sales")["TableList"]] == ["orders_ro", "orders_rt"]
    formats = {name: entry(glue, f"orders{name}")["StorageDescriptor"] for name in ("_ro", "_rt")}
    assert formats["_ro"]["InputFormat"].endswith("hadoop.HoodieParquetInputFormat")
    assert formats["_rt"]["InputFormat"].endswith("hadoop.realtime.HoodieParquetRealtimeInputFormat")
    as_optimized = {n: s["SerdeInfo"]["Parameters"]["hoodie.query.as.ro.table"] for n, s in formats.items()}
    assert as_optimized == {"_ro": "true", "_rt": "false"}
    assert partitions(glue, "orders_ro").keys() == partitions(glue, "orders_rt").keys() == {("1",)}


def test_a_commit_without_new_columns_or_partitions_makes_no_call(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1", "dt=2")
    sync = sync_of(lake, glue)
    sync.follow()
    glue.calls.clear()
    for _ in range(3):
        lake.commit(ORDERS, "dt=2")
        assert sync.follow() == []
    assert not glue.calls
    lake.commit(ORDERS, "dt=2", "dt=3")
    (change,) = sync.follow()
    assert str(change) == "sales.orders: 1 partition made"
    assert glue.calls["batch_create_partition"] == 1
    assert partitions(glue).keys() == {("1",), ("2",), ("3",)}


def test_partitions_are_made_and_mended_a_hundred_at_a_time(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    paths = [f"dt={day:04}" for day in range(250)]
    lake.commit(ORDERS, *paths)
    sync = sync_of(lake, glue)
    sizes: list[int] = []
    glue.before["batch_create_partition"] = lambda call: sizes.append(len(call["PartitionInputList"]))
    glue.before["batch_update_partition"] = lambda call: sizes.append(len(call["Entries"]))
    sync.follow()
    assert sizes == [100, 100, 50]
    sizes.clear()
    lake.commit(avro(id="string", units="long", dt="string", note="string"), "dt=0001")
    (change,) = sync.follow()
    assert sizes == [100, 100, 50]
    assert change.partitions["mended"] == 250
    wanted = {"id": "string", "units": "bigint", "note": "string"}
    assert columns(entry(glue)) == wanted
    assert all(columns(each) == wanted for each in partitions(glue).values())


def test_new_columns_stand_behind_those_that_are_there(tmp_path: Path, glue: Counted) -> None:
    lake = LakeTable(tmp_path / "t")
    lake.commit(avro(id="string", units="int"))
    sync = sync_of(lake, glue)
    sync.follow()
    lake.commit(avro(first="string", id="string", between="int", units="long"))
    (change,) = sync.follow()
    assert list(columns(entry(glue))) == ["id", "units", "first", "between"]
    assert change.said[:3] == [
        "column units int -> bigint",
        "column first string added",
        "column between int added",
    ]


def test_a_process_that_died_between_columns_and_partitions_leaves_nothing_behind(
    tmp_path: Path, glue: Counted
) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["dt"])
    lake.commit(ORDERS, "dt=1", "dt=2")
    sync_of(lake, glue).follow(ends=True)
    lake.commit(avro(id="string", units="long", dt="string"), "dt=2")

    def die(call: Any) -> None:
        raise KeyboardInterrupt

    glue.before["batch_update_partition"] = die
    with pytest.raises(KeyboardInterrupt):
        sync_of(lake, glue).follow()
    assert columns(entry(glue))["units"] == "bigint"
    del glue.before["batch_update_partition"]
    sync_of(lake, glue).follow()
    assert {columns(each)["units"] for each in partitions(glue).values()} == {"bigint"}


@pytest.mark.parametrize("archived", [False, True])
def test_a_start_makes_up_for_what_was_missed(tmp_path: Path, glue: Counted, archived: bool) -> None:
    lake = LakeTable(tmp_path / "t", partition_by=["country", "dt"])
    first = lake.commit(ORDERS, "country=DE/dt=1")
    sync_of(lake, glue).follow(ends=True)
    missed = lake.commit(ORDERS, "country=DE/dt=2", "country=FR%2FX/dt=2")
    lake.commit(ORDERS, "country=DE/dt=1")
    if archived:
        lake.archive(first)
        lake.archive(missed)
    glue.calls.clear()
    sync_of(lake, glue).follow()
    assert partitions(glue).keys() == {("DE", "1"), ("DE", "2"), ("FR/X", "2")}
    assert bool(glue.calls["get_partitions"]) == archived
    assert partitions(glue)["FR/X", "2"]["StorageDescriptor"]["Location"] == f"{lake.root}/country=FR%2FX/dt=2"


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
