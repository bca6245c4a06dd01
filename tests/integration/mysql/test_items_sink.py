"""Items and the control table on two emulators: ministack, and DynamoDB Local, which checks as the service does."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streamjoin.dynamodb.write.items import VERSION_ATTRIBUTE, Delete, ItemWriter, Put, PutCondition, WriteCounts
from streamjoin.dynamodb.write.tables import ensure_table
from streamjoin.errors import SinkError
from streamjoin.lock.holder import Holder
from streamjoin.mysql import BinlogPosition
from streamjoin.replicate.control_state import ControlState, LoadProgress
from streamjoin.replicate.control_table import ControlTable
from tests.faults.sink import FakeTime
from tests.integration.conftest import Emulator
from tests.stacks.policies import asked

STATE = ControlState(
    position=BinlogPosition("binlog.000012", 4, "0-1-16"),
    generation=3,
    server="uuid",
    loading={"shop.orders": LoadProgress((7, b"\x00"), False, 1_000)},
)
# As large as a version gets.
LATE = 10**37


@pytest.fixture
def client(emulator: Emulator) -> Any:
    return emulator.tables


@pytest.fixture
def table(client: Any, fresh_name: Callable[[str], str]) -> str:
    name = fresh_name("items")
    ensure_table(client, name, {"id": "N", "part": "B"}, create=True)
    return name


def key(number: int) -> dict[str, Any]:
    return {"id": {"N": str(number)}, "part": {"B": bytes([number % 256])}}


def put(table: str, number: int, version: int, size: int = 10) -> Put:
    return Put(table, key(number), {**key(number), "name": {"S": "é" * (size // 2)}, "none": {"NULL": True}}, version)


def versions(client: Any, table: str) -> dict[int, int]:
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    found = [item for page in pages for item in page["Items"]]
    return {int(item["id"]["N"]): int(item.get(VERSION_ATTRIBUTE, {"N": -1})["N"]) for item in found}


def test_a_replay_of_everything_by_conditional_writes_ends_as_plain_writes_in_order_did(
    client: Any, table: str
) -> None:
    draw = random.Random(7)
    history: list[Put | Delete] = []
    for version in range(450):
        number = draw.randrange(105)
        is_put = draw.random() < 0.7
        history.append(put(table, number, version) if is_put else Delete(table, key(number), version))
    writer = ItemWriter(client)
    for start in range(0, len(history), 150):
        writer.write(history[start : start + 150], conditional=False)
    expected = versions(client, table)
    newest = {int(change.key["id"]["N"]): change for change in history}
    assert expected == {number: each.version for number, each in newest.items() if isinstance(each, Put)}
    with asked(client) as actions:
        counts = [writer.write(history[at : at + 135], conditional=True) for at in range(0, len(history), 135)]
    assert actions == {"dynamodb:PutItem", "dynamodb:DeleteItem"}
    assert versions(client, table) == expected
    assert sum(counts, WriteCounts()).superseded > 150


def test_what_is_as_new_stays_and_the_others_are_written(client: Any, table: str) -> None:
    writer = ItemWriter(client)
    client.put_item(TableName=table, Item=key(0))
    writer.write([put(table, n, LATE + n % 2) for n in range(1, 130)], conditional=True)
    counts = writer.write([put(table, n, LATE + 1) for n in range(130)], conditional=True)
    assert counts == WriteCounts(puts=65, superseded=65)
    assert set(versions(client, table).values()) == {LATE + 1}
    counts = writer.write([Delete(table, key(n), LATE + 1 + n % 2) for n in range(130)], conditional=True)
    assert counts == WriteCounts(deletes=65, superseded=65)
    assert len(versions(client, table)) == 65


def test_a_put_needs_its_own_condition_too_and_an_item_that_it_keeps_is_not_deleted_as_older(
    client: Any, table: str
) -> None:
    writer = ItemWriter(client)
    named = {"#v": "name"}
    short = PutCondition("attribute_not_exists(#v) OR size(#v) < :v", named, {":v": {"N": "20"}}, kept_version=LATE)
    writer.write([put(table, 1, 1, size=10), put(table, 2, 1, size=60), put(table, 3, LATE + 9)], conditional=False)
    changes = [replace(put(table, n, LATE + 5, size=60), condition=short) for n in (1, 2, 3, 4)]
    with asked(client) as actions:
        assert writer.write(changes, conditional=True) == WriteCounts(puts=2, superseded=2)
    assert actions == {"dynamodb:PutItem", "dynamodb:UpdateItem"}
    assert versions(client, table) == {1: LATE + 5, 2: LATE, 3: LATE + 9, 4: LATE + 5}
    assert writer.delete_older(table, LATE, None) == 0
    # What a plain write replaces may be newer, but its own condition counts.
    assert writer.write(changes, conditional=False) == WriteCounts(puts=1, superseded=3)
    assert versions(client, table) == {1: LATE + 5, 2: LATE, 3: LATE + 5, 4: LATE + 5}


def test_items_of_400_kb_are_written_both_ways(client: Any, table: str) -> None:
    writer = ItemWriter(client, threads=2)
    for version, conditional in enumerate([False, True, True]):
        changes = [put(table, number, version, size=399_000) for number in range(12)]
        assert writer.write(changes, conditional=conditional) == WriteCounts(puts=12)
    with pytest.raises(SinkError, match=r"PutItem of id='5', part=b'\\x05' failed \(ValidationException"):
        writer.write([put(table, n, 9, size=500_000 if n == 5 else 10) for n in range(12)], conditional=False)


def test_older_items_are_deleted_from_all_pages_and_those_of_others_stay(client: Any, table: str) -> None:
    writer = ItemWriter(client)
    # 4 MB: pages have 1.
    writer.write([put(table, n, LATE + n, size=20_000) for n in range(200)], conditional=False)
    client.put_item(TableName=table, Item=key(9_999))
    assert writer.delete_older(table, LATE + 180, None) == 180
    assert set(versions(client, table)) == {*range(180, 200), 9_999}


def test_a_table_is_made_with_a_stream_and_its_key_is_checked(client: Any, table: str) -> None:
    description = client.describe_table(TableName=table)["Table"]
    assert description["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert description["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    ensure_table(client, table, {"id": "N", "part": "B"}, create=False)
    with pytest.raises(
        SinkError, match=r"expected the key partition key 'part' \(B\), sort key 'id' \(N\), found part"
    ):
        ensure_table(client, table, {"part": "B", "id": "N"}, create=True)
    with pytest.raises(SinkError, match="there is no such table"):
        ensure_table(client, f"{table}-2", {"id": "N"}, create=False)


def test_a_state_is_kept_and_one_process_alone_has_the_lease(client: Any, fresh_name: Callable[[str], str]) -> None:
    time, name = FakeTime(), fresh_name("control")

    def control() -> ControlTable:
        # As from elsewhere: whether the process lives can't be asked.
        holder = replace(Holder.here("country"), place=None)
        return ControlTable(client, name, "country", holder=holder, clock=time.now, pause=time.pause)

    first, second, third = control(), control(), control()
    first.ensure(create=True)
    first.ensure(create=False)
    assert first.acquire() is None
    first.save(STATE)
    time.meanwhile = first.check
    with pytest.raises(SinkError, match=r"job 'country' on host .* runs it"):
        second.acquire()
    time.meanwhile = lambda: None
    assert second.acquire() == STATE
    with pytest.raises(SinkError, match="no longer this job's"):
        first.save(replace(STATE, generation=4))
    second.save(replace(STATE, generation=5, loading=None))
    second.release()
    assert third.acquire() == replace(STATE, generation=5, loading=None)
