"""Tables that are given new versions of their rows: the batches, what is checked of them, their files."""

import json
from collections import Counter
from unittest.mock import MagicMock

import pyarrow as pa
import pytest

from benchmarks.summary import updates_checks as checks
from benchmarks.summary.table_files import files_of
from benchmarks.summary.updates import VERSION_COLUMN, Updates

FEW = Updates("orders", keys=12, records=4)


def table(rows):
    columns = ("uuid", "combinedname", VERSION_COLUMN)
    found = [(uuid, name, version) for uuid, ((_, name), version) in rows.items()]
    return pa.table({c: pa.array([r[i] for r in found], pa.string()) for i, c in enumerate(columns)})


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
    records = batch.table.to_pylist()
    assert [json.loads(record["data"]) for record in records] == list(FEW.events(5))
    # Ascending within a shard.
    last = {record["shard_id"]: record["sequence_number"] for record in records}
    assert last == {shard_id: at.sequence_number for shard_id, at in batch.position.shards.items()}
    assert sum(each.records for each in batch.ranges) == len(records) == 4


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


# Files


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
    assert files_of(str(tmp_path)) == {**Counter(names.values()), "bytes": 2 * len(names)}
