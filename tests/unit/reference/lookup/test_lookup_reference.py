"""A batch's snapshot: its rows, version, age and tasks."""

import json
import logging
from datetime import timedelta

import pytest

from streamjoin.dynamodb.service import pack
from streamjoin.records.events import REASON_COLUMN
from streamjoin.reference.lookup.reference import newest
from streamjoin.schema.ddl import parse_schema
from streamjoin.spark.schema import to_spark
from tests.faults.lookup import FakeItemTable
from tests.faults.reference import country
from tests.lookup_frames import FakeEvents
from tests.unit.reference.lookup.looked_up_reference import FRANCE, INDIA, NOON, SCHEMA, Setup


def test_a_batch_gets_the_rows_of_its_own_keys():
    it = Setup(INDIA, FRANCE, country("US", "United States"), schema=SCHEMA)

    snapshot, rows = it.look_up("IN", "US", "nowhere", "IN", None, "")

    assert rows == {"IN": ("India", "IN"), "US": ("United States", "US")}
    assert (snapshot.name, snapshot.version, snapshot.as_of) == ("country", 1, NOON)
    assert (snapshot.on, snapshot.columns) == ({"country": "code"}, {"countryname": "countryname"})
    assert (it.reference.on, it.reference.columns, it.reference.how) == (snapshot.on, snapshot.columns, "left")
    assert snapshot.consumed_read_units == 3
    assert [operation for operation, _ in it.table.calls] == ["DescribeTable", "BatchGetItem"]


def test_metadata_is_what_a_commit_of_a_whole_snapshot_has_too():
    snapshot, _ = Setup(schema=SCHEMA).look_up("IN", "nowhere")

    metadata = json.loads(json.dumps(snapshot.metadata()))

    assert metadata == {
        "mode": "lookup",
        "version": 1,
        "as_of": "2026-01-31T12:00:00+00:00",
        "items": 1,
        "duplicates": 0,
        "misfits": 0,
        "misfit_values": {},
        "content_hash": snapshot.found.rows.content_hash,
        "types": to_spark(parse_schema(SCHEMA)).jsonValue(),
        "read_units": 2,
    }


def test_equal_rows_have_one_content_hash_and_other_rows_another():
    it = Setup(schema=SCHEMA)
    hashes = [it.look_up(*keys)[0].metadata()["content_hash"] for keys in (["IN", "FR"], ["FR", "IN"], ["IN"])]

    assert hashes[0] == hashes[1] != hashes[2]


def test_every_batch_has_a_version_of_its_own():
    it = Setup(schema=SCHEMA)

    assert [it.look_up("IN")[0].version for _ in range(3)] == [1, 2, 3]


def test_the_version_goes_on_over_a_restart_and_never_back():
    it = Setup(schema=SCHEMA)
    first, _ = it.look_up("IN")
    second, _ = it.look_up("IN")
    after = it.restart(second.metadata())

    assert after.look_up("IN")[0].version == 3
    after.reference.restore(first.metadata())
    assert after.look_up("IN")[0].version == 4
    after.reference.restore(None)
    assert after.look_up("IN")[0].version == 5


def test_nothing_is_known_of_a_snapshot_before_its_side():
    snapshot = Setup(schema=SCHEMA).reference.current()

    with pytest.raises(RuntimeError, match="was not looked up yet"):
        snapshot.metadata()


def test_a_batch_that_is_tried_again_is_looked_up_again_in_its_version():
    it = Setup(INDIA, FRANCE, schema=SCHEMA)
    snapshot, _ = it.look_up("IN")

    _, rows = it.look_up("FR", again=snapshot)

    assert (rows, snapshot.version, snapshot.metadata()["items"]) == ({"FR": ("France", "FR")}, 1, 1)
    assert snapshot.consumed_read_units == 2


def test_a_batch_without_keys_reads_nothing_and_is_as_of_now():
    it = Setup(schema=SCHEMA)

    snapshot, rows = it.look_up(after=5)

    assert (rows, snapshot.as_of, snapshot.consumed_read_units) == ({}, NOON + timedelta(seconds=5), 0)
    assert not it.table.made("BatchGetItem")


def test_rejected_events_are_passed_over():
    it = Setup(schema=SCHEMA, event=f"country string, {REASON_COLUMN} string")

    _, rows = it.look_up(("IN", None), ("FR", "WRONG_TYPE"))

    assert set(rows) == {"IN"}
    (request,) = it.table.made("BatchGetItem")
    assert request["RequestItems"]["countries"]["Keys"] == [{"code": {"S": "IN"}}]


def test_what_was_just_read_is_used_again_and_then_the_snapshot_is_as_old():
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    it.table.put(country("IN", "Bharat"))

    again, rows = it.look_up("IN", "FR", after=59)
    assert (rows["IN"], again.as_of, again.consumed_read_units) == (("India", "IN"), NOON, 1)

    later, rows = it.look_up("IN", after=1)
    assert (rows["IN"], later.as_of) == (("Bharat", "IN"), NOON + timedelta(seconds=60))


def test_that_there_was_no_item_counts_for_the_age_too():
    it = Setup(schema=SCHEMA)
    it.look_up("nowhere")

    snapshot, _ = it.look_up("nowhere", "IN", after=30)

    assert snapshot.as_of == NOON


@pytest.mark.parametrize(("cores", "partitions", "tasks"), [(1, 1, 1), (4, 2, 2), (2, 200, 2), (4, 4, 4)])
def test_keys_are_fetched_by_as_many_tasks_as_the_batch_is_worth_and_run_at_once(cores, partitions, tasks, monkeypatch):
    it = Setup(
        schema=SCHEMA,
        cores=cores,
        shuffle_partitions=partitions,
        dynamodb={"table_name": "countries", "max_read_units_per_second": 100_000},
    )
    seen = []
    repartition = FakeEvents.repartition
    monkeypatch.setattr(
        FakeEvents, "repartition", lambda self, n, *columns: seen.append(n) or repartition(self, n, *columns)
    )

    _, rows = it.look_up("IN", "FR", "nowhere")

    assert seen == [tasks]
    assert set(rows) == {"IN", "FR"}


@pytest.mark.parametrize("order", [1, -1])
def test_of_an_item_that_was_read_twice_the_later_answer_counts(order):
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    (fetching,) = it.fetchers
    fetched = [(pack(country("IN", "earlier")), 100.0), (pack(country("IN", "later")), 200.0)]

    assert list(newest(fetched[::order], fetching.target).values()) == [pack(country("IN", "later"))]


def test_an_item_that_two_tasks_read_is_one_row():
    table = FakeItemTable([{"code": {"N": "7"}, "countryname": {"S": "seven"}}], key=(("code", "N"),))
    it = Setup(
        table=table,
        cores=8,
        shuffle_partitions=8,
        schema="code string, countryname string",
        on_duplicate="fail",
        refresh={"interval_seconds": 0},
    )

    _, rows = it.look_up("7", "7.0", "7.00", "70e-1", "0.7e1", "7e0", "007")

    assert rows == {"7": ("seven", "7")}
    assert len(table.made("BatchGetItem")) > 1


def test_a_frame_is_freed_only_after_the_batch_in_hand():
    it = Setup(schema=SCHEMA)
    sides = []
    for _ in range(3):
        snapshot, _ = it.look_up("IN")
        sides.append(snapshot.found.frame)

    assert [side.is_freed for side in sides] == [True, False, False]
    it.reference.close()
    assert all(side.is_freed for side in sides)
    assert it.look_up("IN")[0].version == 4


def test_log_lines_say_what_a_lookup_came_to(caplog):
    it = Setup(schema=SCHEMA)
    it.look_up("IN")
    with caplog.at_level(logging.INFO):
        it.look_up("IN", "FR")

    assert "reference=country version=2 keys=2 cached_keys=1 stale_keys=0 calls=1 items=2 rows=2" in caplog.text
