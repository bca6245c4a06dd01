"""Dead letters that are fed in again, on real Spark and Hudi, against the oracle."""

import itertools
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.history import checkpoint
from streamjoin.history.ledger import Ledger
from streamjoin.kinesis.stream import BatchLimits
from streamjoin.letters.intents import Intents
from streamjoin.letters.listing import LetterFilter
from streamjoin.letters.redrive import STEPS
from tests.oracle import Record, expected_table
from tests.spark.enrich.redriving import COUNTRIES, World, country_reference
from tests.spark.harness import ARRIVED, CrashError, check, crash_at, dead_letters_of, rows_of

_example = itertools.count()


def event(key: str, at: str = "1/1/10", note: Any = "text", **values: Any) -> bytes:
    return json.dumps({"id": key, "country": "India", "at": at, "amount": 1, "note": note, **values}).encode()


def stream(*payloads: bytes, first: int = 1) -> list[Record]:
    return [Record("shard-0", first + n, payload) for n, payload in enumerate(payloads)]


def test_letters_that_now_decode_become_rows_the_others_stay_as_they_are_and_again_changes_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path)
    records = stream(event("a", note=7), event("b"), b'{"id": ', event("c"), b"\xff\xfe", event("d", at="never"))
    world.send(records)
    assert set(rows_of(world.mended)) == {"a"}
    before, stayed = world.newest(), dead_letters_of(world.mended, ["shard-0"])
    report = world.redrive()
    assert (report.tried, report.waiting) == (5, 0)
    assert report.redriven == {"WRONG_TYPE": 2}
    # The schema is mended for the third of them too, but its time is none: it keeps the reason that it has.
    assert report.stayed == {"WRONG_TYPE": 1, "MALFORMED_JSON": 1, "NOT_UTF8": 1}
    assert set(rows_of(world.mended)) == {"a", "b", "c"}
    left = dead_letters_of(world.mended, ["shard-0"])
    assert left == {place: letter for place, letter in stayed.items() if place[1] in (3, 5, 6)}

    after = world.newest()
    assert (after.position, after.ranges) == (before.position, ())
    assert after.references["country"]["version"] == 1
    assert after.counts == {
        "read": 0, "kept": 0, "superseded": 0, "rejected": 0, "rejected_by_reason": {}, "unmatched": {},
        "redriven": 2, "redriven_by_reason": {"WRONG_TYPE": 2},
    }  # fmt: skip
    # The redrive has brought the ledger up to date itself.
    newest = list(Ledger(world.mended.table.base_path).entries())[-1]
    assert (newest.instant, newest.batch_id[:8]) == (after.instant, "redrive-")

    again = world.redrive()
    assert (again.redriven, again.stayed) == ({}, report.stayed)
    assert (world.newest(), dead_letters_of(world.mended, ["shard-0"])) == (after, left)


def test_without_a_table_or_a_letter_there_is_nothing_to_redrive(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    assert world.redrive().tried == 0
    assert not Path(world.mended.table.base_path).exists()
    world.send(stream(event("a", note=7)))
    assert world.redrive().tried == 0


def test_only_letters_of_the_reasons_and_times_meant_are_redriven(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    world.send(stream(event("a"), event("b"), event("c"), event("d"), b"{"))
    # Record n arrived n seconds later.
    chosen = LetterFilter.of(["WRONG_TYPE"], ARRIVED + timedelta(seconds=2), ARRIVED + timedelta(seconds=4))
    report = world.redrive(chosen)
    assert (report.redriven, report.stayed) == ({"WRONG_TYPE": 2}, {})
    assert set(rows_of(world.mended)) == {"b", "c"}
    assert world.redrive(LetterFilter.of(["NOT_UTF8"])).tried == 0


def test_a_chunk_has_no_more_letters_or_bytes_than_a_batch(spark: SparkSession, tmp_path: Path) -> None:
    long = event("e", note="x" * 500)
    world = World(spark, tmp_path, limits=BatchLimits(2, 2 * len(event("a"))))
    world.send(stream(event("a"), event("b"), event("c"), event("d"), long))
    before = world.newest().instant
    assert world.redrive().redriven == {"WRONG_TYPE": 5}
    assert [entry.counts["redriven"] for entry in world.history() if entry.instant > before] == [2, 2, 1]
    assert set(rows_of(world.mended)) == set("abcde")


def test_an_event_without_a_match_comes_back_when_the_reference_has_it(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path, reference=country_reference(spark, "inner", {"India": "IN-India"}))
    world.send(stream(event("a", note=1), event("b", note=1, country="USA"), event("c", note=1, country="Oz")))
    assert set(rows_of(world.mended)) == {"a"}
    world = World(spark, tmp_path, reference=country_reference(spark, "inner"))
    report = world.redrive()
    assert (report.redriven, report.stayed) == ({"UNMATCHED_REFERENCE": 1}, {"UNMATCHED_REFERENCE": 1})
    assert {key: row["combinedname"] for key, row in rows_of(world.mended).items()} == {"a": "IN-India", "b": "US-USA"}
    assert world.newest().references["country"]["version"] == 2


def test_letters_of_a_batch_that_was_not_committed_wait_for_the_job(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    world.know("shard-0")
    world.send(stream(event("a")))
    reports = []
    batch = stream(event("b"), event("c"), first=2)
    world.send(batch, on_step=crash_at("dead_letters_written"), meanwhile=lambda: reports.append(world.redrive()))
    assert [(report.redriven, report.waiting) for report in reports] == [({"WRONG_TYPE": 1}, 2)]
    report = world.redrive()
    assert (report.redriven, report.waiting) == ({"WRONG_TYPE": 2}, 0)


def test_letters_of_another_stream_are_left_alone(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    world.send(stream(event("a", note=7)))
    letters = stream(event("b"))
    world.position = type(world.position)("other", {})
    world.send(letters)
    assert world.redrive().tried == 0


def test_a_redrive_that_died_is_finished_by_the_next_however_much_later(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    records: list[Record] = []
    # Before it is processed nothing has happened, as after it.
    for number, step in enumerate(STEPS[1:]):
        died, later = f"{step}-died", f"{step}-later"
        batch = stream(event(died, note=7), event(died), event(later), b"{", first=10 * number + 1)
        world.send(batch)
        with pytest.raises(CrashError):
            world.redrive(on_step=crash_at(step))
        newer = stream(event(later, "2/2/10", note=7), first=10 * number + 9)
        world.send(newer)
        has_happened = step in ("redriven", "letters_deleted")
        assert world.redrive().redriven == ({} if has_happened else {"WRONG_TYPE": 2})
        records += batch + newer
        check(world.mended, "", records, expected_table(records, COUNTRIES))
        assert Intents(world.mended.table.base_path).pending() == {}
    assert sum(entry.counts.get("redriven", 0) for entry in world.history()) == 2 * len(STEPS[1:])


KEYS, SHARDS = 3, 2
NOTES = st.sampled_from([None, 1, "text", "text"])
BAD = st.sampled_from([b"", b"{", b"\xff\xfe", b'{"id": "x", "at": "1/1/10", "amount": "7"}', b'{"at": "1/1/10"}'])


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[tuple[Any, ...]]]:
    """Batches with the narrow schema, redrives with the mended one, crashes at any step; later batches with that too.

    Few keys and two days, so that most events of a key are tied. A key stays in its shard.
    """
    prefix = f"e{next(_example)}-"
    numbers = itertools.count(95)
    mended_from = draw(st.integers(1, 4))

    def record() -> Record:
        number, key = next(numbers), draw(st.integers(0, KEYS - 1))
        at = draw(st.sampled_from(["1/1/10", "1/1/10", "2/2/11", "2/30/11"]))
        payload = draw(BAD) if draw(st.integers(0, 7)) == 0 else event(f"{prefix}{key}", at, draw(NOTES))
        return Record(f"{prefix}shard-{key % SHARDS}", number, payload)

    steps: list[tuple[Any, ...]] = []
    for n in range(draw(st.integers(2, 4))):
        records = [record() for _ in range(draw(st.integers(1, 5)))]
        crash = draw(st.sampled_from([None, None, *enrich.STEPS]))
        steps.append(("send", records, n >= mended_from, crash, draw(st.booleans())))
        if draw(st.booleans()):
            steps.append(("redrive", draw(st.sampled_from([None, *STEPS])), draw(st.integers(1, 2))))
    return prefix, steps


@pytest.fixture(scope="module")
def shared(spark: SparkSession, tmp_path_factory: Any) -> World:
    """One table for all examples, each with record keys and shards of its own; both types are in test_redrive_order."""
    limits = BatchLimits(5, 1_000_000)
    return World(spark, tmp_path_factory.mktemp("shared"), table_type="MERGE_ON_READ", limits=limits)


# Each step is a real commit: a failing example is worth more than the smallest one.
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(histories())
def test_redriving_between_batches_and_dying_anywhere_gives_the_table_of_a_schema_that_was_right_from_the_start(
    shared: World, history: tuple[str, list[tuple[Any, ...]]]
) -> None:
    """After a last redrive the rows are the oracle's of all records under the mended schema, each the newest event of
    its key: the greatest ordering value, on a tie the later in its shard. The dead letters are those that this schema
    rejects, with the reason of the schema that their batch had. Every letter that a commit counted as rejected is
    counted once as re-driven, or is still there.
    """
    prefix, steps = history
    shared.know(*(f"{prefix}shard-{n}" for n in range(SHARDS)))
    start = shared.newest().instant
    records, too_wide = list[Record](), set[tuple[str, int]]()
    for step in steps:
        match step:
            case ("send", batch, is_mended, crash, redrives):
                job = shared.mended if is_mended else shared.narrow
                meanwhile = shared.redrive if redrives else lambda: None
                shared.send(batch, job, on_step=crash_at(crash), meanwhile=meanwhile)
                records += batch
                if not is_mended:
                    too_wide |= {(r.shard_id, r.sequence) for r in batch if b'"note": "text"' in r.payload}
            case ("redrive", crash, time):
                with suppress(CrashError):
                    shared.redrive(on_step=crash_at(crash, time))
    shared.redrive()
    expected = expected_table(records, COUNTRIES)
    expected.dead_letters |= dict.fromkeys(expected.dead_letters.keys() & too_wide, "WRONG_TYPE")
    check(shared.mended, prefix, records, expected)
    mine = [entry.counts for entry in shared.history() if entry.instant > start]
    letters = dead_letters_of(shared.mended, sorted({r.shard_id for r in records}))
    assert sum(c["rejected"] for c in mine) - sum(c.get("redriven", 0) for c in mine) == len(letters)
    assert Intents(shared.mended.table.base_path).pending() == {}
    settled = shared.newest()
    assert shared.redrive().redriven == {}
    assert checkpoint.read(shared.mended.table.base_path) == settled
