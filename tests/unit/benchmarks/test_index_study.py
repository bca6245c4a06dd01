"""The study of indexes: what a batch holds, which indexes are compared, and how its figures are shown."""

import pytest

from benchmarks.arguments import TABLE_TYPES
from benchmarks.index_study import DEFAULT, HOLDS, INDEXES, SCRIPT, StudiedOrders
from benchmarks.publish import indexes_table
from benchmarks.summary.figures import LAYOUTS

ROWS = 20_000


def known_of(hold):
    """The places, among the table's first rows, of the keys of a batch that the table has."""
    orders = StudiedOrders("none", ROWS, holds=("10 % near", hold))
    return orders, [int(event["unitssold"]) for event in orders.events(1) if int(event["unitssold"]) < ROWS]


@pytest.mark.parametrize(("hold", "known"), [(hold, known) for hold, (known, _) in HOLDS.items()])
def test_a_batch_has_4000_keys_of_which_the_table_has_as_many_as_the_content_says(hold, known):
    orders, found = known_of(hold)
    keys = {event["uuid"] for event in orders.events(1)}
    assert (len(keys), len(found)) == (4_000, known)


def test_known_keys_are_near_the_end_or_anywhere():
    assert min(known_of("50 % near")[1]) >= ROWS * 0.9
    assert min(known_of("50 % anywhere")[1]) < ROWS * 0.1


def test_no_two_batches_bring_the_same_new_key_whatever_they_hold():
    orders = StudiedOrders("none", ROWS, holds=tuple(HOLDS))
    new = [
        [event["uuid"] for event in orders.events(number) if int(event["unitssold"]) >= ROWS]
        for number in range(len(HOLDS))
    ]
    assert len({key for keys in new for key in keys}) == sum(map(len, new))


def test_each_type_and_layout_compares_ours_and_the_scripts_with_hudis():
    assert set(INDEXES) == {(kind, layout) for kind in TABLE_TYPES for layout in LAYOUTS}
    for indexes in INDEXES.values():
        assert {DEFAULT, SCRIPT, "RECORD_INDEX"} < set(indexes)


def test_a_table_of_the_page_has_sizes_contents_and_requests():
    def measured(index, rows, median, s3=False, layout="flat"):
        place = {"table_type": "COPY_ON_WRITE", "layout": layout, "index": index, "rows": rows, "s3": s3}
        return place | {"median": median}

    study = {
        "tables": [
            measured("default", 100_000, {"10 % near": 1.04}),
            measured("default", 1_000_000, {"10 % near": 1.26, "all new": 1.1}),
            measured("BLOOM", 1_000_000, {"10 % near": 9.0, "all new": 8.0}),
            measured("default", 100_000, {"10 % near": 152}, s3=True),
            measured("default", 1_000_000, {"10 % near": 7.7}, layout="fixed"),
        ]
    }
    assert indexes_table(study, "COPY_ON_WRITE", "flat").splitlines() == [
        "| index | 100,000, 10 % near | 1,000,000, 10 % near | 1,000,000, all new | requests, 100,000, 10 % near |",
        "|---|---|---|---|---|",
        "| default | 1.0 | 1.3 | 1.1 | 152 |",
        "| BLOOM |  | 9.0 | 8.0 |  |",
    ]
    assert indexes_table(study, "MERGE_ON_READ", "flat") == "Not measured."
