import pytest

from streamjoin.errors import LocalStackError
from streamjoin.local.tables import WRITE_ATTEMPTS, put_items
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
