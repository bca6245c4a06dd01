"""Tombstones as a frame that the changes of a batch are joined with."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from streamjoin.hudi import tombstones
from streamjoin.hudi.tombstones import Tombstones


def removed(**orders: int) -> pa.Table:
    return pa.table({"_item_key": list(orders), "_order": [f"{order:017d}.0.0" for order in orders.values()]})


def found(spark: SparkSession, ours: Tombstones) -> dict[str, int]:
    frame = ours.frame(spark)
    assert frame is not None
    assert frame.columns == ["_item_key", "_order"]
    rows = frame.collect()
    assert len({row["_item_key"] for row in rows}) == len(rows)
    return {row["_item_key"]: int(row["_order"].split(".")[0]) for row in rows}


def test_the_frame_has_each_item_once_with_its_newest_removal(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Tombstones(str(tmp_path), 24)
    ours.open()
    assert ours.frame(spark) is None
    ours.add(removed(a=1, b=2), "b1")
    assert found(spark, ours) == {"a": 1, "b": 2}
    ours.open()
    base = ours.frame(spark)
    assert base is ours.frame(spark), "made once"
    assert base is not None
    assert base.is_cached
    assert found(spark, ours) == {"a": 1, "b": 2}
    ours.add(removed(a=3, b=1, c=1), "b2")
    assert found(spark, ours) == {"a": 3, "b": 2, "c": 1}
    assert base.is_cached, "the many are not made again for the few"
    monkeypatch.setattr(tombstones, "_RECENT", 0)
    ours.add(removed(c=2), "b3")
    assert not base.is_cached
    assert found(spark, ours) == {"a": 3, "b": 2, "c": 2}
