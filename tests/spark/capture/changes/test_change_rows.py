from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from streamjoin.capture.changes.layouts import mark_latest, table_rows, to_rows
from streamjoin.capture.changes.read import changes_of_items, read_changes
from streamjoin.capture.changes.schema import found_columns, widened
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.dynamodb.service import pack
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.records.events import Events
from streamjoin.schema.ddl import parse_schema, to_ddl
from streamjoin.spark.frames import persisted
from streamjoin.spark.schema import RECORD_STRUCT, to_spark
from tests.changes.history import START_S, TABLE, history
from tests.changes.samples import kinesis_record, pipe_record, typed_item

ARRIVED = datetime(2025, 1, 31, tzinfo=UTC)
COLUMNS = parse_schema("orderid string, quantity bigint")


def records(spark: SparkSession, payloads: Sequence[bytes], first: int = 0) -> DataFrame:
    rows = [
        ("orders", "shard-0", str(first + at), 0, "key", ARRIVED, bytearray(data)) for at, data in enumerate(payloads)
    ]
    return spark.createDataFrame(rows, RECORD_STRUCT).repartition(2)


@pytest.mark.parametrize("envelope", ["pipe", "kinesis"])
def test_any_delivery_of_a_history_ends_in_the_tables_own_content(spark: SparkSession, envelope: str) -> None:
    random = Random(envelope)
    steps = [(random.randrange(20), random.choice([None, 1, 2, 3]), random.randrange(2)) for _ in range(300)]
    told = history(steps, envelope=envelope)
    delivered = told.records + random.choices(told.records, k=100)
    random.shuffle(delivered)
    layout = ChangeLayout("current", COLUMNS, record_key=("orderid",))
    newest, first = dict[str, Any](), 0
    for end in (150, 150, len(delivered)):
        batch, start = delivered[first:end], first
        first = end
        changes = read_changes(records(spark, [*batch, b"{}", b"{"], start))
        with persisted(mark_latest(to_rows(changes, layout), layout).frame) as frame:
            found = table_rows(Events(frame), layout)
            kept = found.collect()
            assert {r["reason"] for r in Events(frame).rejected.collect()} == {"NOT_A_CHANGE", "MALFORMED_JSON"}
            assert frame.where("_superseded").count() == len(batch) - len(kept)
        assert found.schema == to_spark(layout.row_schema)
        assert len({row["_item_key"] for row in kept}) == len(kept)
        for row in kept:
            known = newest.get(row["_item_key"])
            newest[row["_item_key"]] = row if known is None or row["_order"] > known["_order"] else known

    live = {key: row for key, row in newest.items() if not row["_hoodie_is_deleted"]}
    assert {key: {"orderid": row["orderid"], "quantity": row["quantity"]} for key, row in live.items()} == told.content


def test_a_changelog_row_tells_all_of_its_change_once(spark: SparkSession) -> None:
    layout = ChangeLayout(
        "changelog",
        parse_schema("quantity bigint, at timestamp"),
        drop=frozenset({"secret"}),
        partition_by=(PartitionColumn("dt", "day", "yyyyMMdd", "Europe/Berlin"), PartitionColumn("c", "country")),
    )
    new = {"orderid": "a", "quantity": 3, "at": "2019-05-23T23:30:00Z", "day": 1558654200, "country": "DE", "secret": 1}
    inserted = kinesis_record(TABLE, "INSERT", {"orderid": "a"}, new, created=START_S * 1_000_000 + 7)
    removed = pipe_record(TABLE, "REMOVE", {"orderid": "a"}, created_s=START_S, sequence_number=9)
    no_day = pipe_record(TABLE, "INSERT", {"orderid": "b"}, {"orderid": "b"}, created_s=START_S, sequence_number=8)
    wrong = {**new, "quantity": "x"}
    misfit = pipe_record(TABLE, "MODIFY", {"orderid": "a"}, wrong, created_s=START_S, sequence_number=10)
    # In Berlin it is the year 10000 already.
    late = {**new, "day": "9999-12-31T23:30:00Z"}
    beyond = pipe_record(TABLE, "MODIFY", {"orderid": "a"}, late, created_s=START_S, sequence_number=11)
    payloads = [inserted, removed, no_day, misfit, inserted, beyond]
    rows = mark_latest(to_rows(read_changes(records(spark, payloads)), layout), layout)
    first, second = table_rows(rows, layout).orderBy("operation").collect()

    assert table_rows(rows, layout).schema == to_spark(layout.row_schema)
    expected: dict[str, Any] = {
        **{"operation": "INSERT", "changed_at": datetime.fromtimestamp(START_S, UTC).replace(microsecond=7)},
        **{
            "keys": '{"orderid":"a"}',
            "old_image": None,
            "quantity": 3,
            "at": datetime(2019, 5, 23, 23, 30, tzinfo=UTC),
        },
        "new_image": '{"at":"2019-05-23T23:30:00Z","country":"DE","day":1558654200,"orderid":"a","quantity":3}',
        **{"dt": "20190524", "c": "DE", "_item_key": "a"},
    }
    found = {name: v.astimezone(UTC) if isinstance(v, datetime) else v for name, v in first.asDict().items()}
    assert {name: found[name] for name in expected} == expected
    # Later in the stream, so that a repeat's order is the greater one; it is the same change all the same.
    assert first["_order"] == f"{START_S:011d}000007.{4:064d}.000000"
    assert (second["operation"], second["dt"], second["c"], second["new_image"]) == ("REMOVE", None, None, None)
    letters = {(r["reason"], bytes(r["data"]), r["sequence_number"]) for r in rows.rejected.collect()}
    unpartitioned = {("INVALID_PARTITION", no_day, "2"), ("INVALID_PARTITION", beyond, "5")}
    assert letters == unpartitioned | {("WRONG_TYPE", misfit, "3")}


def test_items_of_a_scan_are_older_than_every_change_since(spark: SparkSession) -> None:
    items = [typed_item({"orderid": "a", "sort": 1, "data": b"\x00"}), typed_item({"orderid": "b", "sort": 2})]
    frame = spark.createDataFrame([(bytearray(pack(item)),) for item in items], "item binary")
    layout = ChangeLayout("current", COLUMNS, fixed_partition={"dt": "00000000"})
    changed = pipe_record(
        TABLE, "MODIFY", {"orderid": "a", "sort": 1}, {"orderid": "a", "sort": 1}, created_s=START_S, sequence_number=1
    )
    scanned = to_rows(changes_of_items(frame, TABLE, ["orderid", "sort"], START_S * 1_000_000), layout)
    captured = to_rows(read_changes(records(spark, [changed])), layout)
    rows = mark_latest(Events(scanned.frame.unionByName(captured.frame)), layout)
    found = {r["_item_key"]: r for r in table_rows(rows, layout).collect()}

    assert found['["a","1"]']["_attributes"] == '{"sort":1}'
    assert found['["b","2"]']["dt"] == "00000000"
    assert rows.frame.where("_superseded").select("_attributes").collect() == [('{"data":{"B":"AA=="},"sort":1}',)]


def test_a_table_evolves_with_its_items_and_loses_no_value(spark: SparkSession) -> None:
    layout = ChangeLayout("current", parse_schema("orderid string"), "evolve")
    batches: list[list[dict[str, Any]]] = [
        [{"amount": 1, "operation": "sale"}, {"amount": 2, "tags": {"x"}}],
        [{"amount": Decimal("2.50"), "Tags": {"y"}, "order-id": "z"}, {"amount": 2**62}],
        [{"amount": "no number"}, {"amount": 3}],
    ]
    found: list[list[Any]] = []
    for number, batch in enumerate(batches):
        payloads = [
            pipe_record(
                TABLE,
                "INSERT",
                {"orderid": f"{at}"},
                {"orderid": f"{at}", **item},
                created_s=START_S,
                sequence_number=1,
            )
            for at, item in enumerate(batch)
        ]
        changes = read_changes(records(spark, payloads, number * 10))
        columns = widened(layout.columns, found_columns(changes, layout))
        layout = ChangeLayout("current", columns, "evolve")
        rows = to_rows(changes, layout)
        assert table_rows(rows, layout).schema == to_spark(layout.row_schema)
        found.append([row.asDict() for row in table_rows(rows, layout).orderBy("orderid").collect()])
        if number == 2:
            assert [r["reason"] for r in rows.rejected.collect()] == ["WRONG_TYPE"]

    assert to_ddl(layout.columns) == "orderid string, amount decimal(38,18), operation string, tags string"
    assert [(r["amount"], r["operation"], r["tags"]) for r in found[0]] == [(1, "sale", None), (2, None, '["x"]')]
    assert found[1][0]["amount"] == Decimal("2.50")
    assert found[1][0]["_attributes"] == '{"Tags":{"SS":["y"]},"order-id":"z"}'
    assert [r["amount"] for r in found[2]] == [Decimal(3)]
