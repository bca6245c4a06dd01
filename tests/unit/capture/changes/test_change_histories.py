"""The pure part of capture over whole histories: however changes are delivered, the table's own content comes out."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjoin.capture.changes.layouts import row_batch
from streamjoin.capture.changes.read import read_batch
from streamjoin.capture.changes.rows import RowMaker
from streamjoin.capture.changes.table_layout import ChangeLayout
from streamjoin.hudi.partition import PartitionColumn
from streamjoin.schema.columns import RECORD_SCHEMA
from streamjoin.schema.ddl import parse_schema
from tests.changes.history import STEPS, deliveries, history

COLUMNS = parse_schema("orderid string, quantity bigint")
CURRENT = ChangeLayout("current", COLUMNS, "drop")
CHANGELOG = ChangeLayout("changelog", COLUMNS, partition_by=(PartitionColumn("dt", "changed_at", "yyyyMMdd"),))


def rows_of(records: Iterable[tuple[int, bytes]], layout: ChangeLayout) -> list[dict[str, Any]]:
    """Return what one batch of Kinesis records, each with its sequence number, becomes."""
    taken = [{"sequence_number": str(number), "sub_sequence_number": 0, "data": data} for number, data in records]
    batch = pa.RecordBatch.from_pylist(taken, schema=RECORD_SCHEMA)
    passed = ["_item_key", "_order", "_change_id", "operation"]
    rows = [
        row
        for part in read_batch(batch, max_unpacked_bytes=1000)
        for row in row_batch(part, RowMaker(layout), passed).to_pylist()
    ]
    assert len(rows) == len(taken)
    assert not [row["_reason"] for row in rows if row["_reason"]]
    return rows


@pytest.mark.parametrize("envelope", ["pipe", "kinesis"])
@given(data=st.data())
def test_any_delivery_of_a_history_ends_in_the_tables_own_content(envelope: str, data: st.DataObject) -> None:
    told = history(data.draw(STEPS), envelope=envelope)
    newest, place = dict[str, dict[str, Any]](), 0
    for batch in data.draw(deliveries(len(told.records))):
        numbered = [(place + at, told.records[index]) for at, index in enumerate(batch)]
        place += len(batch)
        for row in rows_of(numbered, CURRENT):
            known = newest.get(row["_item_key"])
            if known is None or row["_order"] > known["_order"]:
                newest[row["_item_key"]] = row

    live = {key: row for key, row in newest.items() if not row["_hoodie_is_deleted"]}
    assert {key: {"orderid": row["orderid"], "quantity": row["quantity"]} for key, row in live.items()} == told.content


@pytest.mark.parametrize("envelope", ["pipe", "kinesis"])
@given(data=st.data())
def test_any_delivery_of_a_history_has_every_change_once(envelope: str, data: st.DataObject) -> None:
    told = history(data.draw(STEPS), envelope=envelope)
    once = rows_of(enumerate(told.records), CHANGELOG)
    found = dict[str, dict[str, Any]]()
    for batch in data.draw(deliveries(len(told.records))):
        found |= {row["_change_id"]: row for row in rows_of(enumerate(told.records[i] for i in batch), CHANGELOG)}

    assert len(once) == len({row["_change_id"] for row in once}) == len(found)
    for row in once:
        again = found[row["_change_id"]]
        assert {**again, "_order": None} == {**row, "_order": None}
