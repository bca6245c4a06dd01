"""Whatever is repeated, and whatever fails, the newest of each item stays."""

from dataclasses import replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from streamjoin.dynamodb.write.items import VERSION_ATTRIBUTE, Delete, ItemWriter, Put, PutCondition
from streamjoin.errors import SinkError
from tests.faults.items import BROKEN, CONFLICT, LOST, NONE, THROTTLED, FakeTables, Fault, Written
from tests.item_rules import holds

TABLES = ("countries", "orders")
Change: TypeAlias = Put | Delete
CONDITIONS = (
    PutCondition("attribute_not_exists(id)"),
    PutCondition("attribute_exists(id)"),
    PutCondition("attribute_not_exists(#r) OR #r < :r", {"#r": "rank"}, {":r": {"N": "2"}}),
    PutCondition("rank = :v", values={":v": {"N": "1"}}),
)

faults = st.lists(
    st.one_of(
        st.sampled_from([NONE, THROTTLED, BROKEN, LOST, CONFLICT, Fault(reason="ThrottlingError")]),
        st.builds(Fault, unprocessed=st.integers(0, 3), loses_answer=st.booleans()),
        st.builds(Fault, code=st.sampled_from(["TransactionInProgressException", "TransactionConflictException"])),
    ),
    max_size=30,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Changes of a few items, each newer than the one before it."""
    conditions = st.sampled_from([None, None, *CONDITIONS])
    change = st.tuples(st.sampled_from(TABLES), st.integers(0, 4), st.booleans(), st.integers(0, 3), conditions)
    changes: list[Change] = []
    for version, (table, number, is_put, rank, condition) in enumerate(draw(st.lists(change, max_size=40))):
        key = {"id": {"N": str(number)}}
        item = {**key, "content": {"S": f"content {version}"}, "rank": {"N": str(rank)}}
        changes.append(Put(table, key, item, version, condition) if is_put else Delete(table, key, version))
    return changes


def fake() -> FakeTables:
    return FakeTables({table: {"id": "N"} for table in TABLES})


def writer(client: FakeTables, threads: int = 2) -> ItemWriter:
    return ItemWriter(client, threads=threads, sleep=lambda seconds: None, jitter=lambda: 0.0)


def fail(client: FakeTables, found: list[Fault]) -> None:
    """Let the faults become of the calls to come; only a batch has unprocessed items, only a transaction a reason."""
    left = list(found)

    def next_fault(operation: str) -> Fault:
        fault = left.pop() if left else NONE
        return replace(fault, reason=fault.reason if operation == "TransactWriteItems" else None)

    client.next_fault = next_fault


def oracle(history: list[Change]) -> dict[tuple[str, str], int]:
    """Return the versions of the items that are there when each change has happened, in order."""
    found: dict[tuple[str, str], Put] = {}
    for change in history:
        identity = change.table, change.key["id"]["N"]
        if isinstance(change, Delete):
            found.pop(identity, None)
        elif change.condition is None or _holds(change.condition, found.get(identity)):
            found[identity] = change
    return {identity: put.version for identity, put in found.items()}


def _holds(condition: PutCondition, there: Put | None) -> bool:
    return holds(condition.expression, dict(there.item) if there else {}, condition.names, condition.values)


def stored(client: FakeTables) -> dict[tuple[str, str], int]:
    return {
        (table, item["id"]["N"]): int(item[VERSION_ATTRIBUTE]["N"]) for table in TABLES for item in client.items(table)
    }


def replaced_version(write: Written) -> int:
    return int(write.before[VERSION_ATTRIBUTE]["N"]) if write.before else -1


def require_only_newer(writes: list[Written]) -> None:
    """Check that each write had its condition, and replaced or deleted what was older."""
    for write in writes:
        assert write.below is not None
        assert replaced_version(write) < write.below
        assert write.after is None or int(write.after[VERSION_ATTRIBUTE]["N"]) == write.below


@given(histories(), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8), faults)
def test_a_conditional_write_never_puts_an_older_version_over_a_newer_one(
    history: list[Change], parts: list[tuple[int, int]], found: list[Fault]
) -> None:
    client = fake()
    fail(client, found)
    for first, length in parts:
        try:
            writer(client).write(history[first : first + length], conditional=True)
        except SinkError as error:
            assert error.retryable
    require_only_newer(client.written)


@given(
    histories(),
    st.lists(st.tuples(st.floats(0, 1), st.lists(st.integers(1, 20), max_size=4)), max_size=5),
    st.integers(1, 20),
    faults,
)
def test_any_split_any_going_back_and_any_faults_leave_the_newest_of_each_item(
    history: list[Change], runs: list[tuple[float, list[int]]], last_size: int, found: list[Fault]
) -> None:
    """Each run goes back to somewhere before what was saved, is conditional as far as any run came, then plain."""
    client = fake()
    fail(client, found)
    saved = tried = 0
    endless = [last_size] * (len(history) + 1)
    # Each lost answer ends a run, so that one run for each fault comes to the end.
    for back, sizes in [*runs, *[(1.0, endless)] * (len(found) + 1)]:
        at, window = int(saved * back), tried
        for size in sizes:
            batch = history[at : at + size]
            tried = max(tried, at + len(batch))
            before = len(client.written)
            conditional = at < window
            try:
                writer(client).write(batch, conditional=conditional)
            except SinkError as error:
                assert error.retryable
                break
            finally:
                if conditional:
                    require_only_newer(client.written[before:])
                for write in client.written[before:]:
                    assert write.after is None or replaced_version(write) <= int(write.after[VERSION_ATTRIBUTE]["N"])
            at += len(batch)
            saved = max(saved, at)
            # What was deleted may be back for as long as this run is behind, but not once it has caught up.
            assert at < window or stored(client) == oracle(history[:at])
    assert saved == len(history)
    assert stored(client) == oracle(history)


@given(histories(), st.integers(0, 40), faults)
def test_whatever_fails_what_is_older_is_deleted_and_nothing_else(
    history: list[Change], version: int, found: list[Fault]
) -> None:
    client = fake()
    writer(client).write(history, conditional=False)
    client.put_item(TableName="orders", Item={"id": {"N": "99"}})
    expected = oracle(history)
    fail(client, found)
    for _ in range(len(found) + 1):
        try:
            writer(client).delete_older("orders", version, None)
        except SinkError as error:
            assert error.retryable
    client.delete_item(TableName="orders", Key={"id": {"N": "99"}})
    assert stored(client) == {
        key: newest for key, newest in expected.items() if key[0] != "orders" or newest >= version
    }
