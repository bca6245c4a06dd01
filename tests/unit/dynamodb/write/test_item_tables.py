"""Making the tables that items are written to, and deleting what is old in them, on fake tables."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from streamjoin.dynamodb.write.items import JOB_ATTRIBUTE, ItemWriter, Put
from streamjoin.dynamodb.write.tables import ensure_table
from streamjoin.errors import SinkError
from tests.faults.items import LOST, THROTTLED, FakeTables, Fault
from tests.faults.sink import FakeTime

KEY = {"code": "S", "countryname": "S"}


def ensure(client: FakeTables, name: str = "countries", time: FakeTime | None = None, **options: Any) -> None:
    time = time or FakeTime()
    ensure_table(client, name, KEY, **{"create": True, **options}, clock=time.now, sleep=time.pause)


def writer(client: FakeTables) -> ItemWriter:
    return ItemWriter(client, sleep=lambda seconds: None, jitter=lambda: 0.0)


def put(code: int, version: int) -> Put:
    key = {"code": {"S": f"{code:03}"}, "countryname": {"S": "x"}}
    return Put("countries", key, {**key, "more": {"S": "y" * 100}}, version)


def test_a_table_that_is_missing_is_made_on_demand_with_a_stream_and_waited_for() -> None:
    client, time = FakeTables(), FakeTime()
    ensure(client, time=time)
    (made,) = client.made("CreateTable")
    assert made["BillingMode"] == "PAY_PER_REQUEST"
    assert made["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert made["KeySchema"][0] == {"AttributeName": "code", "KeyType": "HASH"}
    assert client.tables["countries"].key_types == KEY
    assert time.seconds > 0


def test_a_table_is_made_without_a_stream_if_none_is_wanted() -> None:
    client = FakeTables()
    ensure(client, stream=False)
    assert client.made("CreateTable")[0]["StreamSpecification"] == {"StreamEnabled": False}


def test_a_table_that_is_there_is_left_as_it_is() -> None:
    client = FakeTables({"countries": KEY})
    ensure(client)
    ensure(client, create=False)
    client.tables["countries"].status = "UPDATING"
    ensure(client)
    assert not client.made("CreateTable")


def test_a_table_that_may_not_be_made_is_named_with_its_key() -> None:
    client = FakeTables()
    with pytest.raises(SinkError) as raised:
        ensure(client, create=False)
    assert str(raised.value) == (
        "table 'countries' in region 'us-east-1': there is no such table. Create it with the key partition key 'code' "
        "(S), sort key 'countryname' (S), or set target.dynamodb.create_tables: true."
    )
    assert not client.made("CreateTable")


@pytest.mark.parametrize(
    "found", [{"code": "S"}, {"countryname": "S", "code": "S"}, {"code": "N", "countryname": "S"}], ids=str
)
def test_a_table_with_another_key_is_an_error_that_shows_both(found: dict[str, str]) -> None:
    client = FakeTables({"countries": found})
    with pytest.raises(
        SinkError, match=r"expected the key partition key 'code' \(S\), sort key .* found part"
    ) as raised:
        ensure(client)
    assert not raised.value.retryable


def test_a_table_that_another_process_makes_at_the_same_time_is_used() -> None:
    client = FakeTables()
    other = FakeTables({"countries": KEY}).tables

    def next_fault(operation: str) -> Fault:
        if operation == "CreateTable":
            client.tables.update(other)
        return Fault()

    client.next_fault = next_fault
    ensure(client)
    assert len(client.made("CreateTable")) == 1


def test_a_table_whose_making_was_not_answered_is_found_by_the_next_try() -> None:
    client = FakeTables()
    client.fail(LOST, operation="CreateTable")
    with pytest.raises(SinkError, match="CreateTable could not reach the service") as raised:
        ensure(client)
    assert raised.value.retryable
    ensure(client)
    assert len(client.made("CreateTable")) == 1


def test_a_table_that_is_never_ready_is_an_error_that_says_its_status() -> None:
    client = FakeTables({"countries": KEY})
    client.tables["countries"].status = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"
    with pytest.raises(SinkError, match="expected status 'ACTIVE' within 300 s, found status 'INACCESSIBLE") as raised:
        ensure(client)
    assert raised.value.retryable


def test_a_role_that_may_not_make_tables_is_told_what_to_allow() -> None:
    client = FakeTables()
    client.fail(Fault(code="AccessDeniedException"), operation="CreateTable")
    with pytest.raises(SinkError, match="Allow dynamodb:CreateTable on the table"):
        ensure(client)


def test_items_that_are_older_are_deleted_from_all_pages() -> None:
    client = FakeTables({"countries": KEY}, page_items=7)
    writer(client).write([put(n, 10 * n) for n in range(50)], conditional=False)
    client.fail(THROTTLED, THROTTLED)
    assert writer(client).delete_older("countries", 300, None) == 30
    assert sorted(item["code"]["S"] for item in client.items("countries")) == [f"{n:03}" for n in range(30, 50)]
    assert writer(client).delete_older("countries", 300, None) == 0
    asked = sum(len(each["TransactItems"]) for each in client.made("TransactWriteItems"))
    # A page with one older item is a call without a transaction.
    assert asked + len(client.made("DeleteItem")) == 30
    assert not any("more" in each["ProjectionExpression"] for each in client.made("Scan"))


def test_items_without_a_version_stay_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    client = FakeTables({"countries": KEY})
    theirs = {"code": {"S": "a"}, "countryname": {"S": "b"}}
    client.put_item(TableName="countries", Item=theirs)
    client.put_item(TableName="countries", Item={**theirs, "code": {"S": "b"}, "_binlog": {"S": "text"}})
    writer(client).write([put(1, 1)], conditional=False)
    assert writer(client).delete_older("countries", 2, None) == 1
    assert len(client.items("countries")) == 2
    (warning,) = (each for each in caplog.records if each.levelno == logging.WARNING)
    assert warning.getMessage().startswith("table 'countries': 2 items without a number '_binlog'")


def test_what_is_older_is_deleted_of_one_job_alone() -> None:
    client = FakeTables({"countries": KEY})
    marked = [replace(p, item={**p.item, JOB_ATTRIBUTE: {"S": "b"}}) for p in (put(2, 1), put(3, 9))]
    writer(client).write([put(1, 1), *marked], conditional=False)
    assert writer(client).has_unmarked("countries")
    assert writer(client).delete_older("countries", 5, "b") == 1
    assert writer(client).delete_older("countries", 20, "c") == 0
    assert writer(client).delete_older("countries", 5, None) == 1
    assert [item["code"]["S"] for item in client.items("countries")] == ["003"]
    client.put_item(TableName="countries", Item={"code": {"S": "a"}, "countryname": {"S": "b"}})
    assert not writer(client).has_unmarked("countries")


def test_an_item_that_became_newer_after_it_was_scanned_stays() -> None:
    client = FakeTables({"countries": KEY})
    writer(client).write([put(1, 1), put(2, 1)], conditional=False)

    def next_fault(operation: str) -> Fault:
        if operation == "TransactWriteItems" and len(client.made("PutItem")) == 0:
            newer = put(2, 9)
            client.put_item(TableName="countries", Item=dict(newer.versioned))
        return Fault()

    client.next_fault = next_fault
    assert writer(client).delete_older("countries", 5, None) == 1
    assert [item["code"]["S"] for item in client.items("countries")] == ["002"]


def test_a_table_that_can_not_be_scanned_is_an_error() -> None:
    client = FakeTables({"countries": KEY})
    client.next_fault = lambda operation: THROTTLED if operation == "Scan" else Fault()
    with pytest.raises(SinkError, match="Scan was throttled") as raised:
        writer(client).delete_older("countries", 5, None)
    assert raised.value.retryable
