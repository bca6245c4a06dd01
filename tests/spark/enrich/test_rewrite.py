"""Rows already written under changes of the reference, on real Spark and Hudi, against the oracle."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
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
from tests.spark.enrich.rewriting import World, event, item
from tests.spark.harness import crash_at, rows_of

_example = itertools.count()


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> World:
    return World(spark, tmp_path)


def test_rows_follow_inserts_updates_and_deletes_of_the_reference(world: World) -> None:
    world.put("IN", "India", "IN-India")
    world.send(event("a", "India"), event("b", "USA"), event("c", "Atlantis"))
    world.put("IN", "India", "IN-IND-India")
    world.put("US", "USA", "US-USA")
    assert world.settle() == 2
    world.check()
    assert rows_of(world.job)["b"]["combinedname"] == "US-USA"
    world.delete("US")
    assert world.settle() == 1
    world.check()
    assert rows_of(world.job)["b"]["combinedname"] is None


def test_a_rewrite_commits_position_and_counts_and_advances_only_rewritten_up_to(world: World) -> None:
    world.put("IN", "India", "1")
    world.send(event("a", "India"))
    before = checkpoint.read(world.job.table.base_path)
    world.put("IN", "India", "2")
    world.settle()
    after = checkpoint.read(world.job.table.base_path)
    assert before is not None
    assert after is not None
    assert after.instant > before.instant
    assert (after.position, after.ranges) == (before.position, ())
    assert after.counts == {
        "read": 0, "kept": 0, "superseded": 0, "rejected": 0, "rejected_by_reason": {}, "unmatched": {}, "rewritten": 1,
    }  # fmt: skip
    assert before.references["country"]["rewritten"]["version"] == 1
    assert after.references["country"]["rewritten"]["version"] == 2


def test_a_reference_without_a_change_causes_no_commit(world: World) -> None:
    world.put("IN", "India", "1")
    world.send(event("a", "India"))
    before = checkpoint.read(world.job.table.base_path)
    assert world.rewrite() == rewrite.RewriteReport(0, is_complete=True)
    # A change that no row uses, and one that is undone, are nothing to write either.
    world.put("FR", "France", "1")
    assert world.settle() == 0
    assert checkpoint.read(world.job.table.base_path) == before


def test_a_rewrite_keeps_the_ordering_so_that_a_newer_event_wins_and_an_older_one_does_not(world: World) -> None:
    world.put("IN", "India", "1")
    world.send(event("a", "India", "5/5/10"), event("b", "India", "5/5/10"))
    world.put("IN", "India", "2")
    world.settle()
    world.send(event("a", "USA", "4/4/10"), event("b", "USA", "6/6/10"))
    world.check()
    assert {key: row["at"] for key, row in rows_of(world.job).items()} == {"a": "5/5/10", "b": "6/6/10"}


def test_a_pass_is_bounded_and_goes_on_with_the_oldest_change_first(world: World) -> None:
    world.put("IN", "India", "1")
    world.put("US", "USA", "1")
    world.send(*[event(f"i{n}", "India") for n in range(3)], *[event(f"u{n}", "USA") for n in range(2)])
    world.put("US", "USA", "2")
    world.job.references[0].current()
    world.put("IN", "India", "2")
    assert world.rewrite() == rewrite.RewriteReport(2, is_complete=False)
    assert {key for key, row in rows_of(world.job).items() if row["combinedname"] == "2"} == {"u0", "u1"}
    assert world.settle() == 3
    world.check()


def test_after_a_restart_the_changes_made_meanwhile_are_found_in_the_stream_alone(world: World) -> None:
    # In the table before its stream was enabled.
    world.stream.items += [item("IN", "India", "1"), item("US", "USA", "1")]
    world.send(event("a", "India"), event("b", "USA"))
    world.put("US", "USA", "2")
    world.job = world.start()
    snapshot = world.job.references[0].current()
    assert snapshot.pending is not None
    assert set(snapshot.pending.keys) == {"USA"}
    assert not snapshot.pending.everything
    assert world.settle() == 1
    world.check()


def test_after_a_restart_with_a_trimmed_stream_every_row_is_compared(world: World) -> None:
    world.put("IN", "India", "1")
    world.send(event("a", "India"), event("b", "Atlantis"))
    world.put("IN", "India", "2")
    for shard in world.stream.open_shards():
        world.stream.rotate(shard)
        world.stream.trim(shard)
    world.job = world.start()
    snapshot = world.job.references[0].current()
    assert snapshot.pending is not None
    assert snapshot.pending.everything
    assert world.settle() == 1
    world.check()


def test_switching_rewriting_on_makes_the_rows_true_that_were_written_without(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, on_change="new_rows")
    world.put("IN", "India", "1")
    world.send(event("a", "India"))
    world.put("IN", "India", "2")
    world.check()
    world.on_change = "rewrite_rows"
    world.job = world.start()
    assert world.settle() == 1
    world.check()


def test_rows_say_with_which_version_they_were_joined(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    world.job = replace(world.job, version_columns={"country": "seen"})
    world.put("IN", "India", "1")
    world.send(event("a", "India"), event("b", "USA"))
    world.put("IN", "India", "2")
    world.settle()
    found = query(world.job.table.base_path, "select id, seen from t order by id").to_pylist()
    assert found == [{"id": "a", "seen": 2}, {"id": "b", "seen": 1}]


def test_with_an_inner_join_values_reach_the_rows_and_a_delete_empties_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, how="inner")
    world.put("IN", "India", "1")
    world.put("US", "USA", "1")
    world.send(event("a", "India"), event("b", "USA"), event("c", "France"))
    world.put("IN", "India", "2")
    world.delete("US")
    # Its event is a dead letter, not a row.
    world.put("FR", "France", "1")
    assert world.settle() == 2
    found = {key: row["combinedname"] for key, row in rows_of(world.job).items()}
    assert found == {"a": "2", "b": None}


def test_derived_columns_are_computed_again_and_the_others_stay(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    derive = {"doubled": "amount * 2", "label": "concat(id, '/', combinedname)", "amount": "amount + 1"}
    plan = RewritingPlan(("country",), {"label": derive["label"]}, ("label",), 10)
    world.job = replace(world.job, output=OutputSettings(derive=derive, drop=["combinedname"]), rewriting=plan)
    world.put("IN", "India", "1")
    world.send(event("a", "India"))
    world.put("IN", "India", "2")
    assert world.settle() == 1
    found = query(world.job.table.base_path, "select doubled, label, amount from t").to_pylist()
    assert found == [{"doubled": 2, "label": "a/2", "amount": 2}]


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
    # The next change is tried again.
    world.job = replace(world.job, rewriting=replace(plan, max_rows_per_pass=10))
    world.put("A", "India", "3")
    world.put("B", "USA", f"{REFUSED} again")
    assert world.settle() == 1
    assert {key: row["combinedname"] for key, row in rows_of(world.job).items()} == {"a": "3", "b": "1", "c": "2"}
    found = checkpoint.read(world.job.table.base_path)
    assert found is not None
    assert (found.counts["rewritten"], found.counts["not_rewritten"]) == (1, 1)


COUNTRIES = ["India", "USA", "France"]


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[tuple[Any, ...]]]:
    """Batches, changes and crashes in any order. A code may move to another name, and two codes may share one."""
    prefix = f"e{next(_example)}-"
    country = st.sampled_from([prefix + name for name in COUNTRIES])
    row = st.builds(
        event,
        st.sampled_from([f"{prefix}{n}" for n in range(4)]),
        country,
        st.sampled_from(["1/1/10", "2/2/11"]),
        st.sampled_from([1, 1, DELETES]),
    )
    code = st.sampled_from([prefix + c for c in "ABCD"])
    step = st.one_of(
        st.tuples(st.just("send"), st.lists(row, min_size=1, max_size=4), st.sampled_from([None, *enrich.STEPS])),
        st.tuples(st.just("put"), code, country, st.sampled_from("12345")),
        st.tuples(st.just("delete"), code),
        st.tuples(st.just("rewrite"), st.sampled_from([None, *rewrite.STEPS])),
        st.tuples(st.just("restart")),
    )
    return prefix, draw(st.lists(step, min_size=4, max_size=9))


@pytest.fixture(scope="module", params=["rewrite_rows", "new_rows"])
def shared(request: pytest.FixtureRequest, spark: SparkSession, tmp_path_factory: Any) -> Iterator[World]:
    """One table for all examples, each with record keys and countries of its own."""
    yield World(spark, tmp_path_factory.mktemp("shared"), on_change=request.param)


# Each step is a real commit: a failing example is worth more than the smallest one.
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(histories())
def test_any_interleaving_of_events_changes_and_crashes_gives_the_oracles_table(
    shared: World, history: tuple[str, list[tuple[Any, ...]]]
) -> None:
    prefix, steps = history
    for step in steps:
        match step:
            case ("send", rows, crash):
                shared.send(*rows, on_step=crash_at(crash))
            case ("put", code, name, value):
                shared.put(code, name, value)
            case ("delete", code):
                shared.delete(code)
            case ("rewrite", crash):
                shared.rewrite(on_step=crash_at(crash))
            case ("restart",):
                shared.job = shared.start()
    shared.settle()
    shared.check(prefix)


def test_only_partitions_and_row_groups_that_may_have_the_keys_are_read(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    partitioned = replace(world.job.table, partition_by=("country",))
    columns = (PartitionColumn("country"),)
    world.job = replace(world.job, table=partitioned, partition_by=columns)
    world.put("IN", "India", "1")
    world.send(event("a", "India"), event("b", "USA"), event("c", "France"))
    world.put("IN", "India", "2")
    snapshot = world.job.references[0].current()
    assert snapshot.pending is not None
    stored = rewrite._stored_rows(world.job, spark, {"country": snapshot.pending}, list(world.job.references))
    plan = stored._jdf.queryExecution().executedPlan().toString()
    assert "PartitionFilters: [isnotnull(country" in plan or "PartitionFilters: [(country" in plan, plan
    assert [row["id"] for row in stored.collect()] == ["a"]
    assert world.settle() == 1
