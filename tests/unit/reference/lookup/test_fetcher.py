"""What is read from the table, and what is kept of it."""

import threading

from streamjoin.reference.lookup import fetcher as fetcher_module
from tests.faults.lookup import FakeItemTable
from tests.faults.reference import country
from tests.unit.reference.lookup.fetch_worker import COUNTRIES, Worker


def test_an_item_is_read_once_within_its_time_and_again_after_it():
    it = Worker(FakeItemTable(COUNTRIES))
    read_at = it.clock()
    assert it.fetch("C00001")[0] == ["country 1"]
    it.table.put(country("C00001", "changed"))
    it.clock.advance(59.9)

    found, end = it.fetch("C00001")
    assert (found, it.calls) == (["country 1"], 1)
    assert (end.keys, end.cached_keys, end.calls, end.read_units, end.oldest_read_at) == (1, 1, 0, 0, read_at)

    it.clock.advance(0.1)
    found, end = it.fetch("C00001")
    assert (found, it.calls) == (["changed"], 2)
    assert (end.cached_keys, end.calls, end.oldest_read_at) == (0, 1, it.clock())


def test_that_there_is_no_item_is_kept_too():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("nowhere")
    it.table.put(country("nowhere", "now here"))

    assert it.fetch("nowhere")[0] == []
    assert it.calls == 1
    it.clock.advance(60)
    assert it.fetch("nowhere")[0] == ["now here"]


def test_an_interval_of_zero_reads_for_every_batch():
    it = Worker(FakeItemTable(COUNTRIES), reuse_seconds=0.0)
    it.fetch("C00001")
    it.fetch("C00001")

    assert it.calls == 2


def test_only_the_keys_that_are_not_known_are_read():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001", "C00002")

    found, end = it.fetch("C00002", "C00003")

    assert found == ["country 2", "country 3"]
    assert (end.keys, end.cached_keys, end.read_units) == (2, 1, 1)


def test_a_clock_that_was_set_back_makes_what_is_known_unknown():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(-10)
    it.fail()

    found, end = it.fetch("C00001")

    assert (found, end.outdated_keys) == ([], 1)


def test_no_more_items_are_kept_than_allowed_and_those_used_last_stay():
    it = Worker(FakeItemTable(COUNTRIES), max_cached_items=3)
    it.fetch("C00001", "C00002", "nowhere")
    it.fetch("C00001")
    it.fetch("C00004")
    it.table.calls.clear()

    it.fetch("C00001", "C00004", "nowhere")
    assert it.calls == 0
    it.fetch("C00002")
    assert it.calls == 1


def test_what_is_used_in_need_stays_too():
    it = Worker(FakeItemTable(COUNTRIES), max_cached_items=2, reuse_seconds=1.0)
    it.fetch("C00001", "C00002")
    it.clock.advance(1)
    it.fail()
    it.fetch("C00001")
    it.recover()
    it.fetch("C00003")
    it.fail()

    assert it.fetch("C00001")[1].stale_keys == 1
    assert it.fetch("C00002")[1].unknown_keys == 1


def test_more_keys_than_are_kept_are_all_found():
    it = Worker(FakeItemTable(COUNTRIES), max_cached_items=1)
    codes = [f"C{number:05}" for number in range(250)]

    assert len(it.fetch(*codes)[0]) == 250


def test_large_items_are_kept_only_as_far_as_their_bytes_fit(monkeypatch):
    monkeypatch.setattr(fetcher_module, "MAX_CACHED_BYTES", 2_500)
    it = Worker(FakeItemTable([country(f"C{n}", "x" * 1_000) for n in range(3)]), reuse_seconds=60.0)
    for _ in range(3):
        it.fetch("C0", "C1")
        it.clock.advance(60)
    it.fetch("C0", "C1")
    it.fetch("C2")
    it.table.calls.clear()

    it.fetch("C1", "C2")
    assert it.calls == 0
    it.fetch("C0")
    assert it.calls == 1


def test_items_of_one_hash_key_count_each():
    items = [{"code": {"S": "IN"}, "year": {"N": str(year)}, "countryname": {"S": "India"}} for year in range(3)]
    table = FakeItemTable(items, key=(("code", "S"), ("year", "N")))
    table.put({"code": {"S": "FR"}, "year": {"N": "1"}, "countryname": {"S": "France"}})
    it = Worker(table, max_cached_items=3)
    it.fetch("FR")
    it.fetch("IN")
    it.table.calls.clear()

    it.fetch("IN")
    assert it.calls == 0
    it.fetch("FR")
    assert it.calls == 1


def test_a_key_read_again_is_counted_once():
    it = Worker(FakeItemTable(COUNTRIES), max_cached_items=2, reuse_seconds=1.0)
    it.fetch("C00001")
    for _ in range(5):
        it.clock.advance(1)
        it.fetch("C00002")
    it.fail()

    assert it.fetch("C00001")[1].stale_keys == 1


def test_many_keys_are_read_by_several_calls_at_a_time_each_key_once():
    table = FakeItemTable(COUNTRIES)
    it = Worker(table)
    two_at_once = threading.Barrier(2, timeout=20)
    table.processed = lambda keys: two_at_once.wait() * 0 + keys

    found, end = it.fetch(*(f"C{number:05}" for number in range(1_000)))

    assert sorted(found) == sorted(f"country {number}" for number in range(1_000))
    assert (end.calls, end.keys, end.read_units) == (10, 1_000, 1_000)
    asked = [
        key["code"]["S"] for call in table.made("BatchGetItem") for key in call["RequestItems"]["countries"]["Keys"]
    ]
    assert len(asked) == len(set(asked)) == 1_000


def test_what_was_in_the_table_when_a_call_began_is_what_it_is_as_of():
    it = Worker(FakeItemTable(COUNTRIES))
    began_at = it.clock()
    it.table.fault = lambda operation, request: it.clock.advance(7)

    _, end = it.fetch("C00001")

    assert end.oldest_read_at == began_at
