"""Rows already written under changes of the reference, on real Spark and Hudi, against the oracle."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.enrich import rewrite
from streamjoin.enrich.config.enrich import OutputSettings
from streamjoin.enrich.config.rewriting import RewritingPlan
from streamjoin.history import checkpoint
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.query import query
from tests.faults.hudi import REFUSED, refuse
from tests.oracle import DELETES
from tests.spark.enrich.rewriting import World, event
from tests.spark.harness import crash_at, rows_of


def test_of_a_partitioned_table_that_rows_with_a_match_alone_reach_what_may_have_changed_is_read_and_computed_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, how="inner")
    label = "concat(id, '/', coalesce(combinedname, 'none'))"
    derive = {"doubled": "amount * 2", "label": label, "amount": "amount + 1"}
    world.job = replace(
        world.job,
        table=replace(world.job.table, partition_by=("country",)),
        partition_by=(PartitionColumn("country"),),
        # The joined column is not in the table.
        output=OutputSettings(derive=derive, drop=["combinedname"]),
        rewriting=RewritingPlan(("country",), {"label": label}, ("label",), 10),
    )
    world.put("IN", "India", "1")
    world.put("US", "USA", "1")
    world.put("UK", "Britain", "1")
    # Of the last one there is no row, but a dead letter.
    world.send(event("a", "India"), event("b", "USA"), event("d", "Britain"), event("c", "France"))
    world.put("IN", "India", "2")
    world.delete("US")
    world.put("FR", "France", "1")
    snapshot = world.job.references[0].current()
    assert snapshot.pending is not None
    stored = rewrite._stored_rows(world.job, spark, {"country": snapshot.pending}, list(world.job.references))
    plan = stored._jdf.queryExecution().executedPlan().toString()
    assert "PartitionFilters: [isnotnull(country" in plan or "PartitionFilters: [country" in plan, plan
    assert sorted(row["id"] for row in stored.collect()) == ["a", "b"]
    assert world.settle() == 2
    found = query(world.job.table.base_path, "select id, doubled, label, amount from t order by id").to_pylist()
    # The other derived columns stay, of which one would be another if it were computed twice.
    assert [tuple(row.values()) for row in found] == [("a", 2, "a/2", 2), ("b", 2, "b/none", 2), ("d", 2, "d/1", 2)]


def test_a_row_that_a_rewrite_can_not_compute_or_write_stays_and_the_others_are_rewritten(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(spark, tmp_path)
    derive = {"decoded": "url_decode(combinedname)"}
    plan = RewritingPlan(("country",), derive, ("combinedname", "decoded"), 1)
    world.job = replace(world.job, output=OutputSettings(derive=derive), rewriting=plan)
    for code, country in (("A", "India"), ("B", "USA"), ("C", "France")):
        world.put(code, country, "1")
    world.send(event("a", "India"), event("b", "USA"), event("c", "France"))
    refuse(monkeypatch, "combinedname")
    # In a pass of one row each would be the only one, again and again.
    world.put("A", "India", "MARKEDxVALUE%zz")
    world.put("B", "USA", REFUSED)
    world.put("C", "France", "2")
    with caplog.at_level(logging.WARNING):
        assert world.settle() == 1
    assert {key: row["combinedname"] for key, row in rows_of(world.job).items()} == {"a": "1", "b": "1", "c": "2"}
    assert "2 rows stay as they are" in caplog.text
    assert "output.derive.decoded" in caplog.text
    assert "MARKED" not in caplog.text
    found = checkpoint.read(world.job.table.base_path)
    assert found is not None
    assert (found.counts["rewritten"], found.counts["not_rewritten"]) == (1, 1)
    # The next change is tried again.
    world.job = replace(world.job, rewriting=replace(plan, max_rows_per_pass=10))
    world.put("A", "India", "3")
    world.put("B", "USA", "4")
    assert world.settle() == 2
    assert {key: row["combinedname"] for key, row in rows_of(world.job).items()} == {"a": "3", "b": "4", "c": "2"}


COUNTRIES = ["India", "USA", "France"]


def history(random: Random) -> Iterator[tuple[Any, ...]]:
    """Batches, changes and crashes in any order. A code may move to another name, and two codes may share one."""

    def changes() -> Iterator[tuple[Any, ...]]:
        for _ in range(random.randint(1, 3)):
            code = random.choice("ABCD")
            if random.randrange(4) == 0:
                yield "delete", code
            else:
                yield "put", code, random.choice(COUNTRIES), random.choice("12345")

    for _ in range(3):
        yield from changes()
        rows = [
            event(
                random.choice("abcdef"),
                random.choice(COUNTRIES),
                random.choice(["1/1/10", "2/2/11"]),
                random.choice([1, 1, DELETES]),
            )
            for _ in range(random.randint(4, 8))
        ]
        yield "send", rows, random.choice([None, *enrich.STEPS])
        yield from changes()
        yield random.choice([("rewrite", None), *(("rewrite", step) for step in rewrite.STEPS), ("restart",)])


# Each step is a real commit, so that there is one example each, of many events.
@pytest.mark.parametrize(("on_change", "seed"), [("rewrite_rows", 5), ("new_rows", 30)])
def test_any_interleaving_of_events_changes_and_crashes_gives_the_oracles_table(
    spark: SparkSession, tmp_path: Path, on_change: str, seed: int
) -> None:
    world = World(spark, tmp_path, on_change=on_change)
    for step in history(Random(seed)):
        match step:
            case ("send", rows, crash):
                world.send(*rows, on_step=crash_at(crash))
            case ("put", code, name, value):
                world.put(code, name, value)
            case ("delete", code):
                world.delete(code)
            case ("rewrite", crash):
                world.rewrite(on_step=crash_at(crash))
            case ("restart",):
                world.job = world.start()
    world.settle()
    world.check()
