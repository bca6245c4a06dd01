"""The task: keys in, items and a last row out."""

from dataclasses import replace

import pyarrow as pa

from streamjoin.dynamodb.service import unpack
from streamjoin.errors import AwsSettingsError
from streamjoin.reference.lookup import fetch as fetch_module
from streamjoin.reference.lookup.fetch import FetchItems, KeyColumn
from streamjoin.schema.ddl import parse_type
from tests.faults.lookup import FakeItemTable
from tests.faults.reference import country
from tests.unit.reference.lookup.fetch_worker import COUNTRIES, FREE, Worker


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
        raise AwsSettingsError("no credentials were found")

    monkeypatch.setattr(fetch_module, "aws_client", no_client)
    fetching = replace(it.fetching, target=replace(it.fetching.target, table_name="another"))
    work = FetchItems(fetching, (KeyColumn(parse_type("string"), parse_type("string")),), None, 1)
    (items, last) = work(iter([pa.RecordBatch.from_pydict({"key0": ["a", "b"]})]))

    assert items.num_rows == 0
    end = last.to_pylist()[0]["end"]
    assert (end["keys"], end["unknown_keys"], end["is_retryable"]) == (2, 2, False)
    assert "'another' in region 'us-east-1': no credentials were found" in end["error"]


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
