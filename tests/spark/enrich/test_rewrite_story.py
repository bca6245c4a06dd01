"""The story of one table whose rows follow a reference, told once, and what it shows."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.enrich import rewrite
from streamjoin.history import checkpoint
from streamjoin.history.entry import Entry
from streamjoin.query import query
from streamjoin.reference.followed.pending import Pending
from tests.oracle import EVENT_SCHEMA
from tests.spark.enrich.rewriting import World, event, item
from tests.spark.harness import places_of, rows_of


@dataclass(frozen=True)
class Moment:
    """A table at some time of its story."""

    rows: dict[str, dict[str, Any]]
    expected: dict[str, dict[str, Any]]
    places: dict[str, str]
    others: dict[str, dict[str, Any]]
    newest: Entry | None
    rewritten: int | None = None

    @classmethod
    def of(cls, world: World, rewritten: int | None = None) -> "Moment":
        path = world.job.table.base_path
        others = query(path, "select id, seen, d, tags, version from t").to_pylist()
        rows, by_key = rows_of(world.job), {row.pop("id"): row for row in others}
        return cls(rows, world.expected(), places_of(world.job), by_key, checkpoint.read(path), rewritten)

    def joined(self) -> dict[str, str]:
        return {key: row["combinedname"] for key, row in self.rows.items()}


@dataclass
class Story:
    """What became of one table."""

    moments: dict[str, Moment] = field(default_factory=dict)
    passes: dict[str, rewrite.RewriteReport] = field(default_factory=dict)
    pending: dict[str, Pending | None] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: Any) -> Story:
    """One table under all that may happen to its reference, seen after each: a commit is what costs."""
    told = Story()
    world = World(
        spark,
        tmp_path_factory.mktemp("story"),
        on_change="new_rows",
        schema=f"{EVENT_SCHEMA}, seen timestamp, d date, tags array<string>",
        version_columns={"country": "version"},
    )
    # In the table before its stream was enabled.
    world.stream.items += [item("IN", "India", "1")]
    zero = {"seen": "0001-01-01T00:00:00Z", "d": "1500-01-01", "tags": ["a", None]}
    fine = {"seen": "2026-01-01T00:00:00Z", "d": "2026-01-01", "tags": ["a"]}
    world.send(
        event("a", "India", "5/5/10") | zero,
        event("b", "India", "5/5/10") | fine,
        *(event(key, "USA") for key in ("u0", "u1")),
        event("z", "Atlantis"),
    )
    world.put("IN", "India", "2")
    told.moments["written by new_rows"] = Moment.of(world)

    world.on_change = "rewrite_rows"
    world.job = world.start()
    rows = world.settle()
    told.moments["switched on"] = Moment.of(world, rows)

    told.passes["of no change"] = world.rewrite()
    world.put("FR", "France", "1")
    rows = world.settle()
    told.moments["a change that no row uses"] = Moment.of(world, rows)

    world.put("US", "USA", "1")
    world.job.references[0].current()
    world.put("IN", "India", "3")
    told.passes["of two changes"] = world.rewrite()
    told.moments["one pass of two changes"] = Moment.of(world)
    rows = world.settle()
    told.moments["an insert and an update"] = Moment.of(world, rows)

    world.send(event("a", "USA", "4/4/10"), event("b", "Atlantis", "6/6/10"))
    told.moments["more events"] = Moment.of(world)

    world.put("US", "USA", "2")
    world.job = world.start()
    told.pending["restart"] = world.job.references[0].current().pending
    rows = world.settle()
    told.moments["restart"] = Moment.of(world, rows)

    world.put("IN", "India", "4")
    for shard in world.stream.open_shards():
        world.stream.rotate(shard)
        world.stream.trim(shard)
    world.job = world.start()
    told.pending["restart with a trimmed stream"] = world.job.references[0].current().pending
    rows = world.settle()
    told.moments["restart with a trimmed stream"] = Moment.of(world, rows)

    world.delete("US")
    rows = world.settle()
    told.moments["a delete"] = Moment.of(world, rows)
    return told


def test_after_each_change_the_rows_are_the_oracles(story: Story) -> None:
    differing = {name for name, then in story.moments.items() if then.rows != then.expected}
    # In the middle of several passes.
    assert differing == {"one pass of two changes"}


def test_rows_follow_inserts_updates_and_deletes_of_the_reference(story: Story) -> None:
    before, after, last = (story.moments[name] for name in ("switched on", "an insert and an update", "a delete"))
    assert before.joined() == {"a": "2", "b": "2", "u0": None, "u1": None, "z": None}
    assert after.joined() == {"a": "3", "b": "3", "u0": "1", "u1": "1", "z": None}
    assert last.joined() == {"a": "4", "b": None, "u0": None, "u1": None, "z": None}
    assert last.rewritten == 2


def test_a_rewrite_commits_position_and_counts_and_advances_only_rewritten_up_to(story: Story) -> None:
    before, after = (story.moments[name].newest for name in ("more events", "restart with a trimmed stream"))
    assert before is not None
    assert after is not None
    assert after.instant > before.instant
    assert (after.position, after.ranges) == (before.position, ())
    assert after.counts == {
        "read": 0, "kept": 0, "superseded": 0, "rejected": 0, "rejected_by_reason": {}, "unmatched": {}, "rewritten": 1,
    }  # fmt: skip
    up_to = [entry.references["country"]["rewritten"]["version"] for entry in (before, after)]
    assert up_to[0] < up_to[1] == after.references["country"]["version"]


def test_a_reference_without_a_change_or_with_one_that_no_row_uses_causes_no_commit(story: Story) -> None:
    assert story.passes["of no change"] == rewrite.RewriteReport(0, is_complete=True)
    before, after = story.moments["switched on"], story.moments["a change that no row uses"]
    assert after.rewritten == 0
    assert after.newest == before.newest


def test_a_rewrite_keeps_the_ordering_so_that_a_newer_event_wins_and_an_older_one_does_not(story: Story) -> None:
    found = story.moments["more events"].rows
    assert {key: found[key]["at"] for key in "ab"} == {"a": "5/5/10", "b": "6/6/10"}


def test_a_pass_is_bounded_and_goes_on_with_the_oldest_change_first(story: Story) -> None:
    assert story.passes["of two changes"] == rewrite.RewriteReport(2, is_complete=False)
    joined = story.moments["one pass of two changes"].joined()
    assert joined == {"a": "2", "b": "2", "u0": "1", "u1": "1", "z": None}
    assert story.moments["an insert and an update"].rewritten == 2


def test_after_a_restart_the_changes_made_meanwhile_are_found_in_the_stream_alone(story: Story) -> None:
    pending, after = story.pending["restart"], story.moments["restart"]
    assert pending is not None
    assert set(pending.keys) == {"USA"}
    assert not pending.everything
    assert after.rewritten == 2
    assert after.joined() == {"a": "3", "b": None, "u0": "2", "u1": "2", "z": None}


def test_after_a_restart_with_a_trimmed_stream_every_row_is_compared(story: Story) -> None:
    pending = story.pending["restart with a trimmed stream"]
    assert pending is not None
    assert pending.everything
    assert story.moments["restart with a trimmed stream"].rewritten == 1


def test_switching_rewriting_on_makes_the_rows_true_that_were_written_without(story: Story) -> None:
    before, after = story.moments["written by new_rows"], story.moments["switched on"]
    assert before.joined()["a"] == "1"
    assert (after.rewritten, after.joined()["a"]) == (2, "2")


def test_rows_say_with_which_version_they_were_joined(story: Story) -> None:
    before, after = story.moments["written by new_rows"].others, story.moments["switched on"].others
    assert {key: (before[key]["version"], after[key]["version"]) for key in before} == {
        "a": (1, 2), "b": (1, 2), "u0": (1, 1), "u1": (1, 1), "z": (1, 1),
    }  # fmt: skip


def test_a_rewrite_leaves_every_row_the_place_of_its_record(story: Story) -> None:
    assert story.moments["written by new_rows"].places == {"a": "1", "b": "2", "u0": "3", "u1": "4", "z": "5"}
    assert story.moments["an insert and an update"].places == story.moments["written by new_rows"].places


def test_old_dates_and_nulls_in_arrays_are_written_and_written_again(story: Story) -> None:
    for moment in ("written by new_rows", "an insert and an update"):
        found = story.moments[moment].others
        assert {key: [found[key][name] for name in ("seen", "d", "tags")] for key in "ab"} == {
            "a": [datetime(1, 1, 1, tzinfo=UTC), date(1500, 1, 1), ["a", None]],
            "b": [datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), ["a"]],
        }
