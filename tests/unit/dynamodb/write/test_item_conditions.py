"""Puts that have a condition of their own."""

from typing import Any

import pytest

from streamjoin.dynamodb.write.items import VERSION_ATTRIBUTE, Delete, ItemWriter, Put, PutCondition, WriteCounts
from streamjoin.errors import SinkError
from tests.faults.items import THROTTLED, FakeTables, Fault

TABLE = "prices"
ABSENT = PutCondition("attribute_not_exists(code)")


def below(price: int, **others: Any) -> PutCondition:
    return PutCondition("attribute_not_exists(#p) OR #p < :p", {"#p": "price"}, {":p": {"N": str(price)}}, **others)


def tables() -> FakeTables:
    return FakeTables({TABLE: {"code": "S"}})


def writer(client: FakeTables, **parts: Any) -> ItemWriter:
    return ItemWriter(client, **{"sleep": lambda seconds: None, "jitter": lambda: 1.0, "threads": 3, **parts})


def put(code: str, version: int, price: int, condition: PutCondition | None = None) -> Put:
    key = {"code": {"S": code}}
    return Put(TABLE, key, {**key, "price": {"N": str(price)}}, version, condition)


def delete(code: str, version: int) -> Delete:
    return Delete(TABLE, {"code": {"S": code}}, version)


def stored(client: FakeTables) -> dict[str, tuple[int, int]]:
    """Return version and price of each item."""
    return {
        item["code"]["S"]: (int(item[VERSION_ATTRIBUTE]["N"]), int(item["price"]["N"])) for item in client.items(TABLE)
    }


def operations(client: FakeTables) -> list[str]:
    return [operation for operation, _ in client.calls]


@pytest.mark.parametrize("conditional", [False, True])
def test_puts_with_a_condition_of_their_own_are_made_in_order_and_in_no_batch(conditional: bool) -> None:
    client = tables()
    changes = [
        put("a", 1, 3, below(3)),
        put("other", 1, 7),
        put("a", 2, 9, below(4)),
        put("another", 1, 7),
        put("a", 3, 4, below(10)),
    ]
    assert writer(client).write(changes, conditional=conditional) == WriteCounts(puts=5)
    together = "TransactWriteItems" if conditional else "BatchWriteItem"
    assert operations(client) == [together, "PutItem", "PutItem", "PutItem"]
    assert [each["Item"]["price"]["N"] for each in client.made("PutItem")] == ["3", "9", "4"]
    assert stored(client) == {"a": (3, 4), "other": (1, 7), "another": (1, 7)}


@pytest.mark.parametrize("conditional", [False, True])
def test_a_put_whose_own_condition_does_not_hold_is_left_out_and_counted_as_superseded(conditional: bool) -> None:
    client = tables()
    changes = [put("a", 1, 5, ABSENT), put("a", 2, 6, ABSENT), put("a", 3, 4, below(6)), put("a", 4, 9, below(2))]
    assert writer(client).write(changes, conditional=conditional) == WriteCounts(puts=2, superseded=2)
    assert stored(client) == {"a": (3, 4)}
    assert "UpdateItem" not in operations(client)


@pytest.mark.parametrize("conditional", [False, True])
def test_what_came_before_a_change_without_a_condition_is_not_made(conditional: bool) -> None:
    client = tables()
    changes = [
        put("a", 1, 5, ABSENT),
        delete("a", 2),
        put("a", 3, 6, ABSENT),
        put("b", 5, 1),
        put("b", 4, 2, ABSENT),
        delete("c", 1),
        put("c", 2, 3),
    ]
    assert writer(client).write(changes, conditional=conditional) == WriteCounts(puts=3, deletes=1, superseded=3)
    assert stored(client) == {"a": (3, 6), "b": (5, 1), "c": (2, 3)}
    assert len(client.written) == 4


def test_a_conditional_put_needs_both_its_own_condition_and_nothing_as_new() -> None:
    client = tables()
    writer(client).write([put("a", 5, 5)], conditional=False)
    always = PutCondition("attribute_exists(code) OR attribute_not_exists(code)")
    for own, version in ((always, 4), (below(9), 5), (below(9), 4), (below(5), 6)):
        counts = writer(client).write([put("a", version, 1, own)], conditional=True)
        assert counts == WriteCounts(superseded=1)
    assert stored(client) == {"a": (5, 5)}
    assert writer(client).write([put("a", 6, 1, below(9))], conditional=True) == WriteCounts(puts=1)
    # Without the condition of the version, its own one still counts.
    assert writer(client).write([put("a", 7, 1, below(1))], conditional=False) == WriteCounts(superseded=1)
    assert stored(client) == {"a": (6, 1)}


def test_names_of_a_condition_that_we_use_too_keep_their_meaning() -> None:
    client = tables()
    own = PutCondition("attribute_not_exists(#v) OR #v < :vv", {"#v": "price"}, {":vv": {"N": "5"}})
    assert writer(client).write([put("a", 1, 5, own)], conditional=True) == WriteCounts(puts=1)
    assert writer(client).write([put("a", 2, 1, own)], conditional=True) == WriteCounts(superseded=1)
    assert stored(client) == {"a": (1, 5)}


def test_an_item_that_a_condition_keeps_gets_the_version_that_says_so_if_it_is_older() -> None:
    client = tables()
    writer(client).write([put("old", 1, 5), put("new", 4, 5), put("newest", 9, 5)], conditional=False)
    client.put_item(TableName=TABLE, Item={"code": {"S": "theirs"}, "price": {"N": "5"}})
    never = PutCondition("attribute_exists(nothing)", kept_version=3)
    for conditional in (True, False):
        changes = [put(code, 6, 1, never) for code in ("old", "new", "newest", "theirs", "gone")]
        assert writer(client).write(changes, conditional=conditional) == WriteCounts(superseded=5)
        kept = client.tables[TABLE].items
        assert {code: item.get(VERSION_ATTRIBUTE) for (code,), item in kept.items()} == {
            "old": {"N": "3"},
            "new": {"N": "4"},
            "newest": {"N": "9"},
            "theirs": None,
        }
        assert {item["price"]["N"] for item in kept.values()} == {"5"}
    assert writer(client).delete_older(TABLE, 3, None) == 0


def test_puts_of_one_item_keep_their_order_in_any_number_of_threads() -> None:
    client = tables()
    changes = [put(f"{n % 20}", n, n, below(n)) for n in range(200)]
    assert writer(client, threads=7).write(changes, conditional=False) == WriteCounts(puts=200)
    assert stored(client) == {f"{n % 20}": (n, n) for n in range(180, 200)}


def test_a_put_with_a_condition_that_is_refused_for_the_moment_is_made_again() -> None:
    client, pauses = tables(), []
    never = PutCondition("attribute_not_exists(code)", kept_version=2)
    writer(client).write([put("a", 1, 1)], conditional=False)
    client.fail(THROTTLED, operation="PutItem")
    assert writer(client, sleep=pauses.append).write([put("a", 2, 2, never)], conditional=False).superseded == 1
    client.fail(THROTTLED, operation="UpdateItem")
    assert writer(client, sleep=pauses.append).write([put("a", 3, 2, never)], conditional=True).superseded == 1
    assert len(pauses) == 2
    assert stored(client) == {"a": (2, 1)}


def test_a_condition_that_the_service_does_not_take_is_named_with_its_table_and_item() -> None:
    client = tables()
    client.next_fault = lambda operation: Fault(code="ValidationException")
    with pytest.raises(SinkError, match=r"table 'prices' .*: PutItem of code='a' failed \(ValidationException"):
        writer(client).write([put("a", 1, 1, ABSENT)], conditional=False)
