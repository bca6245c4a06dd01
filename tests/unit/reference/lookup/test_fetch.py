import threading
from dataclasses import replace

import pyarrow as pa
from botocore.exceptions import NoRegionError

from streamjoin.dynamodb.read_pace import ReadUnits
from streamjoin.dynamodb.service import unpack
from streamjoin.reference.lookup import fetch as fetch_module
from streamjoin.reference.lookup import fetcher as fetcher_module
from streamjoin.reference.lookup.calls import ItemReader
from streamjoin.reference.lookup.fetch import FetchItems, KeyColumn
from streamjoin.reference.lookup.fetcher import Fetcher, Fetching, FetchReport
from streamjoin.schema.ddl import parse_type
from tests.faults.lookup import FakeItemTable, target_of, throttled
from tests.faults.reference import FakeClock, client_error, country

COUNTRIES = [country(f"C{number:05}", f"country {number}", area={"N": str(number)}) for number in range(1_000)]
FREE = ReadUnits(None)


class Worker:
    """A process: its fetcher, whose clock and waits are the test's."""

    def __init__(self, table, *, reuse_seconds=60.0, max_staleness_seconds=300.0, max_cached_items=100_000, **target):
        self.table, self.clock = table, FakeClock()
        fetching = Fetching(target_of(table, **target), reuse_seconds, max_staleness_seconds, max_cached_items)
        table.calls.clear()
        self.fetching = fetching
        reader = ItemReader(fetching.target, table, lambda seconds: None)
        self.fetcher = Fetcher(fetching, reader, self.clock)

    def fetch(self, *codes, pace=FREE):
        """Return the names found, and what the fetching came to."""
        end = FetchReport()
        found = list(self.fetcher.fetch([(code,) for code in codes], pace, end))
        return sorted(unpack(item)["countryname"]["S"] for known in found for item in known.items), end

    def fail(self, error=None):
        self.table.fault = lambda operation, request: error or client_error("AccessDeniedException", operation)

    def recover(self):
        self.table.fault = lambda operation, request: None

    @property
    def calls(self):
        return len(self.table.calls)


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


def test_while_calls_fail_what_is_known_is_used_and_counted_as_stale():
    it = Worker(FakeItemTable(COUNTRIES))
    read_at = it.clock()
    it.fetch("C00001", "nowhere")
    it.clock.advance(300)
    it.fail()

    found, end = it.fetch("C00001", "nowhere")

    assert found == ["country 1"]
    assert (end.stale_keys, end.unknown_keys, end.outdated_keys, end.oldest_read_at) == (2, 0, 0, read_at)
    assert "denied" in end.error
    assert not end.is_retryable


def test_what_is_older_than_allowed_is_not_used():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(300.5)
    it.fail(throttled())

    found, end = it.fetch("C00001")

    assert found == []
    assert (end.stale_keys, end.unknown_keys, end.outdated_keys, end.outdated_seconds) == (0, 0, 1, 300.5)
    assert "throttled" in end.error
    assert end.is_retryable


def test_keys_that_were_never_read_are_told_from_those_that_are_too_old():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(301)
    it.fail()

    _, end = it.fetch("C00001", "C00002")

    assert (end.unknown_keys, end.outdated_keys) == (1, 1)


def test_after_a_failure_what_can_be_used_is_not_asked_for_again_for_ten_seconds():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fetch("C00001")
    it.clock.advance(60)
    it.fail()
    it.fetch("C00001")
    calls = it.calls
    it.clock.advance(9.9)

    _, end = it.fetch("C00001")
    assert (it.calls, end.stale_keys) == (calls, 1)
    assert "denied" in end.error

    it.clock.advance(0.1)
    it.fetch("C00001")
    assert it.calls > calls


def test_keys_that_are_unknown_are_asked_for_also_right_after_a_failure():
    it = Worker(FakeItemTable(COUNTRIES))
    it.fail()
    it.fetch("C00001")
    it.recover()

    found, end = it.fetch("C00001")

    assert (found, end.error) == (["country 1"], None)


def test_a_success_ends_the_failure():
    it = Worker(FakeItemTable(COUNTRIES), reuse_seconds=1.0)
    it.fetch("C00001")
    it.clock.advance(1)
    it.fail()
    it.fetch("C00001")
    it.recover()
    it.fetch("C00002")

    assert it.fetch("C00001")[1].stale_keys == 0


def test_what_was_read_before_a_failure_is_kept():
    table = FakeItemTable(COUNTRIES)
    processed = iter([1, *[0] * 100])
    table.processed = lambda keys: next(processed)
    it = Worker(table)

    found, end = it.fetch("C00001", "C00002")
    assert (found, end.unknown_keys, end.read_units) == (["country 1"], 1, 1)

    it.table.calls.clear()
    assert it.fetch("C00001")[0] == ["country 1"]
    assert it.calls == 0


def test_what_is_pushed_out_while_other_keys_are_read_is_still_used_in_need():
    it = Worker(FakeItemTable(COUNTRIES), max_cached_items=1)
    it.fetch("C00001")
    it.clock.advance(60)
    # the known key comes last and fails; the other, read before, takes its place
    it.table.processed = lambda keys: 1 if keys == 2 else 0

    found, end = it.fetch("C00002", "C00001")

    assert found == ["country 1", "country 2"]
    assert (end.stale_keys, end.unknown_keys) == (1, 0)


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


def test_after_an_error_no_further_calls_are_begun():
    it = Worker(FakeItemTable())
    it.fail()

    _, end = it.fetch(*(f"C{number:06}" for number in range(100_000)))

    assert end.unknown_keys == 100_000
    # of a thousand: two at first, and at most those that were under way
    assert it.calls <= 16


def test_what_was_in_the_table_when_a_call_began_is_what_it_is_as_of():
    it = Worker(FakeItemTable(COUNTRIES))
    began_at = it.clock()
    it.table.fault = lambda operation, request: it.clock.advance(7)

    _, end = it.fetch("C00001")

    assert end.oldest_read_at == began_at


def run(it, *values, event="string", found="string", rate=None, tasks=1, monkeypatch):
    """Run a task over values; return the names that it found and its last row."""
    monkeypatch.setattr(fetch_module, "fetcher", lambda fetching: it.fetcher)
    work = FetchItems(it.fetching, (KeyColumn(parse_type(event), parse_type(found)),), rate, tasks)
    batches = [pa.RecordBatch.from_pydict({"key0": [value]}) for value in values]
    rows = [row for batch in work(iter(batches)) for row in batch.to_pylist()]
    *items, last = rows
    assert all(row["end"] is None and row["read_at"] is not None for row in items)
    assert (last["item"], last["read_at"]) == (None, None)
    return sorted(unpack(row["item"])["countryname"]["S"] for row in items), last["end"]


def test_a_task_gives_items_and_a_last_row_of_what_it_came_to(monkeypatch):
    it = Worker(FakeItemTable(COUNTRIES))

    found, end = run(it, "C00001", "C00002", "nowhere", "C00001", monkeypatch=monkeypatch)

    assert found == ["country 1", "country 2"]
    assert end == {
        "keys": 3,
        "calls": 1,
        "read_units": 3,
        "oldest_read_at": it.clock(),
        "cached_keys": 0,
        "stale_keys": 0,
        "outdated_keys": 0,
        "unknown_keys": 0,
        "outdated_seconds": 0,
        "error": None,
        "is_retryable": False,
    }


def test_values_that_no_key_can_be_are_unmatched_and_never_sent(monkeypatch):
    it = Worker(FakeItemTable(COUNTRIES))

    found, end = run(it, "", "x" * 2049, None, "C00001", monkeypatch=monkeypatch)

    assert (found, end["keys"]) == (["country 1"], 1)
    (request,) = it.table.made("BatchGetItem")
    assert request["RequestItems"]["countries"]["Keys"] == [{"code": {"S": "C00001"}}]


def test_the_range_key_may_be_half_as_long_as_the_hash_key(monkeypatch):
    table = FakeItemTable(key=(("code", "S"), ("sort", "S")))
    it = Worker(table, on=("code", "sort"))
    work = FetchItems(it.fetching, (KeyColumn(parse_type("string"), parse_type("string")),) * 2, None, 1)
    batch = pa.RecordBatch.from_pydict({"key0": ["x" * 2048, "y" * 1025, "y"], "key1": ["x", "y" * 1024, "y" * 1025]})

    assert work.keys([batch]) == [("x" * 2048, "x"), ("y" * 1025, "y" * 1024)]


def test_texts_of_one_number_are_one_key(monkeypatch):
    it = Worker(FakeItemTable([{"code": {"N": "7"}, "countryname": {"S": "seven"}}], key=(("code", "N"),)))

    found, end = run(it, "7", "007", "7.0", "7e0", found="string", monkeypatch=monkeypatch)

    assert (found, end["keys"]) == (["seven"], 1)


def test_a_task_without_keys_needs_no_client(monkeypatch):
    it = Worker(FakeItemTable())
    it.fetcher = None

    found, end = run(it, monkeypatch=monkeypatch)

    assert (found, end["keys"], end["oldest_read_at"]) == ([], 0, None)


def test_many_items_come_in_several_batches(monkeypatch):
    it = Worker(FakeItemTable(COUNTRIES))
    monkeypatch.setattr(fetch_module, "_ROWS_PER_BATCH", 100)
    monkeypatch.setattr(fetch_module, "fetcher", lambda fetching: it.fetcher)
    work = FetchItems(it.fetching, (KeyColumn(parse_type("string"), parse_type("string")),), None, 1)
    keys = pa.RecordBatch.from_pydict({"key0": [f"C{number:05}" for number in range(250)]})

    sizes = [batch.num_rows for batch in work(iter([keys]))]

    assert (sizes, sum(sizes)) == ([100, 100, 50, 1], 251)


def test_large_items_come_in_batches_of_few(monkeypatch):
    it = Worker(FakeItemTable([country(f"C{n}", "x" * 1000) for n in range(10)]))
    monkeypatch.setattr(fetch_module, "_BYTES_PER_BATCH", 3_000)
    monkeypatch.setattr(fetch_module, "fetcher", lambda fetching: it.fetcher)
    work = FetchItems(it.fetching, (KeyColumn(parse_type("string"), parse_type("string")),), None, 1)
    keys = pa.RecordBatch.from_pydict({"key0": [f"C{n}" for n in range(10)]})

    assert [batch.num_rows for batch in work(iter([keys]))] == [3, 3, 3, 1, 1]


def test_each_task_has_its_share_of_the_read_units(monkeypatch):
    it = Worker(FakeItemTable(COUNTRIES))
    paces = []
    fetch = it.fetcher.fetch
    it.fetcher.fetch = lambda keys, pace, end: paces.append(pace.max_per_second) or fetch(keys, FREE, end)

    run(it, "C00001", rate=100, tasks=4, monkeypatch=monkeypatch)

    assert paces == [25]


def test_a_client_that_cant_be_made_is_an_error_in_the_last_row(monkeypatch):
    it = Worker(FakeItemTable())

    def no_client(service, region, role_arn):
        raise NoRegionError

    monkeypatch.setattr(fetch_module, "aws_client", no_client)
    fetching = replace(it.fetching, target=replace(it.fetching.target, table_name="another"))
    work = FetchItems(fetching, (KeyColumn(parse_type("string"), parse_type("string")),), None, 1)
    (items, last) = work(iter([pa.RecordBatch.from_pydict({"key0": ["a", "b"]})]))

    assert items.num_rows == 0
    end = last.to_pylist()[0]["end"]
    assert (end["keys"], end["unknown_keys"], end["is_retryable"]) == (2, 2, False)
    assert "'another' in region 'us-east-1': (making a client) could not be sent" in end["error"]


def test_a_process_keeps_one_fetcher_for_each_reference(monkeypatch):
    it = Worker(FakeItemTable())
    made = []
    monkeypatch.setattr(fetch_module, "aws_client", lambda *arguments: made.append(arguments) or it.table)
    target = replace(it.fetching.target, table_name="of its own", role_arn="arn:aws:iam::123456789012:role/r")
    fetching = replace(it.fetching, target=target)

    first, second = fetch_module.fetcher(fetching), fetch_module.fetcher(replace(fetching))

    assert first is second
    assert made == [("dynamodb", "us-east-1", "arn:aws:iam::123456789012:role/r")]
    assert fetch_module.fetcher(replace(fetching, reuse_seconds=1.0)) is not first
