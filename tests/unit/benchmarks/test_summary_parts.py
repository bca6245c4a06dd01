"""What the parts of `make bench` are checked with, and what they count."""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pyarrow as pa
import pytest

from benchmarks.aggregated import aggregate
from benchmarks.summary import wide_orders
from benchmarks.summary.request_count import counted_requests, kind_of
from benchmarks.summary.wide_orders import WideOrders, wide_config
from streamjoin.enrich.assembly import hudi_table
from streamjoin.entry import parse_config
from streamjoin.kinesis.kpl import unpack

# What a large table must hold

ORDERS = WideOrders("orders", 6_000, known=20, moves=True)


def table_of(orders, batches, *, by_day=True):
    rows = {}
    for number in range(orders.rows):
        event = orders._event(number, 0, orders._day(number))
        rows[event["uuid"]] = (wide_orders._COMBINED[number % 6], "1/1/10", str(number), event["impressiontime"][:10])
    for batch in range(batches):
        for sent in orders._sent(batch):
            rows[sent["uuid"]] = tuple(sent[name] for name in ("combinedname", "orderdate", "unitssold", "dt"))
    names = ["combinedname", "orderdate", "unitssold", *(["dt"] if by_day else [])]
    columns = {name: pa.array([row[i] for row in rows.values()], pa.string()) for i, name in enumerate(names)}
    return pa.table({"uuid": list(rows), **columns})


@pytest.mark.parametrize("by_day", [True, False])
def test_a_large_table_that_has_all_its_rows_is_right_and_one_that_lacks_or_doubles_one_is_wrong(by_day, monkeypatch):
    right = table_of(ORDERS, 2, by_day=by_day)
    stale = right.set_column(2, "orderdate", pa.array(["1/1/10"] * right.num_rows))
    found = {
        "right": right,
        "short": right.slice(1),
        "stale": stale,
        "doubled": pa.concat_tables([right, right.slice(9, 1)]),
    }
    monkeypatch.setattr(wide_orders, "read_table", lambda path, columns: found[path].select(columns))
    assert ORDERS.problems("right", 2, by_day=by_day) == []
    rows = 6_000 + 2 * 3_980
    for name, count in (("short", rows - 1), ("stale", rows), ("doubled", rows + 1)):
        (said,) = ORDERS.problems(name, 2, by_day=by_day)
        assert said.startswith(f"'{name}': expected {rows:,} rows, found {count:,}")


def test_the_scripts_rows_that_moved_are_expected_twice(monkeypatch):
    ours = table_of(ORDERS, 1)
    left = [(e["uuid"], n) for n in range(6_000) for e in [ORDERS._event(n, 0, ORDERS._day(n))]]
    moved = {s["uuid"] for s in ORDERS._sent(0)}
    stayed = {u: d for u, d in zip(ours["uuid"].to_pylist(), ours["dt"].to_pylist(), strict=True)}
    again = [(u, n) for u, n in left if u in moved and f"2026-01-{ORDERS._day(n) + 1:02d}" != stayed[u]]
    assert again
    rows = [
        {"uuid": u, "combinedname": wide_orders._COMBINED[n % 6], "orderdate": "1/1/10", "unitssold": str(n),
         "dt": f"2026-01-{ORDERS._day(n) + 1:02d}"}
        for u, n in again
    ]  # fmt: skip
    doubled = pa.concat_tables([ours, pa.Table.from_pylist(rows, ours.schema)])
    monkeypatch.setattr(wide_orders, "read_table", lambda path, columns: doubled.select(columns))
    assert ORDERS.problems("script", 1, by_day=True, keeps_moved=True) == []
    assert ORDERS.problems("ours", 1, by_day=True) != []


def test_a_batch_has_known_keys_of_the_newest_tenth_and_new_ones():
    orders = WideOrders("orders", 100_000)
    known = {f"{event['uuid']}" for event in (orders._event(n, 0, 0) for n in range(90_000, 100_000))}
    for batch in (0, 5):
        events = list(orders.events(batch))
        assert len({event["uuid"] for event in events}) == len(events) == 4_000
        assert sum(event["uuid"] in known for event in events) == 400


@pytest.mark.parametrize(("layout", "moves"), [("flat", False), ("fixed", False), ("may_move", True)])
def test_a_layout_is_what_its_name_says(layout, moves):
    table = hudi_table(parse_config(wide_config("orders", "/nowhere", "MERGE_ON_READ", layout)))
    assert (bool(table.partition_by), table.has_record_index) == (layout != "flat", moves)


# What is counted and packed


@pytest.mark.parametrize(
    ("method", "target", "kind"),
    [
        ("GET", "/bench?list-type=2&prefix=a%2F", "LIST"),
        ("GET", "/bench/a/b.parquet", "GET"),
        ("HEAD", "/bench/a", "HEAD"),
        ("POST", "/bench?delete", "DELETE many"),
        ("POST", "/bench/a?uploads", "POST"),
        ("PUT", "/bench/a", "PUT"),
    ],
)
def test_a_request_of_s3_is_counted_as_what_it_is(method, target, kind):
    assert kind_of(method, target) == kind


def test_requests_are_passed_on_as_they_are_and_counted():
    seen = []

    class Behind(BaseHTTPRequestHandler):
        def do_PUT(self):
            seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.send_header("ETag", "x")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with counted_requests(f"http://127.0.0.1:{server.server_port}") as (endpoint, count):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for data in (b"known length", iter([b"in ", b"chunks"])):
                request = urllib.request.Request(f"{endpoint}/bench/a", data=data, method="PUT")  # noqa: S310
                with opener.open(request) as answer:
                    assert (answer.status, answer.headers["ETag"], answer.read()) == (201, "x", b"ok")
            assert count.take() == {"PUT": 2}
            assert count.take() == {}
    finally:
        server.shutdown()
        server.server_close()
    assert seen == [("/bench/a", b"known length"), ("/bench/a", b"in chunks")]


def test_packed_records_are_unpacked_as_they_were():
    payloads = [b"one", b"", b"x" * 300]
    assert [(r.partition_key, r.data) for r in unpack("key", aggregate("key", payloads))] == [
        ("key", payload) for payload in payloads
    ]


def test_the_rows_of_a_batch_are_those_that_its_events_come_to():
    rows = ORDERS.rows_of(1).to_pylist()
    for row, event, sent in zip(rows, ORDERS.events(1), ORDERS._sent(1), strict=True):
        assert row.items() >= {name: sent[name] for name in ("uuid", "combinedname", "orderdate", "dt")}.items()
        assert {row[name] for name in ("itemtype", "unitssold")} == {event[name] for name in ("itemtype", "unitssold")}
        assert (row["code"], row["combinedname"]) in {*zip(wide_orders._CODES, wide_orders._COMBINED, strict=True)}
