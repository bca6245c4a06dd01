"""The story of one table and its dead letters, which are fed in again: told once, and what it shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from streamjoin.history.entry import Entry
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.redrive import RedriveReport
from streamjoin.shards.position import Position
from tests.spark.enrich.redriving import World, country_reference, event, stream
from tests.spark.harness import ARRIVED, crash_at, dead_letters_of, rows_of


@dataclass(frozen=True)
class Moment:
    """A table and its dead letters after a redrive."""

    report: RedriveReport
    rows: dict[str, dict[str, Any]]
    letters: dict[tuple[str, int], tuple[str, bytes]]
    newest: Entry | None
    history: list[Entry]


@dataclass
class Story:
    """What became of one table."""

    moments: dict[str, Moment] = field(default_factory=dict)

    def add(self, name: str, world: World, redrive: Callable[[], RedriveReport]) -> None:
        report = redrive()
        exists = Path(world.mended.table.base_path).exists()
        self.moments[name] = Moment(
            report,
            rows_of(world.mended) if exists else {},
            dead_letters_of(world.mended, ["shard-0"]),
            world.newest() if exists else None,
            world.history() if exists else [],
        )


# Three records, as long as these four; the letters in the order of their numbers.
LIMITS = BatchLimits(3, 4 * len(event("a")))
LONG = "x" * LIMITS.bytes


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: Any) -> Story:
    """One table and its letters, redriven again and again: a commit is what costs."""
    told, folder = Story(), tmp_path_factory.mktemp("story")
    world = World(spark, folder, reference=country_reference(spark, "inner", {"India": "IN-India"}), limits=LIMITS)
    told.add("no table", world, world.redrive)
    world.send(stream(event("a", note=7), first=10))
    told.add("no letter", world, world.redrive)

    world.send(
        stream(
            *(event("b"), event("us", note=1, country="USA"), event("oz", note=1, country="Oz")),
            *(event("d"), event("long", note=LONG), event("never", at="never")),
            *(event("early"), b'{"id": ', event("late"), event("too late")),
            first=11,
        )
    )
    # Record n arrived n seconds later.
    since, until = ARRIVED + timedelta(seconds=17), ARRIVED + timedelta(seconds=20)
    told.add("some", world, lambda: world.redrive(LetterFilter.of(["WRONG_TYPE"], since, until)))

    # With the reference as it is by now, while a batch that died waits for its repetition.
    mended = World(spark, folder, reference=country_reference(spark, "inner"), limits=LIMITS)
    mended.position, mended.numbers = world.position, world.numbers
    mended.send(
        stream(event("f"), event("g"), first=21),
        on_step=crash_at("dead_letters_written"),
        meanwhile=lambda: told.add("all", mended, mended.redrive),
    )
    told.add("those that waited", mended, mended.redrive)
    told.add("again", mended, mended.redrive)

    mended.position = Position("other", {})
    mended.send(stream(event("h", note=7), first=23))
    told.add("another stream", mended, mended.redrive)
    return told


def test_without_a_table_or_a_letter_there_is_nothing_to_redrive(story: Story) -> None:
    for moment in ("no table", "no letter"):
        assert (story.moments[moment].report.tried, story.moments[moment].letters) == (0, {})
    assert story.moments["no table"].newest is None
    assert set(story.moments["no letter"].rows) == {"a"}


def test_only_letters_of_the_reasons_and_times_meant_are_redriven(story: Story) -> None:
    some = story.moments["some"]
    assert (some.report.redriven, some.report.stayed) == ({"WRONG_TYPE": 2}, {})
    assert set(some.rows) == {"a", "early", "late"}


def test_letters_that_now_decode_become_rows_the_others_stay_as_they_are_and_again_changes_nothing(
    story: Story,
) -> None:
    before, after, last, again = (story.moments[name] for name in ("some", "all", "those that waited", "again"))
    assert after.report.redriven == {"WRONG_TYPE": 4, "UNMATCHED_REFERENCE": 1}
    # The schema is mended for the one of a wrong type too, but its time is none: it keeps the reason that it has.
    stayed = {"WRONG_TYPE": 1, "MALFORMED_JSON": 1, "UNMATCHED_REFERENCE": 1}
    assert after.report.stayed == last.report.stayed == again.report.stayed == stayed
    redriven = {"b", "us", "d", "long", "too late"}
    assert set(after.rows) == set(before.rows) | redriven
    assert set(last.letters) == {("shard-0", number) for number in (13, 16, 18)}
    assert last.letters == {place: letter for place, letter in before.letters.items() if place in last.letters}
    assert again.report.redriven == {}
    assert (again.rows, again.letters, again.newest) == (last.rows, last.letters, last.newest)


def test_the_commit_of_a_redrive_advances_nothing_and_counts_what_came_back(story: Story) -> None:
    before, after = story.moments["some"].newest, story.moments["all"].newest
    assert before is not None
    assert after is not None
    assert (after.position, after.ranges) == (before.position, ())
    assert after.counts == {
        "read": 0, "kept": 0, "superseded": 0, "rejected": 0, "rejected_by_reason": {}, "unmatched": {},
        "redriven": 1, "redriven_by_reason": {"WRONG_TYPE": 1},
    }  # fmt: skip
    # The redrive has brought the ledger up to date itself.
    newest = story.moments["all"].history[-1]
    assert (newest.instant, newest.batch_id[:8]) == (after.instant, "redrive-")


def test_a_chunk_has_no_more_letters_or_bytes_than_a_batch(story: Story) -> None:
    before, after = story.moments["some"].history, story.moments["all"].history
    chunks = [entry.counts["redriven_by_reason"] for entry in after[len(before) :]]
    # Of three letters two; the next is too long for one beside it; that one; of three, of which two stay.
    assert chunks == [{"WRONG_TYPE": 1, "UNMATCHED_REFERENCE": 1}, *[{"WRONG_TYPE": 1}] * 3]


def test_an_event_without_a_match_comes_back_when_the_reference_has_it(story: Story) -> None:
    after = story.moments["all"]
    assert {key: after.rows[key]["combinedname"] for key in ("a", "us")} == {"a": "IN-India", "us": "US-USA"}
    assert after.letters["shard-0", 13][0] == "UNMATCHED_REFERENCE"
    assert after.newest is not None
    assert after.newest.references["country"]["version"] == 2


def test_letters_of_a_batch_that_was_not_committed_wait_for_the_job(story: Story) -> None:
    waiting, committed = story.moments["all"], story.moments["those that waited"]
    assert waiting.report.waiting == 2
    assert {("shard-0", 21), ("shard-0", 22)} < set(waiting.letters)
    assert (committed.report.redriven, committed.report.waiting) == ({"WRONG_TYPE": 2}, 0)
    assert set(committed.rows) - set(waiting.rows) == {"f", "g"}


def test_letters_of_another_stream_are_left_alone(story: Story) -> None:
    assert story.moments["another stream"].report.tried == 0
    assert story.moments["another stream"].letters == story.moments["again"].letters != {}
