"""Writing items, on fake tables that fail."""

import threading
from typing import Any

import pytest

from streamjoin.dynamodb.write.items import VERSION_ATTRIBUTE, Delete, ItemWriter, Put, WriteCounts
from streamjoin.errors import SinkError
from tests.faults.items import BROKEN, CONFLICT, LOST, THROTTLED, FakeTables, Fault

TABLE = "countries"


def tables(**more: dict[str, str]) -> FakeTables:
    return FakeTables({TABLE: {"code": "S"}, **more})


def writer(client: FakeTables, **parts: Any) -> ItemWriter:
    return ItemWriter(client, **{"sleep": lambda seconds: None, "jitter": lambda: 1.0, "threads": 3, **parts})


def put(code: str, version: int, name: str = "", table: str = TABLE) -> Put:
    key = {"code": {"S": code}}
    return Put(table, key, {**key, "name": {"S": name or f"{code}{version}"}}, version)


def delete(code: str, version: int, table: str = TABLE) -> Delete:
    return Delete(table, {"code": {"S": code}}, version)


def versions(client: FakeTables, table: str = TABLE) -> dict[str, int]:
    return {item["code"]["S"]: int(item[VERSION_ATTRIBUTE]["N"]) for item in client.items(table)}


@pytest.mark.parametrize("conditional", [False, True])
def test_of_several_changes_of_one_item_the_newest_alone_is_written(conditional: bool) -> None:
    client = tables()
    changes = [
        put("IN", 1),
        put("US", 2),
        delete("IN", 3),
        put("FR", 4),
        put("FR", 5),
        delete("FR", 4),
        put("US", 2, "b"),
    ]
    counts = writer(client).write(changes, conditional=conditional)
    assert counts == WriteCounts(puts=2, deletes=1, superseded=4)
    assert versions(client) == {"US": 2, "FR": 5}
    assert client.tables[TABLE].items["US",]["name"] == {"S": "b"}
    assert len(client.written) == 3


@pytest.mark.parametrize("conditional", [False, True])
def test_a_key_that_is_a_number_is_one_item_however_it_is_spelled(conditional: bool) -> None:
    client = FakeTables({TABLE: {"id": "N", "part": "B"}})
    one, other = ({"id": {"N": number}, "part": {"B": b"x"}} for number in ("1", "1.0"))
    turned = {"part": {"B": bytearray(b"x")}, "id": {"N": "10e-1"}}
    changes = [Put(TABLE, one, one, 1), Put(TABLE, other, other, 2), Delete(TABLE, turned, 3)]
    assert writer(client).write(changes, conditional=conditional) == WriteCounts(deletes=1, superseded=2)


def test_a_plain_write_makes_calls_of_25_for_each_table() -> None:
    client = tables(orders={"code": "S"})
    changes = [put(f"{n}", n, table=table) for n in range(60) for table in (TABLE, "orders")]
    assert writer(client).write(changes, conditional=False) == WriteCounts(puts=120)
    sizes = [len(next(iter(each["RequestItems"].values()))) for each in client.made("BatchWriteItem")]
    assert sorted(sizes) == [10, 10, 25, 25, 25, 25]
    assert len(client.items(TABLE)) == len(client.items("orders")) == 60


def test_a_conditional_write_makes_calls_of_100_and_leaves_what_is_as_new() -> None:
    client = tables()
    changes = [put(f"{n}", 5) for n in range(150)]
    assert writer(client).write(changes, conditional=True) == WriteCounts(puts=150)
    assert sorted(len(each["TransactItems"]) for each in client.made("TransactWriteItems")) == [50, 100]
    assert writer(client).write(changes, conditional=True) == WriteCounts(superseded=150)
    newer = [*(put(f"{n}", 5) for n in range(140)), *(delete(f"{n}", 6) for n in range(140, 150))]
    assert writer(client).write(newer, conditional=True) == WriteCounts(deletes=10, superseded=140)
    assert len(client.items(TABLE)) == 140


def test_an_item_without_a_version_is_older_than_any() -> None:
    client = tables()
    client.put_item(TableName=TABLE, Item={"code": {"S": "IN"}})
    assert writer(client).write([put("IN", 0)], conditional=True) == WriteCounts(puts=1)


def test_items_of_400_kb_fit_into_calls_in_any_script() -> None:
    client = tables()
    names = ["a" * 390_000, "é" * 195_000, "語" * 130_000, "🎈" * 97_000, "\x01" * 390_000]
    changes = [put(f"{n}", 1, names[n % len(names)]) for n in range(40)]
    writer(client).write(changes, conditional=False)
    writer(client).write([put(f"{n}", 2, names[n % len(names)]) for n in range(40)], conditional=True)
    assert set(versions(client).values()) == {2}
    assert not client.made("PutItem")


@pytest.mark.parametrize(
    ("fault", "conditional"),
    [
        (THROTTLED, False),
        (THROTTLED, True),
        (BROKEN, False),
        (BROKEN, True),
        (Fault(unprocessed=2), False),
        (Fault(unprocessed=25), False),
        (CONFLICT, True),
        (Fault(code="TransactionInProgressException"), True),
    ],
)
def test_what_is_refused_for_the_moment_is_sent_again_after_pauses_that_grow(fault: Fault, conditional: bool) -> None:
    client, pauses = tables(), []
    client.fail(fault, fault)
    counts = writer(client, sleep=pauses.append).write([put(f"{n}", 1) for n in range(25)], conditional=conditional)
    assert counts == WriteCounts(puts=25)
    # What did a part of its work isn't counted.
    assert pauses == ([0.05, 0.1] if fault.unprocessed == 2 else [0.1, 0.2])
    assert len(client.calls) == 3


def test_a_table_that_takes_nothing_any_more_is_an_error_that_may_be_tried_again() -> None:
    client, pauses = tables(), []
    client.next_fault = lambda operation: Fault(unprocessed=25)
    with pytest.raises(SinkError, match=r"left 2 of 2 items unprocessed time and again\. Raise the table's") as raised:
        writer(client, sleep=pauses.append).write([put("IN", 1), put("US", 1)], conditional=False)
    assert raised.value.retryable
    assert len(pauses) == 9 and max(pauses) == 5.0
    client.next_fault = lambda operation: THROTTLED
    for conditional in (True, False):
        with pytest.raises(SinkError, match=r"table 'countries' in region 'us-east-1': .* was throttled") as raised:
            writer(client).write([put("IN", 1)], conditional=conditional)
        assert raised.value.retryable


def test_progress_however_slow_is_not_given_up() -> None:
    client = tables()
    client.next_fault = lambda operation: Fault(unprocessed=len(client.calls[-1][1]["RequestItems"][TABLE]) - 1)
    assert writer(client).write([put(f"{n}", 1) for n in range(25)], conditional=False) == WriteCounts(puts=25)
    assert len(client.calls) == len(client.items(TABLE)) == 25


def test_an_item_that_conflicts_for_good_is_an_error_that_may_be_tried_again() -> None:
    client = tables()
    client.next_fault = lambda operation: Fault(code="TransactionConflictException")
    with pytest.raises(SinkError, match="TransactionConflictException") as raised:
        writer(client).write([put("IN", 1)], conditional=True)
    assert raised.value.retryable


@pytest.mark.parametrize("conditional", [False, True])
def test_a_write_whose_answer_was_lost_may_be_repeated(conditional: bool) -> None:
    client = tables()
    client.fail(LOST)
    changes = [put("IN", 1), put("US", 1)]
    with pytest.raises(SinkError, match="could not reach the service") as raised:
        writer(client).write(changes, conditional=conditional)
    assert raised.value.retryable
    counts = writer(client).write(changes, conditional=conditional)
    assert counts == (WriteCounts(superseded=2) if conditional else WriteCounts(puts=2))
    assert versions(client) == {"IN": 1, "US": 1}


def test_a_transaction_that_is_cancelled_time_and_again_is_written_item_by_item() -> None:
    client = tables()
    client.next_fault = lambda operation: CONFLICT if operation == "TransactWriteItems" else Fault()
    writer(client).write([put("IN", 2)], conditional=True)
    counts = writer(client).write([put("IN", 1), put("US", 1), delete("FR", 1)], conditional=True)
    assert counts == WriteCounts(puts=1, deletes=1, superseded=1)
    assert len(client.made("TransactWriteItems")) == 3
    assert versions(client) == {"IN": 2, "US": 1}


@pytest.mark.parametrize("conditional", [False, True])
def test_an_item_that_the_table_does_not_take_is_named(conditional: bool) -> None:
    client = tables()
    changes = [put("IN", 1), put("US", 1, "x" * 500_000), put("FR", 1)]
    with pytest.raises(SinkError, match=r"table 'countries' .*: PutItem of code='US' failed \(ValidationExc") as raised:
        writer(client).write(changes, conditional=conditional)
    assert not raised.value.retryable
    assert "xxx" not in str(raised.value)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_table_that_is_missing_is_named_with_the_key_to_set(conditional: bool) -> None:
    with pytest.raises(SinkError, match=r"table 'nowhere' .*target.dynamodb.create_tables: true") as raised:
        writer(tables()).write([put("IN", 1, table="nowhere"), put("US", 1, table="nowhere")], conditional=conditional)
    assert not raised.value.retryable


def test_after_an_error_no_thread_writes_any_more() -> None:
    """Without an end, each of 20 calls would be tried ten times."""
    client = tables()
    client.next_fault = lambda operation: Fault(code="AccessDeniedException") if len(client.calls) == 3 else THROTTLED
    with pytest.raises(SinkError, match="Allow dynamodb:BatchWriteItem"):
        writer(client).write([put(f"{n}", 1) for n in range(500)], conditional=False)
    assert not [each for each in threading.enumerate() if each.name.startswith("items")]
    assert len(client.calls) < 100
    assert not client.written


def test_nothing_is_written_once_the_lease_is_lost() -> None:
    client = tables()

    def check() -> None:
        if client.calls:
            raise SinkError("the lease is lost")

    with pytest.raises(SinkError, match="the lease is lost"):
        writer(client, check=check, threads=1).write([put(f"{n}", 1) for n in range(50)], conditional=False)
    assert len(client.items(TABLE)) == 25


def test_a_version_of_more_than_38_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="of code='IN' isn't a whole number of 38 digits"):
        put("IN", 10**38)
