"""What a capture leaves in its tables, over any history, delivery and crash: its batches, on tables in memory.

The changes are read and made into rows by the real code; the tables do what Hudi, the tombstones and the journal do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.capture.changes.layouts import row_batch
from streamjoin.capture.changes.read import read_batch
from streamjoin.capture.changes.rows import RowMaker
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import parse_schema
from tests.changes.oracle import Source, Told, changelog, current
from tests.changes.samples import kinesis_record, pipe_record

COLUMNS = parse_schema("id string, quantity bigint")
LAYOUTS = {name: ChangeLayout(name, COLUMNS, "drop") for name in ("current", "changelog")}
# Where a batch may die: before anything, between a table's tombstones and its rows, between two tables, before the
# journal has it.
CRASHES = ("read", "tombstones_written", "table_committed", "committed", None)

Row = dict[str, Any]


@dataclass
class Lake:
    """The tables of both layouts, and the tombstones, as they are on disk."""

    current: dict[str, Row] = field(default_factory=dict)
    changelog: dict[str, Row] = field(default_factory=dict)
    tombstones: dict[str, str] = field(default_factory=dict)

    def process(self, records: Sequence[tuple[int, bytes]], crash: str | None) -> bool:
        """Take a batch through the steps of `process_batch`; return whether it came to its end."""
        newest: dict[str, Row] = {}
        for row in _rows(records, "current"):
            known = newest.get(row["_item_key"])
            if not self._is_late(row) and (known is None or row["_order"] > known["_order"]):
                newest[row["_item_key"]] = row
        if crash == "read":
            return False
        for key, row in newest.items():
            if row["_hoodie_is_deleted"]:
                self.tombstones[key] = max(row["_order"], self.tombstones.get(key, ""))
        if crash == "tombstones_written":
            return False
        for key, row in newest.items():
            self._upsert(key, row)
        if crash == "table_committed":
            return False
        self.changelog |= {row["_change_id"]: row for row in _rows(records, "changelog")}
        return crash is None

    def _is_late(self, row: Row) -> bool:
        stone = self.tombstones.get(row["_item_key"], "")
        return row["_order"] < stone or (row["_order"] == stone and not row["_hoodie_is_deleted"])

    def _upsert(self, key: str, row: Row) -> None:
        """Do what Hudi does: the greater order wins, and a deletion forgets its own."""
        if key in self.current and self.current[key]["_order"] > row["_order"]:
            return
        if row["_hoodie_is_deleted"]:
            self.current.pop(key, None)
        else:
            self.current[key] = row


def _rows(records: Sequence[tuple[int, bytes]], layout: str) -> list[Row]:
    taken = [{"sequence_number": str(number), "sub_sequence_number": 0, "data": data} for number, data in records]
    batch = pa.RecordBatch.from_pylist(taken, schema=RECORD_SCHEMA)
    passed = ["_item_key", "_order", "_change_id", "operation"]
    rows = [r for part in read_batch(batch) for r in row_batch(part, RowMaker(LAYOUTS[layout]), passed).to_pylist()]
    assert not [row["_reason"] for row in rows if row["_reason"]]
    return rows


def _record(change: Told, envelope: str) -> bytes:
    keys = {"id": change.key}
    if envelope == "pipe":
        # Several changes in one second, which their numbers order.
        place: dict[str, Any] = {
            "created_s": 1_700_000_000 + change.place // 3,
            "sequence_number": 7 * change.place + 1,
        }
        return pipe_record("orders", change.operation, keys, change.new, change.old, **place)
    created = 1_700_000_000_000_000 + change.place
    return kinesis_record("orders", change.operation, keys, change.new, change.old, created=created)


def _history(steps: Sequence[tuple[str, int | None]]) -> Source:
    source = Source()
    for key, quantity in steps:
        if quantity is None:
            source.remove(key)
        else:
            source.put(key, {"id": key, "quantity": quantity})
    return source


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 3)), min_size=1, max_size=14)


@pytest.mark.parametrize("envelope", ["pipe", "kinesis"])
@given(steps=STEPS, data=st.data())
def test_any_delivery_with_crashes_anywhere_ends_in_the_items_and_in_every_change_once(
    envelope: str, steps: list[tuple[str, int | None]], data: st.DataObject
) -> None:
    source = _history(steps)
    count = len(source.told)
    repeats = data.draw(st.lists(st.integers(0, count - 1), max_size=count)) if count else []
    waiting = data.draw(st.permutations([*range(count), *repeats]))
    tries = data.draw(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(CRASHES)), max_size=8))
    lake, number = Lake(), 0
    while waiting:
        # After a crash the records come again, in batches of another size.
        size, crash = tries.pop() if tries else (len(waiting), None)
        batch = [(number + at, _record(source.told[index], envelope)) for at, index in enumerate(waiting[:size])]
        if lake.process(batch, crash):
            waiting, number = waiting[size:], number + size
    live = {key: {"id": row["id"], "quantity": row["quantity"]} for key, row in lake.current.items()}
    assert live == source.items == current(source.told)
    found = sorted((row["_order"], row["operation"], row["_item_key"]) for row in lake.changelog.values())
    assert [(operation, key) for _, operation, key in found] == [(c.operation, c.key) for c in changelog(source.told)]


def test_a_removed_item_is_not_brought_back_by_a_late_modify() -> None:
    source = _history([("a", 1), ("a", 2), ("a", None)])
    insert, modify, remove = [_record(change, "pipe") for change in source.told]
    lake = Lake()
    for number, record in enumerate([insert, remove, modify]):
        assert lake.process([(number, record)], None)
    assert lake.current == {}


def test_a_remove_whose_tombstone_was_written_by_a_batch_that_died_still_deletes_the_row() -> None:
    source = _history([("a", 1), ("a", None)])
    insert, remove = [_record(change, "pipe") for change in source.told]
    lake = Lake()
    lake.process([(0, insert)], None)
    lake.process([(1, remove)], "tombstones_written")
    assert lake.current.keys() == {"a"}
    lake.process([(1, remove)], None)
    assert lake.current == {}
