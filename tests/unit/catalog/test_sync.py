"""Entries of the Glue Data Catalog (moto's) follow the commits of a table."""

from pathlib import Path
from typing import Any

import pytest

from tests.lake_tables import LakeTable, avro
from tests.unit.catalog.glue_calls import (
    ORDERS,
    Counted,
    columns,
    entry,
    partitions,
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
