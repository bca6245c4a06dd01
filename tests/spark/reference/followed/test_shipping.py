"""Whatever the number of rows, and however they change: what is shipped joins as what the table has."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from streamjoin.enrich.join import enrich
from streamjoin.reference.followed import shipping
from streamjoin.reference.followed.feed import TableFeed
from streamjoin.reference.followed.reference import Reference
from streamjoin.reference.followed.snapshot import Snapshot
from streamjoin.reference.probe import KeyedRows
from tests.faults.reference import FakeDynamoDb, country, reference_settings_of
from tests.faults.stream import FakeTableStream

NAMES = ["a", "b", "c", "d", "e", "f"]
_values = itertools.count()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "FEW_ROWS", 3)
    monkeypatch.setattr(shipping, "_MOST_CHANGES", 2)


class World:
    def __init__(self, spark: SparkSession) -> None:
        self.spark, self.stream = spark, FakeTableStream(keys=("code",))
        self.table = FakeDynamoDb([], stream={
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            "LatestStreamArn": self.stream.arn,
        })  # fmt: skip
        self.table.items = self.stream.items
        chosen = reference_settings_of(columns=["code", "combinedname"])
        feed = TableFeed(chosen.dynamodb, chosen.refresh, client=self.table, streams=lambda: self.stream)
        self.reference = Reference(chosen, client=self.table, spark=spark, feed=feed)
        self.events = spark.createDataFrame([(name,) for name in NAMES], "country string")

    def put(self, *names: str) -> None:
        for name in names:
            self.stream.put(country(name, name, combinedname={"S": f"v{next(_values)}"}))

    def delete(self, *names: str) -> None:
        for name in names:
            self.stream.delete(country(name, name))

    def expected(self) -> dict[str, str | None]:
        found = {item["countryname"]["S"]: item["combinedname"]["S"] for item in self.stream.items}
        return {name: found.get(name) for name in NAMES}

    def joined(self, snapshot: Snapshot) -> dict[str, str | None]:
        side = snapshot.side(self.events)
        rows = enrich(self.events, side, on=snapshot.on, columns=list(snapshot.columns)).frame.collect()
        return {row["country"]: row["combinedname"] for row in rows}


def test_a_snapshot_joins_as_before_while_the_next_one_is_in_use(spark: SparkSession) -> None:
    world = World(spark)
    world.put("a", "b", "c")
    first, before = world.reference.current(), world.expected()
    world.put("a", "d")
    world.delete("b")
    second = world.reference.current()
    assert isinstance(first.side(world.events), KeyedRows)
    assert (world.joined(first), world.joined(second)) == (before, world.expected())
    assert sorted(row["countryname"] for row in second.frame.collect()) == ["a", "c", "d"]
    assert sorted(second.table["countryname"].to_pylist()) == ["a", "c", "d"]


def test_a_change_ships_the_changed_rows_alone(spark: SparkSession) -> None:
    world = World(spark)
    world.put("a", "b", "c", "d")
    base = world.reference.current().side(world.events)
    world.put("a")
    changed = world.reference.current().side(world.events)
    assert isinstance(base, KeyedRows)
    assert isinstance(changed, KeyedRows)
    newest, oldest = changed.layers
    assert oldest is base.layers[0]
    assert newest.broadcast.value.keys.to_pylist() == ["a"]


def test_what_no_batch_uses_any_more_is_freed(spark: SparkSession) -> None:
    world = World(spark)
    world.put("a", "b", "c")
    files: list[set[Path]] = []
    for names in (["a"], ["b"], ["c", "d"], ["a"]):
        world.put(*names)
        side: Any = world.reference.current().side(world.events)
        world.reference.current()
        files.append({Path(layer.broadcast._path) for layer in side.layers})
    gone = set().union(*files[:-1]) - files[-1]
    assert gone
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in files[-1])
    world.reference.close()
    assert not any(path.exists() for path in files[-1])


CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sets(st.sampled_from(NAMES)), CHANGES)
def test_any_changes_from_few_rows_to_many_and_back_join_as_the_table_says(
    spark: SparkSession, first: set[str], changes: list[tuple[str, list[str]]]
) -> None:
    world = World(spark)
    world.put(*sorted(first))
    assert world.joined(world.reference.current()) == world.expected()
    for action, names in changes:
        getattr(world, action)(*names)
        assert world.joined(world.reference.current()) == world.expected()
    world.reference.close()
