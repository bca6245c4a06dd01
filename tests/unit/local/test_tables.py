import pytest

from streamjoin.errors import LocalStackError
from streamjoin.local.tables import WRITE_ATTEMPTS, backoff_seconds, put_items
from tests.faults.local import FakeTable


def test_items_that_a_table_leaves_unprocessed_are_sent_again():
    table = FakeTable(most=10)
    assert put_items(table, "t", ({"id": number} for number in range(60)), sleep=lambda _: None) == 60
    assert sorted(map(int, table.written)) == list(range(60))
    assert table.calls == 3 + 3 + 1


def test_a_table_that_takes_nothing_is_an_error():
    table = FakeTable(most=0)
    with pytest.raises(LocalStackError, match="table 't': 5 items were still unprocessed after 10 calls"):
        put_items(table, "t", ({"id": number} for number in range(5)), sleep=lambda _: None)
    assert table.calls == WRITE_ATTEMPTS


def test_pauses_grow_to_a_bound_and_are_never_negative():
    pauses_seconds = list(backoff_seconds(50, first_seconds=0.1, most_seconds=5.0))
    assert len(pauses_seconds) == 50
    assert pauses_seconds[0] <= 0.1
    assert min(pauses_seconds) >= 0
    assert max(pauses_seconds) <= 5.0
