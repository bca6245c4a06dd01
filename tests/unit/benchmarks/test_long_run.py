import json
from collections import Counter
from unittest.mock import MagicMock

import pyarrow as pa
import pytest

from benchmarks.long_run import __main__ as long_run
from benchmarks.long_run import backlog, checks, flat_memory, growth
from benchmarks.long_run.growth import AGAIN, FRESH, OLD, Grown
from benchmarks.long_run.updates import VERSION_COLUMN, Updates
from benchmarks.variants import Batch

FEW = Updates("orders", keys=12, records=4)
MB = 10**6
HOW = ("median of the rounds", "all of the time")
WHERE = ("COPY_ON_WRITE", "backlog")


def table(rows):
    columns = ("uuid", "combinedname", VERSION_COLUMN)
    found = [(uuid, name, version) for uuid, ((_, name), version) in rows.items()]
    return pa.table({c: pa.array([r[i] for r in found], pa.string()) for i, c in enumerate(columns)})


def memory(driver=200 * MB, jvm=900 * MB, heap=100 * MB):
    found = {"driver_rss_bytes": driver, "jvm_rss_bytes": jvm, "workers": 2, "workers_rss_bytes": 100 * MB}
    return found | {"jvm_heap_bytes": heap}


# Updates


def test_batches_go_round_the_same_orders_each_time_in_another_version():
    first, fourth = list(FEW.events(0)), list(FEW.events(3))
    assert [event["uuid"] for event in first] == [event["uuid"] for event in fourth]
    assert {event[VERSION_COLUMN] for event in fourth} == {"3"}
    assert [event["country"] for event in first] != [event["country"] for event in fourth]
    assert len({event["uuid"] for number in range(3) for event in FEW.events(number)}) == 12


@pytest.mark.parametrize("batches", [1, 2, 3, 4, 7, 30])
def test_the_expected_rows_are_those_of_every_batch_one_after_the_other(batches):
    names = {"India": "IN-India", "USA": "US-USA", "Australia": "AU-Australia", "Germany": "DE-Germany"}
    replayed = {}
    for number in range(batches):
        for event in FEW.events(number):
            replayed[event["uuid"]] = (event["country"], names.get(event["country"])), str(number)
    assert FEW.expected(batches) == replayed


def test_the_ranges_of_batches_join_without_gap_and_the_position_follows():
    two_a_shard = Updates("orders", keys=24, records=8)
    before, after = (two_a_shard.ranges(number, two_a_shard.payloads(number)) for number in (0, 1))
    assert [each.after for each in before] == [None] * 4
    assert [each.after for each in after] == [each.last for each in before]
    assert [each.records for each in after] == [2, 2, 2, 2]
    assert sum(each.bytes for each in after) == sum(map(len, two_a_shard.payloads(1)))


def test_fewer_records_than_shards_leave_no_shard_without_a_record():
    few = Updates("orders", keys=6, records=3)
    assert [each.records for each in few.ranges(1, few.payloads(1))] == [1, 1, 1]


def test_a_batch_is_what_the_runner_gives():
    spark = MagicMock()
    spark.sparkContext.defaultParallelism = 2
    batch = FEW.batch(spark, 5, FEW.payloads(5))
    (frame, _), _ = spark.createDataFrame.call_args
    assert [json.loads(data) for data in frame["data"]] == list(FEW.events(5))
    assert {s: frame.loc[frame["shard_id"] == s, "sequence_number"].max() for s in frame["shard_id"]} == {
        shard_id: at.sequence_number for shard_id, at in batch.position.shards.items()
    }
    assert sum(each.records for each in batch.ranges) == len(frame) == 4


# What is checked


def test_the_expected_table_has_no_problems():
    assert checks.updates_problems(table(FEW.expected(7)), FEW, 7) == []


def test_a_row_of_another_batch_is_a_problem_though_its_country_is_right():
    rows = FEW.expected(7)
    uuid = min(rows)
    stale = rows | {uuid: (rows[uuid][0], "0")}
    (said,) = checks.updates_problems(table(stale), FEW, 7)
    assert said == f"1 rows of another batch, such as {uuid}: expected {rows[uuid][1]}, found 0"


def test_a_missing_row_and_a_row_with_another_name_are_problems():
    rows = FEW.expected(7)
    one, two, *_ = sorted(rows)
    wrong = {**rows, one: (("X", "Y"), rows[one][1])}
    del wrong[two]
    said = checks.updates_problems(table(wrong), FEW, 7)
    assert len(said) == 2
    assert f"1 missing: {two}" in said[0]
    assert "1 rows with another combinedname" in said[1]


def newest(batches, updates=FEW, **counts):
    position = MagicMock()
    position.shards = {r.shard_id: MagicMock(sequence_number=r.last) for r in updates.ranges(batches - 1, [b""] * 4)}
    return MagicMock(position=position, counts={"read": 4, "kept": 4, "superseded": 0, "rejected": 0} | counts)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (newest(7), None),
        (newest(6), "expected the newest commit's position at"),
        (newest(7, kept=3), "expected 4 records read and kept in the newest commit"),
        (None, "expected a commit with a position, found none"),
    ],
)
def test_the_newest_commit_must_be_that_of_the_last_batch(found, said, monkeypatch):
    monkeypatch.setattr(checks.checkpoint, "read", lambda base_path: found)
    problems = checks.commit_problems("/lake", FEW, 7)
    assert [problem.startswith(said) for problem in problems] == ([] if said is None else [True])


@pytest.mark.parametrize(("entries", "right"), [(8, True), (7, False), (9, False)])
def test_the_ledger_must_have_the_start_and_every_batch(entries, right, monkeypatch):
    start, batch = MagicMock(counts={"read": 0}), MagicMock(counts={"read": 4})
    monkeypatch.setattr(checks, "Ledger", lambda path: MagicMock(entries=lambda: [start] + [batch] * (entries - 1)))
    problems = checks.ledger_problems("/lake", 7, 4)
    said = f"expected 8 entries of the ledger with 28 records, found {entries} with {4 * (entries - 1)}"
    assert problems == ([] if right else [said])


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((50, 50, 20), []),
        ((54, 50, 16), []),
        ((55, 50, 15), ["batch 1: expected 54 records at most, found 55"]),
        ((50, 50, 0), ["expected 120 records read, found 100"]),
    ],
)
def test_a_backlog_is_read_whole_and_within_the_limit(records, said):
    assert backlog.problems(120, 50, [{"records": each} for each in records]) == said


# Files and memory


def test_files_are_counted_by_what_they_are_for(tmp_path):
    names = {
        ".hoodie/20260131000000000.commit": "timeline",
        ".hoodie/20260131000000000.clean.requested": "timeline",
        ".hoodie/hoodie.properties": "other",
        ".hoodie/.20260131000000000.commit.crc": "other",
        ".hoodie/archived/.commits_.archive.1_1-0-1": "archived",
        ".hoodie/.temp/20260131000000000/MARKERS": "other",
        ".hoodie/.streamjoin/ledger/0-1-2.jsonl.gz": "ledger",
        ".streamjoin_lock": "other",
        "0-0_1.parquet": "base",
        "dt=1/0-0_1.parquet": "base",
        ".0-0_1.log.1_0-1-2": "log",
        ".0-0_1.parquet.crc": "other",
        ".hoodie_partition_metadata": "other",
    }
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12")
    assert growth.files_of(str(tmp_path)) == {**Counter(names.values()), "bytes": 2 * len(names)}


def test_a_trend_is_the_rise_of_the_line_through_the_points():
    assert flat_memory.trend([100, 110, 120]) == pytest.approx(0.2)
    assert flat_memory.trend([100, 130, 100]) == pytest.approx(0.0)
    assert flat_memory.trend([120, 110, 100]) == pytest.approx(-1 / 6)


def noted(*drivers, jvm=900 * MB):
    return [memory(driver=driver, jvm=jvm) for driver in drivers]


def test_memory_growth_is_that_of_the_second_half():
    points = noted(100, 300, 500, 500, 500, 600)
    assert flat_memory.memory_growth(points)["Python driver"] == pytest.approx(100 / 483.333, abs=0.0001)
    assert flat_memory.memory_growth(points)["JVM"] == 0.0
    assert flat_memory.memory_growth(points[:4]) == {}


def test_what_the_jvm_takes_between_two_collections_is_judged_by_its_highest():
    swinging = [noted(100, jvm=jvm)[0] for jvm in (1400, 2700, 1500, 1400, 1500, 2700)]
    assert flat_memory.memory_growth(swinging)["JVM"] == 0.0
    grown_since = [noted(100, jvm=jvm)[0] for jvm in (1400, 2000, 1500, 1400, 1500, 2500)]
    assert flat_memory.memory_growth(grown_since)["JVM"] == 0.25


# The result


def grown(name, before, rounds, seconds):
    batches = [Batch(seconds, {"commit": seconds}, 4, {"cpu_seconds": 2 * seconds}) for _ in range(before + rounds)]
    return Grown(name, range(rounds), 0, batches[before:], base_path=f"/lake/{name}", grown=batches[:before])


def given(commits=40):
    return long_run.arguments(["--commits", str(commits), "--fresh-commits", "3", "--rounds", "4", "--keys", "1000"])


def result_of(old=1.2, driver=200 * MB):
    tables = {name: grown(name, 3, 4, 1.0) for name in (FRESH, AGAIN)}
    tables = {OLD: grown(OLD, 40, 4, old), **tables}
    samples = [memory()] * 5 + [memory(driver)]
    return {
        "growth": {"COPY_ON_WRITE": growth.to_json(given(), tables, samples, dict.fromkeys(tables, 12))},
        "backlog": {"batches": samples},
    }


def test_the_ratio_is_of_the_rounds_alone_and_the_process_age_of_the_old_tables_own_batches():
    part = result_of(old=1.2)["growth"]["COPY_ON_WRITE"]
    found = part["ratios"]["old, in terms of fresh"]
    assert (found["of_medians"], found["of_means"], found["of_cpu_seconds"]) == (1.2, 1.2, 1.2)
    assert found["by_round"] == {"p25": 1.2, "median": 1.2, "p75": 1.2}
    assert part["tables"][OLD]["commits_before_the_rounds"] == 40
    old = grown(OLD, 0, 0, 0.0)
    seconds = [9.0] * 3 + [1.0] * 4 + [5.0] * 29 + [1.5] * 4
    old.grown = [Batch(each, {}, 4) for each in seconds]
    assert growth._process_age(given(), old) == 1.5
    assert growth._process_age(given(commits=10), old) is None


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        ({}, []),
        ({"old": 1.31}, [f"COPY_ON_WRITE: old, in terms of fresh, {how}" for how in HOW]),
        (
            {"driver": 230 * MB},
            [
                f"{where}: growth of the memory of the Python driver, second half"
                for where in ("COPY_ON_WRITE", "backlog")
            ],
        ),
    ],
)
def test_the_bounds_stand_beside_what_was_found(found, missed):
    claims = long_run.claims(result_of(**found))
    assert len(claims) == 2 + 4 + 3
    assert [claim["claim"] for claim in claims if not claim["holds"]] == missed


def test_a_part_that_was_left_out_claims_nothing_and_says_nothing():
    assert long_run.claims({}) == []
    assert long_run.lines({}) == []
