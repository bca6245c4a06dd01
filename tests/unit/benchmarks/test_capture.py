import json

import pyarrow as pa

from benchmarks.capture.way import Changes, item_problems


def test_a_table_that_is_not_that_of_the_items_is_told():
    items = {"a": {"uuid": "a", "n": "1"}, "b": {"uuid": "b", "n": "2"}}

    def problems(*rows):
        return item_problems(pa.table({"uuid": [r[0] for r in rows], "n": [r[1] for r in rows]}), items)

    assert problems(("b", "2"), ("a", "1")) == []
    assert "1 of 2 items differ" in problems(("a", "1"), ("b", "3"))[0]
    assert "1 of 2 items differ" in problems(("a", "1"))[0]
    assert "expected one row an item" in problems(("a", "1"), ("a", "1"), ("b", "2"))[0]


def test_changes_are_inserts_updates_and_removals_that_leave_the_items():
    changes = Changes("changes", 3_000)
    records = [json.loads(record["Data"]) for record in changes.batch(3_000)]
    operations = [record["eventName"] for record in records]
    assert all(operations.count(each) > 100 for each in ("INSERT", "MODIFY", "REMOVE"))
    items = {}
    for record in records:
        key, image = record["dynamodb"]["Keys"]["uuid"]["S"], record["dynamodb"].get("NewImage")
        old = {name: value["S"] for name, value in record["dynamodb"].get("OldImage", {}).items()}
        assert old == items.pop(key, {})
        if image is not None:
            items[key] = {name: value["S"] for name, value in image.items()}
    assert items == changes.items
