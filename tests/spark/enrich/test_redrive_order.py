"""Which of two events is the row when one was a dead letter for a while: the newer, on a tie the later in its shard."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from streamjoin.enrich import pipeline as enrich
from streamjoin.history import checkpoint
from streamjoin.hudi import write as hudi
from streamjoin.query import query
from streamjoin.shards.position import Position, ShardRange
from streamjoin.spark.schema import RECORD_STRUCT
from streamjoin.streaming.batch import Batch
from tests.oracle import DELETES, Record, expected_table
from tests.spark.enrich.redriving import COUNTRIES, World, started
from tests.spark.harness import ARRIVED, check, deletion_of, places_of, rows_of

NOW, LATER, EARLIER = "2/2/10", "3/3/10", "1/1/10"


def event(key: str, at: str = NOW, note: Any = "text", amount: int = 1) -> bytes:
    return json.dumps({"id": key, "country": "India", "at": at, "amount": amount, "note": note}).encode()


def test_a_letter_replaces_an_older_row_and_never_a_newer_one_whichever_came_first(
    spark: SparkSession, tmp_path: Path
) -> None:
    # Merge-on-read: test_redrive.py.
    world = World(spark, tmp_path, deletion=deletion_of(tmp_path))
    # A number says 7 in its note, which the narrow schema takes: what has a text is a letter first.
    records = [
        Record("shard-0", 9, event("tie, row later")),
        Record("shard-0", 10, event("tie, row later", note=7, amount=2)),
        Record("shard-0", 98, event("letter newer", note=7)),
        Record("shard-0", 99, event("tie, letter later", note=7)),
        Record("shard-0", 100, event("tie, letter later", amount=2)),
        Record("shard-0", 101, event("letter newer", LATER)),
        Record("shard-0", 102, event("letter older", note=7)),
        Record("shard-0", 103, event("letter older", EARLIER)),
        Record("shard-0", 104, event("two letters", LATER)),
        Record("shard-0", 105, event("two letters")),
        Record("shard-0", 106, event("row of a later batch")),
        Record("shard-0", 107, event("deleted, letter older", LATER, note=7, amount=DELETES)),
        Record("shard-0", 108, event("deleted, letter older")),
        Record("shard-0", 109, event("letter deletes", note=7)),
        Record("shard-0", 110, event("letter deletes", LATER, amount=DELETES)),
        Record("shard-0", 111, event("deleted, letter newer", note=7, amount=DELETES)),
        Record("shard-0", 112, event("deleted, letter newer", LATER)),
    ]
    world.send(records)
    records.append(Record("shard-0", 200, event("row of a later batch", note=7, amount=2)))
    world.send(records[-1:])
    assert world.redrive().redriven == {"WRONG_TYPE": 10}
    check(world.mended, "", records, expected_table(records, COUNTRIES, deletes=True))
    # A later batch replaces what came back, as it does any row; what a letter deleted stays deleted.
    records.append(Record("shard-0", 201, event("tie, letter later", note=7, amount=3)))
    records.append(Record("shard-0", 202, event("letter deletes", note=7)))
    world.send(records[-2:])
    check(world.mended, "", records, expected_table(records, COUNTRIES, deletes=True))


def test_rows_of_a_version_that_wrote_no_sequence_numbers_stay_on_a_tie(spark: SparkSession, tmp_path: Path) -> None:
    world = World(spark, tmp_path)
    day_us = expected_table([Record("s", 1, event("x"))], COUNTRIES).rows["x"]["_ordering_us"]
    ddl = "id string, country string, at string, amount int, combinedname string, _ordering_us bigint"
    old = [(key, "India", NOW, 1, "IN-India", day_us) for key in ("tied", "newer", "next")]
    world.position = Position("s", {})
    metadata = checkpoint.to_metadata(world.position, (), {}, {})
    hudi.upsert(spark.createDataFrame(old, ddl), world.mended.table, commit_metadata=metadata)
    world.send([Record("shard-0", 1, event("tied", amount=2)), Record("shard-0", 2, event("newer", LATER, amount=2))])
    assert world.redrive().redriven == {"WRONG_TYPE": 2}
    assert {key: row["amount"] for key, row in rows_of(world.mended).items()} == {"tied": 1, "newer": 2, "next": 1}
    assert places_of(world.mended) == {"tied": None, "newer": "2", "next": None}
    world.send([Record("shard-0", 3, event("tied", note=7, amount=3))])
    assert places_of(world.mended) == {"tied": "3", "newer": "2", "next": None}


def test_letters_of_aggregated_records_keep_their_place_and_arrival_orders_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    world = World(spark, tmp_path, ordering=None)
    # Number, place in it, record key, whether it is a letter first. What has one number arrived at one time.
    places = [
        ("99", 0, "earlier", True), ("99", 1, "later", False),
        ("100", 0, "later in it", False), ("100", 1, "later in it", True),
        ("100", 2, "earlier in it", True), ("100", 3, "earlier in it", False),
        ("100", 9, "two digits", False), ("100", 10, "two digits", True),
        ("101", 0, "earlier", False), ("101", 1, "later", True),
    ]  # fmt: skip
    rows = [
        ("s", "shard-0", number, sub, "k", ARRIVED + timedelta(seconds=int(number)), bytearray(
            event(key, note="text" if is_letter else 7)
        ))
        for number, sub, key, is_letter in places
    ]  # fmt: skip
    read = ShardRange("shard-0", "99", "101", len(places), 0, drained=False, millis_behind_latest=0, read_at_ms=0)
    position = Position("s", {}).advance([read])
    enrich.process_batch(
        started(world.narrow), Batch("b", spark.createDataFrame(rows, RECORD_STRUCT), position, (read,))
    )
    assert world.redrive().redriven == {"WRONG_TYPE": 5}
    assert places_of(world.mended) == {
        "earlier": "101", "later": "101/1", "later in it": "100/1", "earlier in it": "100/3", "two digits": "100/10",
    }  # fmt: skip
    orderings = query(world.mended.table.base_path, "select id, _ordering_us from t").to_pylist()
    second = int(ARRIVED.timestamp()) * 1_000_000
    assert {row["id"]: (row["_ordering_us"] - second) // 1_000_000 for row in orderings} == {
        "earlier": 101, "later": 101, "later in it": 100, "earlier in it": 100, "two digits": 100,
    }  # fmt: skip
